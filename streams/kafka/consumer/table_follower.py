"""Reads a topic from its beginning and follows it: all records that it holds, then the new ones."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from lanewatch import metrics
from streams.kafka.client.connection import OFFSETS_MS, Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.kafka_python_patches import topic_id
from streams.kafka.codec import CodecError
from streams.kafka.consumer.retry import RetryPolicy

POLL_MS = 100
CLOSE_MS = 1000

log = metrics.log("kafka")


class TableFollower(ABC):
    """Reads partition 0 of a topic in its own thread; a context manager.

    After an error of the broker it reads everything again. So a record that is handled twice must do no harm. If the
    topic was deleted and created anew, what was read from the earlier one stays in effect.
    """

    def __init__(self, broker: Broker, stage: str, topic: str) -> None:
        self._broker = broker
        self._stage = stage
        self._topic = topic
        self._partition = TopicPartition(topic, 0)
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._read_all = False
        self._topic_id: str | None = None
        self._error: BrokerError | None = None
        self._thread = threading.Thread(target=self._run, name=f"follow-{topic}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(CLOSE_MS / 1000 * 2)

    def read(self, timeout_s: float = 30.0) -> None:
        """Waits until all records are handled that the topic held at the start; raises like ``wait_until``."""
        self.wait_until(lambda: self._read_all, timeout_s, f"topic {self._topic} could not be read to its end")

    def wait_until(self, condition: Callable[[], bool], timeout_s: float, problem: str) -> None:
        """Waits until the handled records make ``condition`` true.

        Raises:
            BrokerError: the time ran out, with ``problem`` as its message, or the broker refuses.
        """
        with self._changed:
            self._changed.wait_for(lambda: condition() or self._error is not None, timeout_s)
            if self._error is not None:
                raise self._error
            if not condition():
                raise BrokerError(f"broker {self._broker.address}: {problem} ({timeout_s:g} s)")

    @abstractmethod
    def _read_record(self, record: ConsumerRecord) -> None:
        """Handles a record, in the follower's thread. One that raises ``CodecError`` is counted and skipped."""

    def _apply(self) -> None:
        """Called after each batch of records, in the same thread."""

    def _recreated(self) -> None:
        """Called in the same thread when the topic was created anew, before its records are read."""

    def _idle(self) -> None:
        """Called again and again in the same thread while there is no record to read."""

    def _run(self) -> None:
        retry = RetryPolicy(self._stage, f"reading {self._topic}")
        try:
            while not self._stop.is_set():
                try:
                    self._follow(retry)
                except KafkaError as error:
                    retry.failed(error, self._stop)
        except BrokerError as error:
            self._fail(error)
        except Exception as error:
            log.exception("Topic %s can no longer be followed", self._topic)
            self._fail(BrokerError(f"topic {self._topic}: {error!r}"))

    def raise_if_failed(self) -> None:
        """Raises the ``BrokerError`` that has ended the thread, if any: what was read so far is out of date."""
        if self._error is not None:
            raise self._error

    def _fail(self, error: BrokerError) -> None:
        log.error("Topic %s is no longer followed: %s", self._topic, error)
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _follow(self, retry: RetryPolicy) -> None:
        consumer = self._broker.consumer(fetch_max_wait_ms=POLL_MS)
        try:
            consumer.assign([self._partition])
            end = consumer.end_offsets([self._partition], timeout_ms=OFFSETS_MS)[self._partition]
            retry.succeeded()
            if self._is_recreated(consumer):
                log.warning("Topic %s was created anew and is read from its beginning", self._topic)
                self._recreated()
            self._topic_id = topic_id(consumer, self._topic)
            caught_up = False
            while not self._stop.is_set() and not self._is_recreated(consumer):
                records = consumer.poll(POLL_MS).get(self._partition, ())
                for record in records:
                    self._handle(record)
                if records:
                    self._apply()
                if records or not caught_up:
                    position = consumer.position(self._partition, timeout_ms=0)
                    caught_up = caught_up or (position is not None and position >= end)
                    with self._changed:
                        self._read_all = self._read_all or caught_up
                        self._changed.notify_all()
                if caught_up and not records:
                    self._idle()
        finally:
            consumer.close(autocommit=False, timeout_ms=CLOSE_MS)

    def _is_recreated(self, consumer: KafkaConsumer) -> bool:
        found = topic_id(consumer, self._topic)
        return found is not None and self._topic_id is not None and found != self._topic_id

    def _handle(self, record: ConsumerRecord) -> None:
        try:
            self._read_record(record)
        except CodecError as error:
            metrics.record_refused(self._stage, error)
