"""The loop that every stage runs over Kafka: join, poll, handle, commit, measure, retry, stop.

A stage is a subclass and fills in some steps. ``WorkerLoop.run`` has the steps in order.

Delivery is at least once. A stage marks a record as finished when its result is stored or acknowledged, and only
finished offsets are committed. After a crash the records behind the committed offset come again.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from lanewatch import metrics
from streams.kafka.client.connection import SESSION_S, Broker
from streams.kafka.client.kafka_python_patches import topic_id
from streams.kafka.client.topics import Topic, Topics
from streams.kafka.consumer.metrics import ConsumerMetrics
from streams.kafka.consumer.offset_tracker import AssignedPartition, OffsetTracker
from streams.kafka.consumer.retry import RetryPolicy

POLL_S = 0.1
"""How long a poll waits for records, and how long a paused stage waits between two polls."""

COMMIT_S = 1.0
"""Between two commits: the work that a successor repeats after a crash, at most."""

HEARTBEAT_S = 1.0
"""A member learns of a rebalance with its next heartbeat. Those of some dozen processes cost the broker nothing."""

COMMIT_WAIT_S = 5.0
"""How long the last commit may wait for the broker."""

LEAVE_S = 3.0
"""How long leaving the group may wait for the broker."""


class WorkerLoop(ABC):
    """Reads a topic as a member of the stage's consumer group. The members share the partitions.

    Args:
        stage: the stage's name in metrics and log.
        source: the topic that it reads.
        group: the consumer group's short name.
        instance: a name that outlives the process. A process that is back within the session keeps its partitions.
        session_s: how long a silent process keeps its partitions.
        consumer_settings: more settings of the consumer.
    """

    def __init__(
        self,
        stage: str,
        source: Topic,
        broker: Broker,
        topics: Topics,
        *,
        group: str,
        instance: str | None = None,
        session_s: float = SESSION_S,
        consumer_settings: Mapping[str, Any] | None = None,
    ) -> None:
        self._stage = stage
        self._source = source.name
        self._broker = broker
        self._topics = topics
        self._membership = {
            "group": topics.group(group),
            "instance": instance,
            "session_s": session_s,
            "heartbeat_interval_ms": int(min(HEARTBEAT_S, session_s / 4) * 1000),
        } | dict(consumer_settings or {})
        self._log = metrics.log(stage)
        self._metrics = ConsumerMetrics(stage, self._source)
        self._retry = RetryPolicy(stage, f"reading {self._source}")
        self._commit_at = 0.0
        self._source_id: str | None = None
        self._topic_ids = dict(broker.topic_ids)
        self._stop = threading.Event()
        self._consumer: KafkaConsumer
        self._tracker: OffsetTracker | None = None

    def run(self, stop: threading.Event) -> None:
        """Works until ``stop`` is set; then finishes what is in process and commits it.

        Raises:
            BrokerError: the broker refuses; a retry cannot help.
        """
        self._stop = stop
        with ExitStack() as resources:
            # Step 1: join the group.
            while not self._ended and not self._join(resources):
                pass
            # Steps 2 to 6: read, until the stage ends.
            while not self._ended:
                try:
                    self._turn()
                except KafkaError as error:
                    self._retry.failed(error, stop)
                    self._while_broker_fails()
                else:
                    self._retry.succeeded()
            # Step 7: stop. The resources close in reverse order, so the consumer leaves the group first.
            if self._tracker is not None:
                self._finish()
                self._tracker.commit_sync(COMMIT_WAIT_S)

    def _join(self, resources: ExitStack) -> bool:
        """Opens the stage's clients and subscribes; False if the broker does not answer."""
        with ExitStack() as opened:  # closes what is open if the next step fails
            try:
                self._open(opened)
                self._consumer = self._broker.member(**self._membership)
                opened.callback(self._leave, self._consumer)
                tracker = OffsetTracker(self._consumer)
                tracker.subscribe(self._source)
            except KafkaError as error:
                self._retry.failed(error, self._stop)
                return False
            self._tracker = tracker
            resources.push(opened.pop_all())
        return True

    def _turn(self) -> None:
        assert self._tracker is not None
        # Step 2: poll. A paused member polls too: it stays in the group.
        polled = self._poll()
        if self._is_source_recreated():
            self._source_recreated()
            self._source_id = topic_id(self._consumer, self._source)
            return
        # Step 3: handle the records. Those of a revoked partition belong to its next member.
        for partition, records in polled.items():
            assigned = self._tracker.get(partition)
            for record in records:
                if assigned is None or assigned.revoked or self._stop.is_set():
                    break
                self._handle(record, assigned)
        # Step 4: release the partitions that a rebalance revoked.
        revoked = self._tracker.pop_revoked()
        if revoked:
            self._release(revoked)
        # Step 5: the stage's periodic work, such as writing a checkpoint.
        self._follow_topics()
        self._work()
        # Step 6: commit and measure.
        if time.monotonic() >= self._commit_at:
            self._commit_at = time.monotonic() + COMMIT_S
            self._tracker.commit_async()
        self._measure(polled)

    def _poll(self) -> dict[TopicPartition, list[ConsumerRecord]]:
        timeout_ms = int(POLL_S * 1000)
        if self._has_room:
            self._consumer.resume(*self._consumer.paused())
        else:
            self._consumer.pause(*self._consumer.assignment())
            self._stop.wait(POLL_S)  # the client does not wait if all partitions are paused
            timeout_ms = 0
        polled: dict[TopicPartition, list[ConsumerRecord]] = self._consumer.poll(timeout_ms=timeout_ms)
        return polled

    def _is_source_recreated(self) -> bool:
        """Whether the source topic was deleted and created again since it was joined."""
        found = topic_id(self._consumer, self._source)
        self._source_id = self._source_id or found
        return found is not None and found != self._source_id

    def _source_recreated(self) -> None:
        """Reads the new topic from its beginning. What the stage holds of the earlier topic is released."""
        assert self._tracker is not None
        positions = ", ".join(f"{assigned.number}: {assigned.progress.position}" for assigned in self._tracker.assigned)
        text = "%s was created anew and is read from its beginning. The earlier topic was read up to these offsets: %s"
        self._log.warning(text, self._source, positions or "none", extra={"topic": self._source})
        self._tracker.restart()
        self._release(self._tracker.pop_revoked())
        if assigned := self._consumer.assignment():  # none while the group gives them out anew
            self._consumer.seek_to_beginning(*assigned)

    def _follow_topics(self) -> None:
        """Compares the topics that ``TopicMonitor`` has seen with those of the last call."""
        found = self._broker.topic_ids
        recreated = {name for name, id in found.items() if self._topic_ids.get(name, id) != id}
        self._topic_ids |= found
        if recreated:
            self._topics_recreated(recreated)

    def _leave(self, consumer: KafkaConsumer) -> None:
        try:
            consumer.close(timeout_ms=int(LEAVE_S * 1000))
        except KafkaError as error:
            self._log.warning("Could not send LeaveGroup: %r", error)

    @property
    def partitions(self) -> frozenset[int]:
        """The numbers of the partitions that are assigned to this process."""
        return frozenset() if self._tracker is None else self._tracker.partitions

    @property
    def _ended(self) -> bool:
        return self._stop.is_set()

    @property
    def _has_room(self) -> bool:
        """Whether the stage can take more records. If not, all partitions are paused."""
        return True

    def _open(self, resources: ExitStack) -> None:
        """Opens the stage's own clients; called again after a ``KafkaError``."""

    def _release(self, revoked: Sequence[AssignedPartition]) -> None:
        """Drops what the stage holds of partitions that were revoked."""

    @abstractmethod
    def _handle(self, record: ConsumerRecord, assigned: AssignedPartition) -> None:
        """Takes a record, and reports its start and its end to ``assigned.progress``. Must not raise ``KafkaError``."""

    def _topics_recreated(self, names: Collection[str]) -> None:
        """Restores what the stage had written to these topics, which are empty now. The source is treated apart."""

    def _work(self) -> None:
        """Does the stage's periodic work; called after each poll."""

    def _measure(self, polled: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> None:
        """Updates the metrics; called after each poll."""
        self._metrics.update(self._consumer, polled)

    def _while_broker_fails(self) -> None:
        """Does what must go on without the broker; called between two attempts."""

    def _finish(self) -> None:
        """Completes what is in process, before the last commit."""


def record_position(record: ConsumerRecord) -> dict[str, Any]:
    """A record's position as fields of a log line."""
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}


def format_position(record: ConsumerRecord) -> str:
    """A record's position as text."""
    return f"{record.topic}-{record.partition} at offset {record.offset}"
