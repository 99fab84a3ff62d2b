"""Follows a topic from its beginning: all that it holds, and then what comes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from lanewatch import metrics
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.codec import CodecError
from streams.kafka.consumer.retry import RetryPolicy

POLL_MS = 100
CLOSE_MS = 1000

log = metrics.log("kafka")


class TableFollower:
    """Reads some partitions of a topic in a thread of its own; a context manager.

    A broker that is away is waited for; then all is read anew, so that what is taken twice must do no harm.

    Args:
        broker: the site's.
        stage: for whom it counts and speaks.
        topic: its name.
        partitions: how many; all are followed.
        take: takes a record, from this follower's thread. What it cannot read (``CodecError``) is counted and skipped.
        taken: called after each batch of records, from the same thread.
    """

    def __init__(
        self,
        broker: Broker,
        stage: str,
        topic: str,
        partitions: int,
        take: Callable[[ConsumerRecord], None],
        taken: Callable[[], None] = lambda: None,
    ) -> None:
        self._broker = broker
        self._stage = stage
        self._topic = topic
        self._places = [TopicPartition(topic, one) for one in range(partitions)]
        self._take = take
        self._taken = taken
        self._stop = threading.Event()
        self._changed = threading.Condition()
        self._read_all = False
        self._error: BrokerError | None = None
        self._thread = threading.Thread(target=self._run, name=f"follow-{topic}", daemon=True)

    def __enter__(self) -> TableFollower:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(CLOSE_MS / 1000 * 2)

    def read(self, timeout_s: float = 30.0) -> None:
        """Waits until all is taken that was in the topic when it began to be followed.

        Raises:
            BrokerError: it took longer, or the broker refuses.
        """
        self.until(lambda: self._read_all, timeout_s, f"topic {self._topic} could not be read to its end")

    def until(self, wanted: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Waits until what was taken makes something so; ``what`` says what is wrong where it does not come about.

        Raises:
            BrokerError: it did not in time, or the broker refuses.
        """
        with self._changed:
            self._changed.wait_for(lambda: wanted() or self._error is not None, timeout_s)
            if self._error is not None:
                raise self._error
            if not wanted():
                raise BrokerError(f"broker {self._broker.address}: {what} ({timeout_s:g} s)")

    def _run(self) -> None:
        patience = RetryPolicy(self._stage, f"reading {self._topic}")
        while not self._stop.is_set():
            try:
                consumer = self._broker.consumer(fetch_max_wait_ms=POLL_MS)
                try:
                    self._follow(consumer, patience)
                finally:
                    consumer.close(autocommit=False, timeout_ms=CLOSE_MS)
            except KafkaError as error:
                try:
                    patience.bear(error, self._stop)
                except BrokerError as refused:
                    self._fail(refused)
                    return
            except Exception as error:
                log.exception("topic %s can no longer be followed", self._topic)
                self._fail(BrokerError(f"topic {self._topic}: {error!r}"))
                return

    def _fail(self, error: BrokerError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _follow(self, consumer: KafkaConsumer, patience: RetryPolicy) -> None:
        consumer.assign(self._places)
        unread = consumer.end_offsets(self._places)
        patience.relieved()
        while not self._stop.is_set():
            polled = consumer.poll(POLL_MS)
            for record in (record for records in polled.values() for record in records):
                self._one(record)
            if polled:
                self._taken()
            unread = {place: end for place, end in unread.items() if _before(consumer, place, end)}
            if polled or not (unread or self._read_all):
                with self._changed:
                    self._read_all = self._read_all or not unread
                    self._changed.notify_all()

    def _one(self, record: ConsumerRecord) -> None:
        try:
            self._take(record)
        except CodecError as error:
            metrics.record_refused(self._stage, error)


def _before(consumer: KafkaConsumer, place: TopicPartition, end: int) -> bool:
    at = consumer.position(place, timeout_ms=0)
    return at is None or at < end
