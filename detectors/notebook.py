"""What a notebook does with a clip: detect once, change a threshold, look at the pictures."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from detectors import pipeline
from lanewatch.config.site import BehaviourConfig, Site, ThresholdRule
from lanewatch.records import Detections, Event, Image
from models.detection.base import ObjectDetector
from streams.sampling import sampler


def detect(site: Site, *, network: ObjectDetector | None = None) -> list[Detections]:
    """All that the detector sees in a site's recordings, played once and as fast as they go.

    Args:
        site: Its cameras play recordings.
        network: The object detector; the site's if None.

    Raises:
        ValueError: the site has a network camera.
        Exception: what kept a recording from being played.
    """
    kept: list[Detections] = []
    runner = pipeline.runner(
        pipeline.as_recordings(site), pipeline.EventCollector(), run="detect", keep=kept.append, network=network
    )
    runner.run()
    for error in runner.errors.values():
        raise error
    return kept


def with_thresholds(site: Site, kind: str, **thresholds: Any) -> Site:
    """The same site with other thresholds for one behaviour, wherever and whenever: they win over all of its rules."""
    watching = site.behaviours.get(kind, BehaviourConfig())
    changed = watching.model_copy(update={"rules": (*watching.rules, ThresholdRule(thresholds=thresholds))})
    return site.model_copy(update={"behaviours": {**site.behaviours, kind: changed}})


def event_pictures(site: Site, events: Iterable[Event]) -> dict[str, Image]:
    """The frame in which each event is seen best, by the event's id; (H, W, 3) uint8, BGR, privacy masks applied.

    The recordings are played once more; an event whose peak is not in them has no picture.
    """
    wanted: dict[tuple[str, int], list[str]] = {}
    for event in events:
        wanted.setdefault((event.camera, event.peak.slot), []).append(event.id)
    found: dict[str, Image] = {}
    for camera in pipeline.as_recordings(site).cameras:
        for frame in sampler.make_sampler(camera, site):
            if frame.image is not None:
                found.update(dict.fromkeys(wanted.get((camera.id, frame.slot), []), frame.image))
    return found
