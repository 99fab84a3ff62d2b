"""What sends events: none is lost and none overtakes another, whether the broker takes them or not."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from kafka.errors import KafkaError, KafkaTimeoutError, MessageSizeTooLargeError

from lanewatch import metrics
from streams.kafka.client.connection import Broker
from streams.kafka.client.producers import ReliableProducer
from streams.kafka.client.topics import Topic
from streams.kafka.codec import Message
from streams.kafka.state.event_spool import EventSpool

GIVE_UP_S = 10.0
"""An event that is not acknowledged by then goes to disk: so long may memory fill."""

BATCH = 200
"""Messages that are taken from the disk at a time."""

_AGAIN_S = 1.0
_POLL_S = 0.02

SEND: dict[str, Any] = {
    "delivery_timeout_ms": int(GIVE_UP_S * 1000),
    "request_timeout_ms": int(GIVE_UP_S * 500),
    "linger_ms": 0,  # each is waited for
    "max_block_ms": 1000,
}

log = metrics.log("kafka")


class EventOutbox:
    """Sends messages to partition 0 of a topic, in order; what the broker does not take goes to the spool first.

    Not for several threads. ``tend`` must be called again and again; no call waits for the broker for more than a
    second, but for ``settle``. A message may arrive twice: what failed may have arrived nevertheless.

    Args:
        broker: where to.
        topic: which.
        spool: where they wait.
        stage: whose they are, for the metrics.

    Raises:
        kafka.errors.KafkaError: no broker answers.
    """

    def __init__(self, broker: Broker, topic: Topic, spool: EventSpool, stage: str) -> None:
        self._topic = topic.name
        self._spool = spool
        self._stage = stage
        self._sent: deque[tuple[Message, Any]] = deque()
        self._delivering: deque[tuple[int, Any]] = deque()
        self._again_at = 0.0
        self._sender = ReliableProducer(broker, **SEND)
        if len(spool):
            log.info("%s: %d events wait on disk since an earlier run", self._topic, len(spool))

    @property
    def clear(self) -> bool:
        """Whether the broker has all that was sent."""
        return not self._sent and not len(self._spool)

    @property
    def full(self) -> bool:
        """Whether no more can be taken for now: neither the broker nor the disk has room."""
        return self._spool.full

    def send(self, message: Message) -> None:
        """Sends a message, or puts it behind those that wait.

        Raises:
            sqlite3.Error: the disk does not take it.
        """
        if len(self._spool):
            self._put([message])
            return
        try:
            future = self._sender.send(self._topic, 0, message)
        except KafkaTimeoutError:  # it knows nothing of the topic yet, or no more
            self._put([*(one for one, _ in self._sent), message])
            self._sent.clear()
        except MessageSizeTooLargeError as error:
            metrics.DROPPED.labels(self._stage, message.key.decode(), "too_large").inc()
            log.error("%s: an event of %s is lost: %s", self._topic, message.key.decode(), error)
        else:
            self._sent.append((message, future))

    def tend(self) -> None:
        """Takes note of what has arrived, puts on disk what has not, and delivers what lies there.

        Raises:
            sqlite3.Error: the disk does not take it.
        """
        while self._sent and self._sent[0][1].succeeded():
            self._sent.popleft()
            metrics.RECORDS_OUT.labels(self._stage).inc()
        if self._sent and self._sent[0][1].is_done:
            error = self._sent[0][1].exception
            self._put([message for message, _ in self._sent])  # all: none must overtake another
            self._sent.clear()
            metrics.log_throttled(
                log, "spooled", "%s: the broker takes no events, they wait on disk: %s", self._topic, error
            )
        self._deliver()
        metrics.SPOOLED_RECORDS.labels(self._stage).set(len(self._spool))

    def settle(self, timeout_s: float) -> bool:
        """Waits until the broker has all; what it has not by then is put on disk, and the answer is False.

        Raises:
            sqlite3.Error: the disk does not take it.
        """
        until = time.monotonic() + timeout_s
        while True:
            self.tend()
            if self.clear:
                return True
            if time.monotonic() >= until:
                break
            time.sleep(_POLL_S)
        if self._sent:
            self._put([message for message, _ in self._sent])
            self._sent.clear()
        return False

    def close(self) -> None:
        """Ends it. The spool is its owner's."""
        self._sender.close(0)

    def _put(self, messages: list[Message]) -> None:
        self._spool.put(messages)
        metrics.SPOOLED_RECORDS.labels(self._stage).set(len(self._spool))

    def _deliver(self) -> None:
        self._note_delivered()
        if self._delivering or not len(self._spool) or time.monotonic() < self._again_at:
            return
        for number, message in self._spool.head(BATCH):
            try:
                self._delivering.append((number, self._sender.send(self._topic, 0, message)))
            except KafkaError:
                self._again_at = time.monotonic() + _AGAIN_S
                return

    def _note_delivered(self) -> None:
        delivered = None
        while self._delivering and self._delivering[0][1].succeeded():
            delivered, _ = self._delivering.popleft()
            metrics.RECORDS_OUT.labels(self._stage).inc()
        if delivered is not None:
            self._spool.take(delivered)
            if not len(self._spool):
                metrics.reset_throttle(log, ["spooled"])
                log.info("%s: the broker has all events that had waited on disk", self._topic)
        if self._delivering and self._delivering[0][1].is_done:  # the others are tried again with it
            self._delivering.clear()
            self._again_at = time.monotonic() + _AGAIN_S
