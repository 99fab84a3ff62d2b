"""The partitions that a group member is assigned, and the offset that may be committed in each of them."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError, RebalanceInProgressError

from lanewatch import metrics
from streams.kafka.client.connection import subscribe

log = metrics.log("kafka")

Offsets = dict[TopicPartition, OffsetAndMetadata]


class OffsetProgress:
    """Which records of a partition are in process; ``position`` is the offset that may be committed.

    Records start in the order of their offsets, in one thread. They finish in any order, in any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._started: deque[int] = deque()
        self._finished: set[int] = set()
        self._position: int | None = None

    def start(self, offset: int) -> None:
        """A record is now in process."""
        with self._lock:
            self._started.append(offset)

    def finish(self, offset: int) -> None:
        """A record is complete: its result is stored or acknowledged."""
        with self._lock:
            self._finished.add(offset)
            while self._started and self._started[0] in self._finished:
                first = self._started.popleft()
                self._finished.remove(first)
                self._position = first + 1

    def advance(self, position: int) -> None:
        """All records before ``position`` are complete; for a stage that processes one record at a time."""
        with self._lock:
            self._position = position

    @property
    def position(self) -> int | None:
        """The offset after the last record that is complete with all before it; None if there is no such record."""
        with self._lock:
            return self._position


@dataclass(eq=False)
class AssignedPartition:
    """One assignment of a partition to this process, from the assignment to the revocation.

    A partition that is assigned again gets a new object. So a record of the first assignment never moves the offset
    of the second. ``committed`` is the last position that the broker confirmed.
    """

    partition: TopicPartition
    progress: OffsetProgress = field(default_factory=OffsetProgress)
    committed: int | None = None
    revoked: bool = False

    @property
    def number(self) -> int:
        """The partition's number within its topic."""
        return int(self.partition.partition)


class OffsetTracker(ConsumerRebalanceListener):  # type: ignore[misc]
    """The rebalance listener of every stage: follows the assignment and commits finished offsets.

    The client calls the listener from its own thread; the worker loop calls the other methods.
    """

    def __init__(self, consumer: KafkaConsumer) -> None:
        self._consumer = consumer
        self._lock = threading.Lock()
        self._assigned: dict[TopicPartition, AssignedPartition] = {}
        self._revoked: list[AssignedPartition] = []

    def subscribe(self, topic: str) -> None:
        """Subscribes to a topic; raises ``KafkaError`` if the broker does not answer."""
        subscribe(self._consumer, topic, self)

    def get(self, partition: TopicPartition) -> AssignedPartition | None:
        """The current assignment of a partition; None if it was revoked."""
        with self._lock:
            return self._assigned.get(partition)

    @property
    def assigned(self) -> list[AssignedPartition]:
        """The current assignments, ordered by partition."""
        with self._lock:
            return [self._assigned[partition] for partition in sorted(self._assigned)]

    @property
    def partitions(self) -> frozenset[int]:
        """The numbers of the assigned partitions."""
        return frozenset(assigned.number for assigned in self.assigned)

    def pop_revoked(self) -> list[AssignedPartition]:
        """The assignments that ended since the last call."""
        with self._lock:
            revoked, self._revoked = self._revoked, []
        return revoked

    def restart(self) -> None:
        """Ends every assignment and begins a new one of the same partition: the topic's offsets have changed."""
        with self._lock:
            for partition, assigned in self._assigned.items():
                assigned.revoked = True
                self._revoked.append(assigned)
                self._assigned[partition] = AssignedPartition(partition)

    def commit_async(self) -> None:
        """Commits finished offsets without waiting. The next commit repeats one that fails."""
        offsets = self._uncommitted()
        if offsets:
            self._consumer.commit_async(offsets, callback=self._on_commit)

    def commit_sync(self, timeout_s: float) -> None:
        """Commits finished offsets and waits for the broker; logs a warning if it does not confirm them in time."""
        deadline = time.monotonic() + timeout_s
        while offsets := self._uncommitted():
            left_ms = int((deadline - time.monotonic()) * 1000)
            try:
                self._consumer.commit(offsets, timeout_ms=max(1, left_ms))
            except KafkaError as error:
                if left_ms > 0 and isinstance(error, RebalanceInProgressError):
                    # A rebalance goes on only while this member polls. Its records are dropped, not committed.
                    self._consumer.poll(timeout_ms=100, max_records=1)
                    continue
                log.warning("The last offsets were not committed, their records will be processed again: %r", error)
                return
            self._on_commit(offsets, None)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Called by the client: partitions are assigned to this member."""
        with self._lock:
            for partition in assigned:
                self._assigned[partition] = AssignedPartition(partition)
        self._log_assignment()

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Called by the client: partitions are revoked. What is finished of them is committed."""
        offsets = {partition: offset for partition, offset in self._uncommitted().items() if partition in revoked}
        if offsets:
            # The request is sent before this member asks to join again. After that the broker would refuse it.
            self._consumer.commit_async(offsets, callback=self._on_commit)
        self.on_partitions_lost(revoked)

    def on_partitions_lost(self, lost: Iterable[TopicPartition]) -> None:
        """Called by the client: partitions already belong to other members."""
        with self._lock:
            for partition in lost:
                assigned = self._assigned.pop(partition, None)
                if assigned is not None:
                    assigned.revoked = True
                    self._revoked.append(assigned)
        self._log_assignment()

    def _uncommitted(self) -> Offsets:
        offsets: Offsets = {}
        for assigned in self.assigned:
            position = assigned.progress.position
            if position is not None and position != assigned.committed:
                offsets[assigned.partition] = OffsetAndMetadata(position, "", -1)
        return offsets

    def _on_commit(self, offsets: Offsets, answer: object) -> None:
        if isinstance(answer, Exception):
            metrics.log_throttled(log, "commit", "Offsets were not committed and will be committed again: %r", answer)
            return
        with self._lock:
            for partition, offset in offsets.items():
                if partition in self._assigned:
                    self._assigned[partition].committed = offset.offset

    def _log_assignment(self) -> None:
        names = ", ".join(f"{assigned.partition.topic}-{assigned.number}" for assigned in self.assigned)
        log.info("Assigned partitions: %s", names or "none")
