"""The partitions that a member of a group has, and how far it has come in each: what may be committed, and when."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError, RebalanceInProgressError

from lanewatch import metrics
from streams.kafka.client.connection import subscribe


class OffsetProgress:
    """Keeps which records of a partition are in hand; ``position`` is what may be committed.

    Records begin in the order of their offsets, in one thread; they may end in any order, in any thread.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._begun: deque[int] = deque()
        self._ended: set[int] = set()
        self._position: int | None = None

    def begin(self, offset: int) -> None:
        """A record has been taken in hand."""
        with self._lock:
            self._begun.append(offset)

    def end(self, offset: int) -> None:
        """A record is finished: what came of it is where it belongs."""
        with self._lock:
            self._ended.add(offset)
            while self._begun and self._begun[0] in self._ended:
                done = self._begun.popleft()
                self._ended.remove(done)
                self._position = done + 1

    @property
    def position(self) -> int | None:
        """The offset of the first record that is not finished, all before it being so; None before the first is."""
        with self._lock:
            return self._position


log = metrics.log("kafka")

Offsets = dict[TopicPartition, OffsetAndMetadata]


@dataclass(eq=False)
class AssignedPartition:
    """A partition for as long as it is ours. One that comes back is another share: what is still in hand of the first
    never moves the offset of the second."""

    partition: TopicPartition
    progress: OffsetProgress = field(default_factory=OffsetProgress)
    committed: int | None = None
    live: bool = True


class OffsetTracker(ConsumerRebalanceListener):  # type: ignore[misc]
    """Told by the group what comes and goes, from the client's own thread; asked by the loop.

    Args:
        consumer: a member of a group, not yet subscribed.
        gone: told of each share that went.
    """

    def __init__(self, consumer: KafkaConsumer, gone: Callable[[AssignedPartition], None] | None = None) -> None:
        self._consumer = consumer
        self._gone = gone
        self._lock = threading.Lock()
        self._shares: dict[TopicPartition, AssignedPartition] = {}

    def join(self, topic: str) -> None:
        """Subscribes to a topic.

        Raises:
            kafka.errors.KafkaError: the broker does not answer.
        """
        subscribe(self._consumer, topic, self)

    def of(self, partition: TopicPartition) -> AssignedPartition | None:
        """The share of a partition; None where it has been taken away meanwhile."""
        with self._lock:
            return self._shares.get(partition)

    @property
    def partitions(self) -> frozenset[int]:
        """The numbers of those that are here."""
        with self._lock:
            return frozenset(partition.partition for partition in self._shares)

    def commit_soon(self) -> None:
        """Has committed what is finished, without waiting for it. One that fails is made up for by the next."""
        offsets = self._finished()
        if offsets:
            self._consumer.commit_async(offsets, callback=self._committed)

    def commit_now(self, timeout_s: float) -> None:
        """Commits what is finished at the end, and says so where that is not to be had."""
        until = time.monotonic() + timeout_s
        while offsets := self._finished():
            left_ms = int((until - time.monotonic()) * 1000)
            try:
                self._consumer.commit(offsets, timeout_ms=max(1, left_ms))
            except RebalanceInProgressError as error:
                if left_ms <= 0:
                    self._say_uncommitted(error)
                    return
                # The group is just being shared out anew: that goes on only while this member polls. What comes with
                # it is nobody's business any more, and not committed.
                self._consumer.poll(timeout_ms=100, max_records=1)
            except KafkaError as error:
                self._say_uncommitted(error)
                return
            else:
                self._committed(offsets, None)

    def _say_uncommitted(self, error: KafkaError) -> None:
        log.warning("the last offsets were not committed, the work is done again by who is next: %r", error)

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Partitions have come."""
        with self._lock:
            for partition in assigned:
                self._shares[partition] = AssignedPartition(partition)
        self._say()

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Partitions go: what is finished of them is committed, the rest is left to who has them next."""
        offsets = {partition: offset for partition, offset in self._finished().items() if partition in revoked}
        if offsets:
            # The request goes out before this member asks to join again, after which it would be refused.
            self._consumer.commit_async(offsets, callback=self._committed)
        self._let_go(revoked)

    def on_partitions_lost(self, lost: Sequence[TopicPartition]) -> None:
        """Partitions have been given to others already."""
        self._let_go(lost)

    def _let_go(self, partitions: Sequence[TopicPartition]) -> None:
        for partition in partitions:
            with self._lock:
                share = self._shares.pop(partition, None)
            if share is not None:
                share.live = False
                if self._gone is not None:
                    self._gone(share)
        self._say()

    def _finished(self) -> Offsets:
        with self._lock:
            positions = {share.partition: (share.progress.position, share.committed) for share in self._shares.values()}
        return {
            partition: OffsetAndMetadata(position, "", -1)
            for partition, (position, committed) in positions.items()
            if position is not None and position != committed
        }

    def _committed(self, offsets: Offsets, answer: object) -> None:
        if isinstance(answer, Exception):
            metrics.log_throttled(log, "commit", "offsets were not committed, it is tried again: %r", answer)
            return
        with self._lock:
            for partition, offset in offsets.items():
                if partition in self._shares:
                    self._shares[partition].committed = offset.offset

    def _say(self) -> None:
        with self._lock:
            here = sorted(f"{partition.topic}-{partition.partition}" for partition in self._shares)
        log.info("partitions here now: %s", ", ".join(here) or "none")
