"""What the stages count, by reason, for `/metrics` and the night shift: failure is a value, counted and not hidden."""

from __future__ import annotations

import logging

from prometheus_client import Counter, Gauge, Histogram

FRAMES = Counter("lanewatch_frames", "Frames that left a stage.", ["stage", "camera"])
DROPPED = Counter(
    "lanewatch_dropped",
    "Frames, detections or evidence that a stage did without.",
    ["stage", "camera", "reason"],
)
RECONNECTS = Counter("lanewatch_reconnects", "Connections to a camera that had to be made anew.", ["camera", "reason"])
EVENTS = Counter("lanewatch_events", "Revisions of events.", ["kind", "state"])
STAGE_SECONDS = Histogram(
    "lanewatch_stage_seconds",
    "Time that a stage took for one call.",
    ["stage"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
BEHIND_SECONDS = Gauge("lanewatch_behind_seconds", "Wall clock less capture time of the last record.", ["camera"])


def dropped(stage: str, camera: str, reason: str, count: int = 1) -> None:
    """Counts what a stage did without; ``reason`` is one word of a small fixed set."""
    DROPPED.labels(stage, camera, reason).inc(count)


def log(stage: str) -> logging.Logger:
    """The stage's logger."""
    return logging.getLogger(f"lanewatch.{stage}")
