"""Functions for notebooks: detect once, change a threshold, show the events' pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from detectors import pipeline
from detectors.behaviours.base import BehaviourError
from detectors.behaviours.registry import behaviours_of
from detectors.thresholds import Resolver
from lanewatch.config.problems import suggestion
from lanewatch.config.site import BehaviourConfig, Site, ThresholdRule
from lanewatch.records import Detections, Event, Image
from models.detection import registry as detector_registry
from models.detection.base import ObjectDetector
from streams.sampling import sampler


def detect(site: Site, *, network: ObjectDetector | str | None = None, quiet: bool = False) -> list[Detections]:
    """The detections of a site's recordings, played once at full speed.

    Args:
        network: A detector, its name as ``lanewatch models`` lists it, or the path of its weights; the site's if None.
        quiet: Without progress on the terminal or in the notebook.

    Raises:
        TypeError: this is no site.
        ValueError: the site has a network camera, or a recording has no picture.
        ModelMissingError: there is no such network.
        Exception: a recording could not be played.
    """
    _check_site(site)
    if isinstance(network, str):
        network = detector_registry.load(network, site.detector.device, site.detector.score)
    detections: list[Detections] = []
    pipeline.play(site, run="detect", keep=detections.append, network=network, quiet=quiet)
    return detections


def with_thresholds(site: Site, kind: str, **thresholds: Any) -> Site:
    """The same site with other thresholds for one behaviour, everywhere and always: they override all its rules.

    Raises:
        TypeError: this is no site.
        BehaviourError: there is no such behaviour.
        ThresholdError: the behaviour has no such threshold, or the value is out of range.
    """
    _check_site(site)
    behaviours = behaviours_of(site)
    if kind not in behaviours:
        raise BehaviourError(f"no behaviour {kind!r}; {suggestion(kind, behaviours, none='install one')}")
    config = site.behaviours.get(kind, BehaviourConfig())
    changed = config.model_copy(update={"rules": (*config.rules, ThresholdRule(thresholds=thresholds))})
    result = site.model_copy(update={"behaviours": {**site.behaviours, kind: changed}})
    for camera in site.cameras[:1]:
        Resolver(result, camera.id, kind, behaviours[kind].Thresholds)
    return result


def _check_site(site: object) -> None:
    if not isinstance(site, Site):
        example = "lanewatch.load_site('site.yaml')"
        raise TypeError(f"a Site is needed, such as {example}; this is a {type(site).__name__}: {site!r}")


def event_pictures(site: Site, events: Iterable[Event]) -> dict[str, Image]:
    """The frame of each event's peak, by the event's id; (H, W, 3) uint8, BGR, privacy masks applied.

    The recordings are played once more. An event whose peak is not in them has no picture.
    """
    ids: dict[tuple[str, int], list[str]] = {}
    for event in events:
        ids.setdefault((event.camera, event.peak.slot), []).append(event.id)
    pictures: dict[str, Image] = {}
    for camera in pipeline.as_recordings(site).cameras:
        for frame in sampler.make_sampler(camera, site):
            if frame.image is not None:
                pictures.update(dict.fromkeys(ids.get((camera.id, frame.slot), []), frame.image))
    return pictures
