"""Sends events in order and without loss: in memory until the broker has acknowledged them.

Nothing is lost with the process: a stage writes no checkpoint while an event is unacknowledged, so its successor
computes the same events again, with the same ids. Above ``MAX_EVENTS`` the stage stops reading its input, which then
waits in Kafka.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from kafka.errors import KafkaError, MessageSizeTooLargeError, RecordListTooLargeError, RetriableError

from lanewatch import metrics
from streams.kafka.client.connection import Broker
from streams.kafka.client.producers import ReliableProducer
from streams.kafka.client.topics import Topic
from streams.kafka.codec import Message
from streams.kafka.consumer.retry import FATAL_ERRORS

MAX_EVENTS = 10_000
"""Unacknowledged events, of 1 to 3 KB each: some 30 MB, and hours of a busy district."""

DELIVERY_S = 10.0
"""An event that is not acknowledged by then is sent again, with all later ones."""

MAX_REFUSALS = 5
"""After so many refusals of the same event it is given up, so that it does not keep the later ones."""

MAX_LOGGED_BYTES = 4_000
"""Of an event that is given up."""

SEND: dict[str, Any] = {
    "delivery_timeout_ms": int(DELIVERY_S * 1000),
    "request_timeout_ms": int(DELIVERY_S * 500),
    "linger_ms": 0,  # each event is waited for
    "max_block_ms": 1000,
}

_RETRY_S = 1.0
_POLL_S = 0.02

log = metrics.log("kafka")


class EventOutbox:
    """Sends messages to partition 0 of a topic, in order.

    For one thread, which must call ``poll`` again and again. Only ``flush`` waits for the broker for more than a
    second. A message may arrive twice: a failed one may have arrived nevertheless. A message that the broker refuses
    again and again is given up: counted, and logged with its content.

    Raises:
        kafka.errors.KafkaError: no broker answers, or this user may not write to the topic.
    """

    def __init__(self, broker: Broker, topic: Topic, stage: str) -> None:
        self._topic = topic.name
        self._stage = stage
        self._unacknowledged: deque[Message] = deque()
        self._futures: deque[Any] = deque()  # of the first unacknowledged messages; the others are not sent yet
        self._retry_at = 0.0
        self._refusals = 0  # of the first message
        self._sender = ReliableProducer(broker, **SEND)

    @property
    def clear(self) -> bool:
        """Whether the broker has acknowledged every message."""
        return not self._unacknowledged

    @property
    def full(self) -> bool:
        """Whether the caller should wait before it sends more."""
        return len(self._unacknowledged) >= MAX_EVENTS

    def send(self, message: Message) -> None:
        """Sends a message after all earlier ones."""
        self._unacknowledged.append(message)
        self.poll()  # an earlier one may have failed, and must not be overtaken

    def poll(self) -> None:
        """Removes acknowledged messages, and sends again if one failed."""
        while self._futures and self._futures[0].succeeded():
            self._futures.popleft()
            self._unacknowledged.popleft()
            self._refusals = 0
            metrics.RECORDS_OUT.labels(self._stage).inc()
        if self._futures and self._futures[0].is_done:
            self._failed(self._futures[0].exception)
        self._send_next()
        if self.clear:
            metrics.reset_throttle(log, ["events wait"])
        metrics.WAITING_EVENTS.labels(self._stage).set(len(self._unacknowledged) - len(self._futures))

    def flush(self, timeout_s: float) -> bool:
        """Waits until the broker has acknowledged every message; False if it has not in time."""
        deadline = time.monotonic() + timeout_s
        while True:
            self.poll()
            if self.clear or time.monotonic() >= deadline:
                return self.clear
            time.sleep(_POLL_S)

    def close(self) -> None:
        """Ends it; unacknowledged messages are given up."""
        self._sender.close(0)

    def _send_next(self) -> None:
        while len(self._futures) < len(self._unacknowledged) and time.monotonic() >= self._retry_at:
            message = self._unacknowledged[len(self._futures)]
            try:
                self._futures.append(self._sender.send(self._topic, 0, message))
            except MessageSizeTooLargeError as error:
                self._drop(len(self._futures), "too_large", error)
            except KafkaError as error:  # such as no metadata of the topic yet
                self._wait_for_broker(error)

    def _failed(self, error: BaseException) -> None:
        """Repeats the first message if its error may pass; gives it up if the broker refuses it again and again."""
        if isinstance(error, FATAL_ERRORS):
            raise error  # the worker loop ends the stage, with the fix
        if isinstance(error, RetriableError) or not isinstance(error, KafkaError):
            self._wait_for_broker(error)
            return
        self._refusals += 1
        too_large = isinstance(error, MessageSizeTooLargeError | RecordListTooLargeError)
        if too_large or self._refusals >= MAX_REFUSALS:
            self._drop(0, "too_large" if too_large else "refused", error)
        self._wait_for_broker(error)

    def _drop(self, index: int, reason: str, error: BaseException) -> None:
        """Gives up a message. Its content is in the log, because no other place has it."""
        message = self._unacknowledged[index]
        del self._unacknowledged[index]
        self._refusals = 0
        key = message.key.decode(errors="replace")
        metrics.DROPPED.labels(self._stage, key, reason).inc()
        content = (message.value or b"")[:MAX_LOGGED_BYTES].decode(errors="replace")
        log.error("%s: an event of %s is lost, the broker refuses it: %r: %s", self._topic, key, error, content)

    def _wait_for_broker(self, error: BaseException | None) -> None:
        """All unacknowledged messages are sent again, so that none overtakes another."""
        self._futures.clear()
        self._retry_at = time.monotonic() + _RETRY_S
        metrics.log_throttled(
            log, "events wait", "%s: events wait for the broker, or for the topic: %s", self._topic, error
        )
