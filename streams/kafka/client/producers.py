"""Producers: one for frames, where the newest counts, and one for records that must not be lost."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple

from kafka.errors import (
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    RetriableError,
)

from lanewatch import metrics, tracing
from lanewatch.records import Frame
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerAwayError, BrokerError
from streams.kafka.client.settings import FRAME_SEND, RECORD_SEND
from streams.kafka.client.topics import MAX_FRAME_BYTES, Topics
from streams.kafka.codec import Message

MAX_IN_FLIGHT_BYTES = 256_000_000
"""Without a broker for a minute, no frame of 25 cameras at 4 frames of 40 KB a second is lost."""

RECORD_BYTES = 1_500
"""Memory of kafka-python's objects for one record, besides its bytes. So ticks count, too."""

TICK_RESERVE = 16
"""1/16 of the bound is added to it for ticks, so that they do not wait behind images."""

MAX_WAITING_TICKS = 64
"""Of one camera: a minute of a lost one."""

_RETRY_S = 1.0
_POLL_S = 0.2
_METADATA_S = 5.0

log = metrics.log("kafka")

Acknowledged = Callable[[str, int, int], None]


class _Item(NamedTuple):
    camera: str
    epoch: int
    slot: int
    has_image: bool
    is_last: bool
    partition: int
    message: Message
    size: int


class FrameProducer:
    """Sends frames and ticks; the newest wins.

    kafka-python holds unacknowledged records without a bound. Here the bytes in flight are bounded. At the bound, each
    camera's newest frame waits, with the ticks around it; a frame that it replaces is counted as dropped (``behind``).
    A frame that was not delivered in time (``undelivered``) or is larger than ``MAX_FRAME_BYTES`` (``too_large``) is
    counted as well. A camera's records keep their order. May be used from many threads; no call waits for the broker
    for more than some hundredths of a second.

    Args:
        acknowledged: Called with camera, epoch and slot of each acknowledged record, in the client's own thread: it
            must not wait.

    Raises:
        kafka.errors.KafkaError: no broker answers.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        *,
        max_bytes: int = MAX_IN_FLIGHT_BYTES,
        acknowledged: Acknowledged | None = None,
    ) -> None:
        self._topic = topics.frames.name
        self._max_bytes = max_bytes
        self._acknowledged = acknowledged
        self._settled = threading.Condition(threading.RLock())
        self._waiting: OrderedDict[str, deque[_Item]] = OrderedDict()
        self._bytes = 0
        self._records = 0
        self._sending = False
        self._closed = False
        self._retry_at = 0.0
        self._producer = broker.producer(**FRAME_SEND)
        _read_metadata(self._producer, self._topic)

    @property
    def in_flight_bytes(self) -> int:
        """Bytes sent and not yet acknowledged, with the client's overhead."""
        return self._bytes

    def send(self, frame: Frame, partition: int, *, trace: bytes | None = None) -> bool:
        """Sends an encoded frame or a tick, now or when there is room.

        Args:
            partition: Of the topic ``frames``.
            trace: Trace context, as in a ``traceparent`` header. None starts one for one frame in a hundred.

        Returns:
            False if it is too large, or the producer is closed; it is counted as dropped.
        """
        if trace is None and frame.packed is not None:
            trace = tracing.start_sampled_trace("sample", frame.received_at, camera=frame.camera, slot=frame.slot)
        message = codec.encode_frame(frame).traced(trace)
        size = message.size
        has_image, is_last = frame.packed is not None, frame.gap == "ended"
        item = _Item(frame.camera, frame.epoch, frame.slot, has_image, is_last, partition, message, size + RECORD_BYTES)
        if size > MAX_FRAME_BYTES:
            self._count_lost(item, "too_large", f"{size} bytes, at most {MAX_FRAME_BYTES}")
            return False
        with self._settled:
            if self._closed:
                metrics.DROPPED.labels("sample", frame.camera, "undelivered").inc()
                return False
            self._enqueue(item)
            self._send_waiting()
        return True

    def flush(self, timeout_s: float) -> bool:
        """Waits until every record is acknowledged or lost; False if that took longer."""
        deadline = time.monotonic() + timeout_s
        with self._settled:
            while self._records or self._waiting:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._send_waiting()
                self._settled.wait(min(_POLL_S, left))
        return True

    def close(self, timeout_s: float = 5.0) -> None:
        """Sends waiting records for that time; the rest is counted as ``undelivered``."""
        self.flush(timeout_s)
        with self._settled:
            self._closed = True
            for camera, items in self._waiting.items():
                metrics.DROPPED.labels("sample", camera, "undelivered").inc(len(items))
            self._waiting.clear()
        close(self._producer)

    def _enqueue(self, item: _Item) -> None:
        items = self._waiting.setdefault(item.camera, deque())
        if item.has_image:
            older = next((waiting for waiting in items if waiting.has_image), None)
            if older is not None:
                items.remove(older)
                metrics.DROPPED.labels("sample", item.camera, "behind").inc()
        elif len(items) >= MAX_WAITING_TICKS:
            items.remove(next((tick for tick in items if not tick.has_image and not tick.is_last), items[0]))
            metrics.DROPPED.labels("sample", item.camera, "behind").inc()
        items.append(item)

    def _send_waiting(self) -> None:
        """Sends while there is room, the camera that has waited longest first. The caller holds the lock."""
        if self._sending or time.monotonic() < self._retry_at:
            return  # a callback during sending, or the broker did not answer a moment ago
        self._sending = True
        try:
            while self._waiting:
                camera = self._next_camera()
                if camera is None or not self._send(self._waiting[camera][0]):
                    return
                items = self._waiting[camera]
                items.popleft()
                if items:
                    self._waiting.move_to_end(camera)
                else:
                    del self._waiting[camera]
        finally:
            self._sending = False

    def _next_camera(self) -> str | None:
        """The camera that has waited longest, if there is room; else the newest, if it has a tick and there is room."""
        camera, items = next(iter(self._waiting.items()))
        if not self._records or self._bytes + items[0].size <= self._max_bytes:
            return camera
        if self._bytes + RECORD_BYTES > self._max_bytes + self._max_bytes // TICK_RESERVE:
            return None
        camera, items = next(reversed(self._waiting.items()))  # the one that was enqueued last
        return None if items[0].has_image else camera

    def _send(self, item: _Item) -> bool:
        key, value, headers = item.message
        try:
            future = self._producer.send(self._topic, value, key, headers, item.partition)
        except KafkaTimeoutError as error:  # no metadata of the topic yet
            self._retry_at = time.monotonic() + _RETRY_S
            metrics.log_throttled(
                log,
                "frames wait",
                "%s: frames wait for the broker, or for the topic: %s",
                self._topic,
                error,
                topic=self._topic,
            )
            return False
        except (KafkaError, ValueError) as error:
            self._count_lost(item, _reason(error), error)
            return True
        self._bytes += item.size
        self._records += 1
        future.add_callback(self._delivered, item)
        future.add_errback(self._failed, item)
        return True

    def _delivered(self, item: _Item, _: Any) -> None:
        self._settle(item)
        if self._acknowledged is not None:
            self._acknowledged(item.camera, item.epoch, item.slot)

    def _failed(self, item: _Item, error: BaseException) -> None:
        self._count_lost(item, _reason(error), error)
        self._settle(item)

    def _settle(self, item: _Item) -> None:
        with self._settled:
            self._bytes -= item.size
            self._records -= 1
            if self._waiting:
                self._send_waiting()
            if not self._records:
                self._settled.notify_all()

    def _count_lost(self, item: _Item, reason: str, what: object) -> None:
        metrics.DROPPED.labels("sample", item.camera, reason).inc()
        where: dict[str, Any] = {"camera": item.camera, "topic": self._topic, "partition": item.partition}
        text = "a frame is lost (%s): slot %d: %s"
        metrics.log_throttled(log, f"frame {reason}", text, reason, item.slot, what, **where)


