"""The watch stage with metrics."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Generic

from lanewatch import metrics
from lanewatch.records import BLIND, Detections, Event
from streams.stages import S, Watch

HOLE_S = 3.0  # A sampler sends a record of each camera every second. A longer time without records was not observed.
STAGE = "watch"


class InstrumentedWatch(Generic[S]):
    """Calls the watch stage, and measures its duration, progress, skipped records and unobserved time."""

    def __init__(self) -> None:
        self._latest: dict[str, float] = {}

    def step(self, watch: Watch[S], state: S, detections: Detections) -> tuple[S, list[Event]]:
        """See ``streams.stages.Watch``."""
        started = time.perf_counter()
        after, events = watch.step(state, detections)
        metrics.STAGE_SECONDS.labels(STAGE).observe(time.perf_counter() - started)
        skipped_before, skipped = watch.skipped(state), watch.skipped(after)
        if skipped == skipped_before:
            self._measure_progress(detections)
        for reason, count in _increases(skipped_before, skipped):
            metrics.DROPPED.labels(STAGE, detections.camera, reason).inc(count)
        for name, count in _increases(watch.counters(state), watch.counters(after)):
            metrics.WATCH_COUNTS.labels(detections.camera, name).inc(count)
        return after, events

    def _measure_progress(self, detections: Detections) -> None:
        camera, captured_at = detections.camera, detections.captured_at
        elapsed_s = captured_at - self._latest.get(camera, captured_at)
        self._latest[camera] = captured_at
        if detections.gap in BLIND:
            metrics.UNWATCHED_SECONDS.labels(camera, detections.gap).inc(max(0.0, elapsed_s))
        elif elapsed_s > HOLE_S:
            metrics.UNWATCHED_SECONDS.labels(camera, "hole").inc(elapsed_s)
        metrics.CAPTURED_AT.labels(camera).set(captured_at)


def _increases(before: Mapping[str, int], after: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    if after is not before:
        for name, count in after.items():
            if count > before.get(name, 0):
                yield name, count - before.get(name, 0)
