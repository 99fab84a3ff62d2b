"""What sends records: frames, of which the newest count, and all else, of which none may be lost."""

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

MOST_BYTES = 256_000_000
"""In flight: a broker that is away for a minute costs no picture of 25 cameras at 4 frames of 40 KB a second."""

RECORD_BYTES = 1_500
"""What kafka-python's objects take for one record besides its bytes: ticks weigh something too."""

TICKS_SHARE = 16
"""One part in so many of the bound is on top of it for ticks, so that they do not wait behind pictures."""

MOST_TICKS = 64
"""That wait, of one camera: a minute of a lost one."""

_AGAIN_S = 1.0
_POLL_S = 0.2
_ACQUAINT_S = 5.0
_TOO_LARGE = (MessageSizeTooLargeError, RecordListTooLargeError)

log = metrics.log("kafka")

Acknowledged = Callable[[str, int, int], None]


class _Item(NamedTuple):
    camera: str
    epoch: int
    slot: int
    picture: bool
    last: bool
    partition: int
    message: Message
    size: int


class FrameProducer:
    """Sends frames and ticks; the newest wins.

    kafka-python keeps what is sent until it is acknowledged, without a bound. Here the bytes in flight are bounded: at
    the bound each camera keeps its newest picture waiting, with the ticks around it, and what falls out is counted
    (``behind``). So is what was not delivered in time (``undelivered``) and what is larger than ``MAX_FRAME_BYTES``
    (``too_large``). A camera's records keep their order. May be used from many threads; no call waits for the broker
    for more than some hundredths of a second.

    Args:
        broker: where to.
        topics: whose ``frames`` it is.
        most_bytes: in flight.
        acknowledged: called with camera, epoch and slot of each record that the broker has, from the client's own
            thread: it must not wait for anything.

    Raises:
        kafka.errors.KafkaError: no broker answers.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        *,
        most_bytes: int = MOST_BYTES,
        acknowledged: Acknowledged | None = None,
    ) -> None:
        self._topic = topics.frames.name
        self._most = most_bytes
        self._acknowledged = acknowledged
        self._settled = threading.Condition(threading.RLock())
        self._waiting: OrderedDict[str, deque[_Item]] = OrderedDict()
        self._bytes = 0
        self._records = 0
        self._draining = False
        self._closed = False
        self._again_at = 0.0
        self._producer = broker.producer(**FRAME_SEND)
        _acquaint(self._producer, self._topic)

    @property
    def in_flight_bytes(self) -> int:
        """Sent and not yet acknowledged, with the client's own overhead."""
        return self._bytes

    @property
    def waiting(self) -> int:
        """Records that are not yet sent, because the bound is reached or the broker is away."""
        with self._settled:
            return sum(len(items) for items in self._waiting.values())

    def send(self, frame: Frame, partition: int, *, trace: bytes | None = None) -> bool:
        """Sends a packed frame or a tick, or lets it wait its turn.

        Args:
            frame: the pixels as JPEG, or none.
            partition: of the frames topic.
            trace: the trace context that travels with it, as in a ``traceparent`` header; None begins one for one
                picture in a hundred.

        Returns:
            Whether it was taken: what is too large, or comes after the end, is not, and is counted.
        """
        if trace is None and frame.packed is not None:
            trace = tracing.start_sampled_trace("sample", frame.received_at, camera=frame.camera, slot=frame.slot)
        message = codec.encode_frame(frame).traced(trace)
        size = message.size
        if size > MAX_FRAME_BYTES:
            what = f"slot {frame.slot}: {size} bytes, at most {MAX_FRAME_BYTES}"
            self._lost(frame.camera, partition, "too_large", what)
            return False
        picture, last = frame.packed is not None, frame.gap == "ended"
        item = _Item(frame.camera, frame.epoch, frame.slot, picture, last, partition, message, size + RECORD_BYTES)
        with self._settled:
            if self._closed:
                metrics.DROPPED.labels("sample", frame.camera, "undelivered").inc()
                return False
            self._put(item)
            self._drain()
        return True

    def flush(self, timeout_s: float) -> bool:
        """Waits until all is acknowledged or lost; False if that took longer."""
        until = time.monotonic() + timeout_s
        with self._settled:
            while self._records or self._waiting:
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._drain()
                self._settled.wait(min(_POLL_S, left))
        return True

    def close(self, timeout_s: float = 5.0) -> None:
        """Sends what waits, as far as the time goes; the rest is counted as ``undelivered``."""
        self.flush(timeout_s)
        with self._settled:
            self._closed = True
            for camera, items in self._waiting.items():
                metrics.DROPPED.labels("sample", camera, "undelivered").inc(len(items))
            self._waiting.clear()
        close(self._producer)

    def _put(self, item: _Item) -> None:
        items = self._waiting.setdefault(item.camera, deque())
        if item.picture:
            older = next((one for one in items if one.picture), None)
            if older is not None:
                items.remove(older)
                metrics.DROPPED.labels("sample", item.camera, "behind").inc()
        elif len(items) >= MOST_TICKS:
            items.remove(next((one for one in items if not one.picture and not one.last), items[0]))
            metrics.DROPPED.labels("sample", item.camera, "behind").inc()
        items.append(item)

    def _drain(self) -> None:
        """Sends what there is room for, the camera that has waited longest first. The lock is held."""
        if self._draining or time.monotonic() < self._again_at:
            return  # a callback from within, or the broker did not answer just now
        self._draining = True
        try:
            while self._waiting:
                camera = self._next()
                if camera is None or not self._hand_over(self._waiting[camera][0]):
                    return
                items = self._waiting[camera]
                items.popleft()
                if items:
                    self._waiting.move_to_end(camera)
                else:
                    del self._waiting[camera]
        finally:
            self._draining = False

    def _next(self) -> str | None:
        """The camera that has waited longest, if there is room; else one whose turn is a tick, if there is for that."""
        camera, items = next(iter(self._waiting.items()))
        if not self._records or self._bytes + items[0].size <= self._most:
            return camera
        if self._bytes + RECORD_BYTES > self._most + self._most // TICKS_SHARE:
            return None
        camera, items = next(reversed(self._waiting.items()))  # the one that has just been put
        return None if items[0].picture else camera

    def _hand_over(self, item: _Item) -> bool:
        key, value, headers = item.message
        try:
            future = self._producer.send(self._topic, value, key, headers, item.partition)
        except KafkaTimeoutError as error:  # it knows nothing of the topic yet
            self._again_at = time.monotonic() + _AGAIN_S
            metrics.log_throttled(
                log, "frames wait", "%s: frames wait for the broker: %s", self._topic, error, topic=self._topic
            )
            return False
        except (KafkaError, ValueError) as error:
            self._lost(item.camera, item.partition, _reason(error), f"slot {item.slot}: {error}")
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
        self._lost(item.camera, item.partition, _reason(error), f"slot {item.slot}: {error}")
        self._settle(item)

    def _settle(self, item: _Item) -> None:
        with self._settled:
            self._bytes -= item.size
            self._records -= 1
            if self._waiting:
                self._drain()
            if not self._records:
                self._settled.notify_all()

    def _lost(self, camera: str, partition: int, reason: str, what: str) -> None:
        metrics.DROPPED.labels("sample", camera, reason).inc()
        metrics.log_throttled(
            log,
            f"frame {reason}",
            "a frame is lost (%s): %s",
            reason,
            what,
            camera=camera,
            topic=self._topic,
            partition=partition,
        )