class ReliableProducer:
    """Sends other records: acknowledged by all replicas, in order, at least once.

    Raises:
        kafka.errors.KafkaError: no broker answers.
    """

    def __init__(self, broker: Broker, **settings: Any) -> None:
        self._settled = threading.Condition()
        self._pending = 0
        self._error: BrokerError | None = None
        self._producer = broker.producer(**RECORD_SEND | settings)

    @property
    def pending(self) -> int:
        """Number of unacknowledged records."""
        return self._pending

    def send(self, topic: str, partition: int, message: Message) -> Any:
        """Sends a record; returns kafka-python's future.

        Raises:
            kafka.errors.KafkaError: it cannot be sent: there is no metadata of the topic yet, or it is too large.
        """
        future = self._producer.send(topic, message.value, message.key, message.headers, partition)
        with self._settled:
            self._pending += 1
        future.add_callback(lambda _: self._settle(None))
        future.add_errback(self._failed, f"{topic}-{partition}")
        return future

    def flush(self, timeout_s: float) -> None:
        """Waits until the broker has acknowledged every record.

        Raises:
            BrokerAwayError: a record was not acknowledged in time, now or since the last call; it may be retried.
            BrokerError: a record was refused since the last call; the message has topic, partition and reason.
        """
        with self._settled:
            done = self._settled.wait_for(lambda: not self._pending, timeout_s)
            error, self._error = self._error, None
            pending = self._pending
        if error is not None:
            raise error
        if not done:
            raise BrokerAwayError(
                f"{pending} records are not acknowledged after {timeout_s:g} s: can the broker be reached?"
            )

    def close(self, timeout_s: float = 5.0) -> None:
        """Closes the producer; unacknowledged records are given up after that time, and their futures fail."""
        with self._settled:
            self._settled.wait_for(lambda: not self._pending, timeout_s)
        close(self._producer)

    def _failed(self, where: str, error: BaseException) -> None:
        kind = BrokerAwayError if isinstance(error, RetriableError) else BrokerError
        self._settle(kind(f"{where}: a record was not acknowledged: {type(error).__name__}: {error}"))

    def _settle(self, error: BrokerError | None) -> None:
        with self._settled:
            self._pending -= 1
            self._error = self._error or error
            if not self._pending:
                self._settled.notify_all()


def close(producer: Any) -> None:
    """Closes a producer at once; unacknowledged records are given up, and their futures fail."""
    try:
        producer.close(timeout=0.5)
    except KafkaTimeoutError:  # raised before its thread has ended, which would retry for ever
        producer._sender.force_close()
        producer._closed = True


def _read_metadata(producer: Any, topic: str) -> None:
    """Reads a topic's partitions before the first record has to wait for them, if the broker can be reached."""
    deadline = time.monotonic() + _METADATA_S
    while time.monotonic() < deadline:
        with suppress(KafkaTimeoutError):
            producer.partitions_for(topic)
            return


def _reason(error: BaseException) -> str:
    return "too_large" if isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError) else "undelivered"
