"""Sends events in order and without loss: in memory until the broker has acknowledged them.

Nothing is lost with the process: a stage writes no checkpoint while an event is unacknowledged, so its successor
computes the same events again, with the same ids. Above ``MAX_EVENTS`` the stage stops reading its input, which then
waits in Kafka.
"""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from kafka.errors import KafkaError, MessageSizeTooLargeError

from lanewatch import metrics
from streams.kafka.client.connection import Broker
from streams.kafka.client.producers import ReliableProducer
from streams.kafka.client.topics import Topic
from streams.kafka.codec import Message

MAX_EVENTS = 10_000
"""Unacknowledged events, of 1 to 3 KB each: some 30 MB, and hours of a busy district."""

DELIVERY_S = 10.0
"""An event that is not acknowledged by then is sent again, with all later ones."""

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
    second. A message may arrive twice: a failed one may have arrived nevertheless. Raises ``KafkaError`` if no broker
    answers.
    """

    def __init__(self, broker: Broker, topic: Topic, stage: str) -> None:
        self._topic = topic.name
        self._stage = stage
        self._unacknowledged: deque[Message] = deque()
        self._futures: deque[Any] = deque()  # of the first unacknowledged messages; the others are not sent yet
        self._retry_at = 0.0
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
            metrics.RECORDS_OUT.labels(self._stage).inc()
        if self._futures and self._futures[0].is_done:
            self._wait_for_broker(self._futures[0].exception)
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
                del self._unacknowledged[len(self._futures)]
                metrics.DROPPED.labels(self._stage, message.key.decode(), "too_large").inc()
                log.error("%s: an event of %s is lost: %s", self._topic, message.key.decode(), error)
            except KafkaError as error:  # such as no metadata of the topic yet
                self._wait_for_broker(error)

    def _wait_for_broker(self, error: BaseException | None) -> None:
        """All unacknowledged messages are sent again, so that none overtakes another."""
        self._futures.clear()
        self._retry_at = time.monotonic() + _RETRY_S
        metrics.log_throttled(log, "events wait", "%s: events wait for the broker: %s", self._topic, error)
