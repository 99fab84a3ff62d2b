"""What the stages count, by reason, for `/metrics` and the night shift: failure is a value, counted and not hidden.

One process is one or more stages; Prometheus adds ``instance``. A series for each camera exists only where somebody
acts on that camera: how many pictures come from it, when it was last judged, what it lost, how often it was connected
anew. With 3,500 cameras that is some 10,000 series in a city, spread over its processes; all else is by stage, or by
stage and partition. Points in time are told as such, so that a camera that has moved to another process is read by
``max by (camera)`` and the old process's word does no harm.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterable

import prometheus_client
from prometheus_client import Counter, Gauge, Histogram

prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
# It would tell of each counter also when it was made: twice the series, and nobody asks.

REPEAT_S = 60.0
"""What goes wrong for one record goes wrong for thousands: a log says so once a minute, with the count."""

CAMERA_FRAMES = Counter("lanewatch_camera_frames", "Pictures sampled from a camera.", ["camera"])
CAPTURED = Gauge(
    "lanewatch_camera_captured_timestamp_seconds",
    "Capture time of the last record of a camera to be judged.",
    ["camera"],
)
RECONNECTS = Counter("lanewatch_reconnects", "Connections to a camera that had to be made anew.", ["camera", "reason"])
DROPPED = Counter(
    "lanewatch_dropped",
    "Frames, detections or evidence that a stage did without.",
    ["stage", "camera", "reason"],
)
NOTED = Counter("lanewatch_noted", "What the watch stage met and raised no event for.", ["camera", "what"])
UNWATCHED = Counter(
    "lanewatch_unwatched_seconds",
    "Capture time for which nobody saw what happened at a camera: by the gap's reason, or no record came (hole).",
    ["camera", "reason"],
)
CAMERAS = Gauge("lanewatch_cameras", "Cameras that a process looks after.", ["stage"])

RECORDS_IN = Counter("lanewatch_records_in", "Records that a stage took: frames, detections, events.", ["stage"])
RECORDS_OUT = Counter("lanewatch_records_out", "Records that a stage gave and the next one can have.", ["stage"])
REFUSED = Counter(
    "lanewatch_refused_records", "Records of a topic that are none of ours, or cannot be read.", ["stage", "reason"]
)
EVENTS = Counter("lanewatch_events", "Revisions of events.", ["kind", "state"])

STAGE_SECONDS = Histogram(
    "lanewatch_stage_seconds",
    "Time that a stage took for one call.",
    ["stage"],
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5),
)
LATENCY = Histogram(
    "lanewatch_latency_seconds",
    "From the sampler's having a picture to a stage's having done with it, wall clock.",
    ["stage"],
    buckets=(0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300),
)
BATCH = Histogram("lanewatch_batch_frames", "Frames in one call.", ["stage"], buckets=(1, 2, 4, 8, 16, 24, 32, 64, 128))

PARTITIONS = Gauge("lanewatch_partitions", "Partitions that a process holds.", ["stage", "topic"])
LAG = Gauge("lanewatch_lag_records", "Records of a partition not yet taken.", ["stage", "topic", "partition"])
REBALANCES = Counter("lanewatch_rebalances", "Changes of what a process holds.", ["stage"])
BROKER_UP = Gauge("lanewatch_broker_up", "Whether the broker answers, 1 or 0.", ["stage"])
DRIFT = Gauge("lanewatch_clock_drift_seconds", "This machine's clock less the broker's.", ["stage"])
IN_FLIGHT = Gauge("lanewatch_in_flight_bytes", "Bytes sent and not yet acknowledged.", ["stage"])
SPOOLED = Gauge("lanewatch_spooled_records", "Events that wait until the broker can be reached.", ["stage"])

CHECKPOINTED = Gauge(
    "lanewatch_checkpoint_timestamp_seconds", "When a partition's state was last written.", ["stage", "partition"]
)
RESTORE_SECONDS = Histogram(
    "lanewatch_restore_seconds",
    "From a partition's being given to its state's being there.",
    ["stage"],
    buckets=(0.1, 0.2, 0.5, 1, 2, 5, 10, 30),
)
REPLAYED = Counter("lanewatch_replayed_records", "Records judged again after a restore.", ["stage"])

_held: dict[tuple[str, str], set[int]] = {}
_repeats: dict[tuple[str, str], tuple[float, int]] = {}
_lock = threading.Lock()


def records_in(stage: str, count: int = 1) -> None:
    """Counts records that a stage took."""
    RECORDS_IN.labels(stage).inc(count)


def records_out(stage: str, count: int = 1) -> None:
    """Counts records that a stage gave and that have been acknowledged."""
    RECORDS_OUT.labels(stage).inc(count)


def dropped(stage: str, camera: str, reason: str, count: int = 1) -> None:
    """Counts what a stage did without; ``reason`` is one word of a small fixed set."""
    DROPPED.labels(stage, camera, reason).inc(count)


def watch_count(camera: str, what: str, count: int = 1) -> None:
    """Counts what the watch stage met at a camera, such as a behaviour that failed."""
    NOTED.labels(camera, what).inc(count)


def record_refused(stage: str, error: Exception) -> None:
    """Counts a record that is none of ours and says so; ``error`` has ``reason`` and says where the record lies."""
    reason = str(getattr(error, "reason", "foreign"))
    REFUSED.labels(stage, reason).inc()
    fields = {name: getattr(error, name) for name in ("topic", "partition", "offset") if hasattr(error, name)}
    log_throttled(log(stage), f"refused {reason}", "skipped: %s", error, **fields)


def event_revision(kind: str, state: str) -> None:
    """Counts a revision of an event."""
    EVENTS.labels(kind, state).inc()


def watched_until(camera: str, captured_at: float) -> None:
    """Tells how far a camera has been judged, capture time."""
    CAPTURED.labels(camera).set(captured_at)


def unwatched_time(camera: str, reason: str, seconds: float) -> None:
    """Counts capture time for which nobody saw what happened at a camera."""
    UNWATCHED.labels(camera, reason).inc(seconds)


def latency(stage: str, received_at: float) -> None:
    """Tells of a record that a stage has done with; ``received_at`` is when the sampler had it, wall clock."""
    LATENCY.labels(stage).observe(max(0.0, time.time() - received_at))


def batch(stage: str, size: int) -> None:
    """Tells how many frames went into one call."""
    BATCH.labels(stage).observe(size)


def assigned_partitions(stage: str, topic: str, partitions: Collection[int]) -> None:
    """Tells which partitions of a topic this process has now; what was told of others is taken back."""
    with _lock:
        before = _held.get((stage, topic), set())
        now = set(partitions)
        _held[stage, topic] = now
    PARTITIONS.labels(stage, topic).set(len(now))
    if now != before:
        REBALANCES.labels(stage).inc()
    for partition in before - now:
        LAG.remove(stage, topic, str(partition))
        CHECKPOINTED.remove(stage, str(partition))


def lag(stage: str, topic: str, partition: int, records: int) -> None:
    """Tells how many records of a partition are there and not yet taken."""
    LAG.labels(stage, topic, str(partition)).set(max(0, records))


def broker(stage: str, *, up: bool) -> None:
    """Tells whether the broker answers."""
    BROKER_UP.labels(stage).set(up)


def drift(stage: str, seconds: float) -> None:
    """Tells this machine's clock less the broker's."""
    DRIFT.labels(stage).set(seconds)


def in_flight(stage: str, size: int) -> None:
    """Tells how many bytes have been sent and not been acknowledged."""
    IN_FLIGHT.labels(stage).set(size)


def spooled(stage: str, records: int) -> None:
    """Sets how many events wait until the broker can be reached."""
    SPOOLED.labels(stage).set(records)


def checkpointed(stage: str, partition: int) -> None:
    """Tells that a partition's state has just been written and acknowledged."""
    CHECKPOINTED.labels(stage, str(partition)).set_to_current_time()


