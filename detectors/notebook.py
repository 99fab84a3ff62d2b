"""Functions for notebooks: detect once, change a threshold, show the events' pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from detectors import pipeline
from lanewatch.config.site import BehaviourConfig, Site, ThresholdRule
from lanewatch.records import Detections, Event, Image
from models.detection.base import ObjectDetector
from streams.sampling import sampler


def detect(site: Site, *, network: ObjectDetector | None = None) -> list[Detections]:
    """The detections of a site's recordings, played once at full speed, by the site's object detector or ``network``.

    Raises:
        ValueError: the site has a network camera.
        Exception: a recording could not be played.
    """
    detections: list[Detections] = []
    pipeline.play(site, run="detect", keep=detections.append, network=network)
    return detections


def with_thresholds(site: Site, kind: str, **thresholds: Any) -> Site:
    """The same site with other thresholds for one behaviour, everywhere and always: they override all its rules."""
    config = site.behaviours.get(kind, BehaviourConfig())
    changed = config.model_copy(update={"rules": (*config.rules, ThresholdRule(thresholds=thresholds))})
    return site.model_copy(update={"behaviours": {**site.behaviours, kind: changed}})


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
