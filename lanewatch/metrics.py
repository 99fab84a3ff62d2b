"""The Prometheus metrics of all stages, and logging that is limited to once a minute.

A series for each camera exists only where an operator acts on that camera. With 3,500 cameras that is some 10,000
series in a deployment. Times are absolute, so a camera that has moved to another process is read by
``max by (camera)``.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram

# They would double the series with the time at which each counter was created, which is not used.
prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]

THROTTLE_S = 60.0
"""An error of one record usually hits thousands. A log reports it once a minute, with the count."""

CAMERA_FRAMES = Counter("lanewatch_camera_frames", "Frames sampled from a camera.", ["camera"])
CAPTURED_AT = Gauge(
    "lanewatch_camera_captured_timestamp_seconds",
    "Capture time of a camera's last record that the watch stage has processed.",
    ["camera"],
)
RECONNECTS = Counter("lanewatch_reconnects", "Reconnects to a camera.", ["camera", "reason"])
DROPPED = Counter(
    "lanewatch_dropped",
    "Frames, detections or evidence that a stage has lost; the reason is one word of a fixed set.",
    ["stage", "camera", "reason"],
)
WATCH_COUNTS = Counter(
    "lanewatch_noted",
    "Filtered detections, failed behaviours and other occurrences in the watch stage that raise no event.",
    ["camera", "what"],
)
UNWATCHED_SECONDS = Counter(
    "lanewatch_unwatched_seconds",
    "Capture time without observation of a camera: by the gap's reason, or `hole` if there was no record.",
    ["camera", "reason"],
)
CAMERAS = Gauge("lanewatch_cameras", "Cameras of a process.", ["stage"])

RECORDS_IN = Counter("lanewatch_records_in", "Records that a stage has read: frames, detections, events.", ["stage"])
RECORDS_OUT = Counter("lanewatch_records_out", "Records that a stage has written and that are acknowledged.", ["stage"])
REFUSED = Counter(
    "lanewatch_refused_records", "Records of a topic that are not Lanewatch's or cannot be read.", ["stage", "reason"]
)
EVENTS = Counter("lanewatch_events", "Revisions of events.", ["kind", "state"])

STAGE_SECONDS = Histogram(
    "lanewatch_stage_seconds",
    "Duration of one call of a stage.",
    ["stage"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
LATENCY_SECONDS = Histogram(
    "lanewatch_latency_seconds",
    "Wall time from the sampler's receipt of a frame to the end of a stage.",
    ["stage"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
BATCH_FRAMES = Histogram(
    "lanewatch_batch_frames", "Frames in one call.", ["stage"], buckets=(1, 2, 4, 8, 16, 24, 32, 64, 128)
)

PARTITIONS = Gauge("lanewatch_partitions", "Partitions that are assigned to a process.", ["stage", "topic"])
LAG_RECORDS = Gauge(
    "lanewatch_lag_records", "Records of a partition that are not read yet.", ["stage", "topic", "partition"]
)
REBALANCES = Counter("lanewatch_rebalances", "Changes of the partitions that are assigned to a process.", ["stage"])
BROKER_UP = Gauge("lanewatch_broker_up", "Whether the broker answers, 1 or 0.", ["stage"])
MISSING_TOPICS = Gauge("lanewatch_missing_topics", "Topics of the site that the broker does not have.")
CLOCK_DRIFT_SECONDS = Gauge("lanewatch_clock_drift_seconds", "This machine's clock minus the broker's.", ["stage"])
IN_FLIGHT_BYTES = Gauge("lanewatch_in_flight_bytes", "Bytes sent and not yet acknowledged.", ["stage"])
WAITING_EVENTS = Gauge(
    "lanewatch_waiting_events", "Events that wait until the broker, or the store, accepts them.", ["stage"]
)

CHECKPOINTED_AT = Gauge(
    "lanewatch_checkpoint_timestamp_seconds", "When a partition's state was last written.", ["stage", "partition"]
)
RESTORE_SECONDS = Histogram(
    "lanewatch_restore_seconds",
    "Time from the assignment of a partition to its restored state.",
    ["stage"],
    buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
REPLAYED_RECORDS = Counter("lanewatch_replayed_records", "Records processed again after a restore.", ["stage"])

_assigned: dict[tuple[str, str], set[int]] = {}
_throttled: dict[tuple[str, str], tuple[float, int]] = {}
_lock = threading.Lock()


def record_refused(stage: str, error: Exception) -> None:
    """Counts and logs a refused record; ``error`` has its ``reason``, topic, partition and offset, as far as known."""
    reason = str(getattr(error, "reason", "foreign"))
    REFUSED.labels(stage, reason).inc()
    fields = {name: getattr(error, name) for name in ("topic", "partition", "offset") if hasattr(error, name)}
    log_throttled(log(stage), f"refused {reason}", "skipped: %s", error, **fields)


def observe_latency(stage: str, received_at: float) -> None:
    """Observes a processed record's latency; ``received_at`` is when the sampler had its frame, wall clock."""
    LATENCY_SECONDS.labels(stage).observe(max(0.0, time.time() - received_at))


def set_assigned_partitions(stage: str, topic: str, partitions: Collection[int]) -> None:
    """Sets the partitions of a topic that this process has now, and removes the series of those that it has lost."""
    with _lock:
        before = _assigned.get((stage, topic), set())
        now = set(partitions)
        _assigned[stage, topic] = now
    PARTITIONS.labels(stage, topic).set(len(now))
    if now != before:
        REBALANCES.labels(stage).inc()
    for partition in before - now:
        LAG_RECORDS.remove(stage, topic, str(partition))
        CHECKPOINTED_AT.remove(stage, str(partition))


def log(stage: str) -> logging.Logger:
    """The stage's logger. ``extra`` takes the fields of ``lanewatch.logs.FIELDS``."""
    return logging.getLogger(f"lanewatch.{stage}")


def log_throttled(
    logger: logging.Logger,
    reason: str,
    message: str,
    *arguments: object,
    level: int = logging.WARNING,
    **fields: object,
) -> bool:
    """Logs a message that may occur thousands of times: once a minute for each reason, with the suppressed count.

    Returns whether it was logged. ``reason`` is of a small fixed set; ``fields`` are those of ``logs.FIELDS``.
    """
    now = time.monotonic()
    key = (logger.name, reason)
    with _lock:
        logged_at, suppressed = _throttled.get(key, (-THROTTLE_S, 0))
        if now - logged_at < THROTTLE_S:
            _throttled[key] = (logged_at, suppressed + 1)
            return False
        _throttled[key] = (now, 0)
    if suppressed:
        message, fields = f"{message} (and {suppressed} more like it)", fields | {"suppressed": suppressed}
    logger.log(level, message, *arguments, extra=fields)
    return True


def reset_throttle(logger: logging.Logger, reasons: Iterable[str]) -> None:
    """Lets the next message of these reasons be logged at once, for example after the broker has recovered."""
    with _lock:
        for reason in reasons:
            _throttled.pop((logger.name, reason), None)