class ReliableProducer:
    """Sends detections, events, checkpoints and sites: acknowledged by all copies, in order; a record may come twice.

    Args:
        broker: where to.
        settings: of the producer, in place of the usual ones.

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
        """Records that are sent and not yet acknowledged."""
        return self._pending

    def send(self, topic: str, partition: int, message: Message) -> Any:
        """Sends a record.

        Returns:
            A future: ``get(timeout)``, ``add_callback``, ``add_errback``, ``succeeded()``; it fails with the reason.

        Raises:
            kafka.errors.KafkaError: it cannot be sent at all: the broker has not told yet what the topic is, or the
                record is too large.
        """
        future = self._producer.send(topic, message.value, message.key, message.headers, partition)
        with self._settled:
            self._pending += 1
        future.add_callback(self._delivered)
        future.add_errback(self._failed, f"{topic}-{partition}")
        return future

    def flush(self, timeout_s: float) -> None:
        """Waits until the broker has all that was sent.

        Raises:
            BrokerAwayError: something was not acknowledged in time, now or since the last call; waiting may mend it.
            BrokerError: something was refused since the last call; says where and why.
        """
        with self._settled:
            done = self._settled.wait_for(lambda: not self._pending, timeout_s)
            error, self._error = self._error, None
            pending = self._pending
        if error is not None:
            raise error
        if not done:
            raise BrokerAwayError(f"{pending} records are not acknowledged after {timeout_s:g} s: is the broker away?")

    def close(self, timeout_s: float = 5.0) -> None:
        """Ends it; what is not acknowledged by then is given up, and its futures fail."""
        with self._settled:
            self._settled.wait_for(lambda: not self._pending, timeout_s)
        close(self._producer)

    def _delivered(self, _: Any) -> None:
        self._settle(None)

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
    """Ends a producer at once: what it still holds is given up, and its futures fail."""
    try:
        producer.close(timeout=0.5)
    except KafkaTimeoutError:  # raised before it has ended its thread, which would try on for ever
        producer._sender.force_close()
        producer._closed = True


def _acquaint(producer: Any, topic: str) -> None:
    """Lets a producer ask for a topic's partitions before the first record waits for them; a broker may be away."""
    until = time.monotonic() + _ACQUAINT_S
    while time.monotonic() < until:
        with suppress(KafkaTimeoutError):
            producer.partitions_for(topic)
            return


def _reason(error: BaseException) -> str:
    return "too_large" if isinstance(error, _TOO_LARGE) else "undelivered"