def restored(stage: str, seconds: float) -> None:
    """Tells how long a partition's state took to be there."""
    RESTORE_SECONDS.labels(stage).observe(seconds)


def replayed(stage: str, records: int = 1) -> None:
    """Counts records that were judged again after a restore."""
    REPLAYED.labels(stage).inc(records)


def log(stage: str) -> logging.Logger:
    """The stage's logger. What a line is about goes into ``extra`` under the names of ``lanewatch.service.FIELDS``."""
    return logging.getLogger(f"lanewatch.{stage}")


def log_throttled(
    logger: logging.Logger,
    reason: str,
    message: str,
    *arguments: object,
    level: int = logging.WARNING,
    **fields: object,
) -> bool:
    """Logs what may happen thousands of times: once a minute for each reason, with how often it was not said.

    Args:
        logger: a stage's.
        reason: what is counted together; a few words of a small fixed set.
        message: with ``arguments``, as ``logging`` takes them.
        level: of ``logging``.
        fields: such as camera, topic, partition, offset.

    Returns:
        Whether it was said.
    """
    now = time.monotonic()
    key = (logger.name, reason)
    with _lock:
        told, unsaid = _repeats.get(key, (-REPEAT_S, 0))
        if now - told < REPEAT_S:
            _repeats[key] = (told, unsaid + 1)
            return False
        _repeats[key] = (now, 0)
    if unsaid:
        message, fields = f"{message} (and {unsaid} more like it)", fields | {"unsaid": unsaid}
    logger.log(level, message, *arguments, extra=fields)
    return True


def reset_throttle(logger: logging.Logger, reasons: Iterable[str]) -> None:
    """What is over may be told at once when it comes again, such as a broker that went away a second time."""
    with _lock:
        for reason in reasons:
            _repeats.pop((logger.name, reason), None)
