"""A record before the watch stage, and what is told of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from lanewatch import metrics
from lanewatch.records import BLIND, Detections, Event
from streams.stages import Watch

S = TypeVar("S")

HOLE_S = 3.0
"""A sampler says something of each camera every second; where nothing came for longer, nobody watched."""

STAGE = "watch"


def _risen(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    if after is not before:
        for name, count in after.items():
            if count > before.get(name, 0):
                yield name, count - before.get(name, 0)


class InstrumentedWatch(Generic[S]):
    """Has records judged, and tells how long that takes, how far each camera has come, which records were not taken and
    for how long nobody watched."""

    def __init__(self) -> None:
        self._latest: dict[str, float] = {}

    def step(self, watch: Watch[S], state: S, detections: Detections) -> tuple[S, list[Event]]:
        """See ``streams.stages.Watch``."""
        began = time.perf_counter()
        after, events = watch.step(state, detections)
        metrics.STAGE_SECONDS.labels(STAGE).observe(time.perf_counter() - began)
        before, skipped = watch.skipped(state), watch.skipped(after)
        if skipped == before:
            self._taken(detections)
        for reason, count in _risen(before, skipped):
            metrics.DROPPED.labels(STAGE, detections.camera, reason).inc(count)
        for what, count in _risen(watch.noted(state), watch.noted(after)):
            metrics.WATCH_COUNTS.labels(detections.camera, what).inc(count)
        return after, events

    def _taken(self, detections: Detections) -> None:
        camera, now = detections.camera, detections.captured_at
        passed_s = now - self._latest.get(camera, now)
        self._latest[camera] = now
        if detections.gap in BLIND:
            metrics.UNWATCHED_SECONDS.labels(camera, detections.gap).inc(max(0.0, passed_s))
        elif passed_s > HOLE_S:
            metrics.UNWATCHED_SECONDS.labels(camera, "hole").inc(passed_s)
        metrics.CAPTURED_AT.labels(camera).set(now)
