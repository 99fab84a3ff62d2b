"""Reads a topic from its beginning and follows it: all records that it holds, then the new ones."""

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
    """Reads some partitions of a topic in its own thread; a context manager.

    After an error of the broker it reads everything again. So a record that is handled twice must do no harm.

    Args:
        broker: the site's.
        stage: the stage's name in metrics and log.
        topic: its name.
        partitions: how many partitions the topic has; all are followed.
        on_record: handles a record, in the follower's thread. A record that raises ``CodecError`` is counted and
            skipped.
        on_batch: called after each batch of records, in the same thread.
    """

    def __init__(
        self,
        broker: Broker,
        stage: str,
        topic: str,
        partitions: int,
        on_record: Callable[[ConsumerRecord], None],
        on_batch: Callable[[], None] = lambda: None,
    ) -> None:
        self._broker = broker
        self._stage = stage
        self._topic = topic
        self._partitions = [TopicPartition(topic, number) for number in range(partitions)]
        self._on_record = on_record
        self._on_batch = on_batch
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
        """Waits until all records are handled that the topic held at the start.

        Raises:
            BrokerError: the time ran out, or the broker refuses.
        """
        self.wait_until(lambda: self._read_all, timeout_s, f"topic {self._topic} could not be read to its end")

    def wait_until(self, condition: Callable[[], bool], timeout_s: float, problem: str) -> None:
        """Waits until the handled records make ``condition`` true.

        Args:
            condition: checked after each batch.
            timeout_s: how long to wait.
            problem: the error message if the time runs out.

        Raises:
            BrokerError: the time ran out, or the broker refuses.
        """
        with self._changed:
            self._changed.wait_for(lambda: condition() or self._error is not None, timeout_s)
            if self._error is not None:
                raise self._error
            if not condition():
                raise BrokerError(f"broker {self._broker.address}: {problem} ({timeout_s:g} s)")

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

    def _fail(self, error: BrokerError) -> None:
        with self._changed:
            self._error = error
            self._changed.notify_all()

    def _follow(self, retry: RetryPolicy) -> None:
        consumer = self._broker.consumer(fetch_max_wait_ms=POLL_MS)
        try:
            consumer.assign(self._partitions)
            unread = consumer.end_offsets(self._partitions)
            retry.succeeded()
            while not self._stop.is_set():
                polled = consumer.poll(POLL_MS)
                for record in (record for records in polled.values() for record in records):
                    self._handle(record)
                if polled:
                    self._on_batch()
                unread = {partition: end for partition, end in unread.items() if _is_before(consumer, partition, end)}
                if polled or not (unread or self._read_all):
                    with self._changed:
                        self._read_all = self._read_all or not unread
                        self._changed.notify_all()
        finally:
            consumer.close(autocommit=False, timeout_ms=CLOSE_MS)

    def _handle(self, record: ConsumerRecord) -> None:
        try:
            self._on_record(record)
        except CodecError as error:
            metrics.record_refused(self._stage, error)


def _is_before(consumer: KafkaConsumer, partition: TopicPartition, end: int) -> bool:
    position = consumer.position(partition, timeout_ms=0)
    return position is None or position < end
