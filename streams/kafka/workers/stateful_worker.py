"""The loop of the stages with a state: records in, events out, checkpoints of the states with the input's position.

An event is sent before the checkpoint of the state that it left. After a crash the records since the checkpoint are
processed again: they give the same events with the same ids and revisions, some of them twice.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import ClassVar, Generic, Protocol, TypeVar

from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from lanewatch import metrics, tracing
from lanewatch.config.revisions import SiteRevisions
from streams.kafka import codec
from streams.kafka.client.connection import OFFSETS_MS, SESSION_S, Broker
from streams.kafka.client.topics import Topic, Topics
from streams.kafka.consumer.offset_tracker import AssignedPartition
from streams.kafka.state.checkpoints import NO_RECORD, Checkpoint, Checkpoints, StoredState
from streams.kafka.state.event_outbox import EventOutbox
from streams.kafka.workers.partition_processor import PartitionProcessor
from streams.kafka.workers.worker_loop import WorkerLoop

J = TypeVar("J")
S = TypeVar("S")

CHECKPOINT_S = 10.0
"""Between two checkpoints: the input that is processed again after a crash. 1,000 records take a tenth of a second."""

WATERMARK_S = 1.0
"""Between two watermarks."""

SETTLE_S = 5.0
"""How long a planned end waits until the broker has the last events. After that the process ends, and its successor
computes the same events again."""


KEEP_S = 60.0
"""States of a partition that the group took away are kept for this time. They are needed only if the broker has lost
its topics: then no checkpoint has them."""


class SiteRevisionsSource(Protocol):
    """Knows the site's revisions, such as the reader of the site topic. A change gives another object."""

    @property
    def revisions(self) -> SiteRevisions: ...

    def raise_if_failed(self) -> None:
        """Raises the ``BrokerError`` after which the revisions are no longer followed, if any."""


class StatefulWorker(WorkerLoop, ABC, Generic[J, S]):
    """Passes the records of its partitions to the stage, and the stage's events to the events topic.

    Args:
        make_stage: makes the stage for a site's revisions.
        instance: whether the node's name is unique and outlives the process. Such a process keeps its partitions if
            it is back within its session.
        checkpoint_s: seconds between two checkpoints.

    Raises:
        ValueError: the site needs something that the stage does not have.
    """

    name: ClassVar[str]
    """The stage's name."""

    named_session_s: ClassVar[float] = SESSION_S
    """Session timeout of a static member: a silent process with a name keeps its partitions for this time."""

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        make_stage: Callable[[SiteRevisions], J],
        site: SiteRevisionsSource,
        *,
        node: str,
        state_type: type[S],
        instance: bool = False,
        checkpoint_s: float = CHECKPOINT_S,
    ) -> None:
        super().__init__(
            self.name,
            self._source_topic(topics),
            broker,
            topics,
            group=self.name,
            instance=node if instance else None,
            session_s=self.named_session_s if instance else SESSION_S,
        )
        self._node = node
        self._state_type = state_type
        self._checkpoint_s = checkpoint_s
        self._make_stage = make_stage
        self._site = site
        self._revisions = site.revisions
        self._current_stage = make_stage(self._revisions)
        self._processors: dict[AssignedPartition, PartitionProcessor[J]] = {}
        self._kept: dict[int, _KeptStates[J]] = {}
        self._watermark_at = self._checkpoint_at = 0.0
        self._outbox: EventOutbox
        self._checkpoints: Checkpoints

    @property
    def partitions(self) -> frozenset[int]:
        """The numbers of the partitions whose states are restored here."""
        return frozenset(assigned.number for assigned in self._processors)

    @staticmethod
    @abstractmethod
    def _source_topic(topics: Topics) -> Topic:
        """The topic that the stage reads."""

    @abstractmethod
    def _read_checkpoints(self, partitions: Collection[int]) -> dict[int, Checkpoint]:
        """The checkpoints of partitions; raises ``KafkaError`` if they could not be read in time."""

    @abstractmethod
    def _new_processor(self, checkpoint: Checkpoint, position: int, end: int) -> PartitionProcessor[J]:
        """A partition's processor from ``position`` on; ``end`` is the partition's end if it has records to replay."""

    # -- The steps of the loop

    @property
    def _has_room(self) -> bool:
        """Reading pauses while too many events are not acknowledged."""
        return not self._outbox.full

    def _open(self, resources: ExitStack) -> None:
        self._outbox = resources.enter_context(closing(EventOutbox(self._broker, self._topics.events, self._stage)))
        self._checkpoints = resources.enter_context(closing(Checkpoints(self._broker, self._topics)))

    def _release(self, revoked: Sequence[AssignedPartition]) -> None:
        """Writes a last checkpoint and drops the processors; the next worker then has less to repeat.

        The next worker may already have started from the checkpoint before. This does no harm.
        """
        try:
            if self._outbox.clear:
                self._checkpoint()
        finally:
            for assigned in revoked:
                processor = self._processors.pop(assigned, None)
                if processor is not None:
                    self._kept[assigned.number] = _KeptStates(processor, self._source_id, time.monotonic() + KEEP_S)

    def _topics_recreated(self, names: Collection[str]) -> None:
        if self._topics.checkpoints.name in names:
            for processor in self._processors.values():
                processor.mark_unsaved()

    def _handle(self, record: ConsumerRecord, assigned: AssignedPartition) -> None:
        self._follow_site()  # a revision that is published before a record applies to it
        processor = self._processors.get(assigned)
        if processor is None:
            return  # not restored yet: the restore seeks to the position of its checkpoint
        started = time.perf_counter()
        events = processor.process(record)
        trace = tracing.add_span(self._stage, codec.trace_context(record), time.perf_counter() - started)
        for event in events:
            metrics.EVENTS.labels(event.kind, event.state).inc()
            event_trace = trace or tracing.start_trace(self._stage, camera=event.camera)
            self._outbox.send(codec.encode_event(event).traced(event_trace))

    def _work(self) -> None:
        self._outbox.poll()
        self._follow_site()
        self._restore()
        now = time.monotonic()
        if now >= self._watermark_at and self._outbox.clear:
            self._watermark_at = now + WATERMARK_S
            self._send_watermarks()
        if now >= self._checkpoint_at and self._outbox.clear:
            self._checkpoint_at = now + self._checkpoint_s
            self._checkpoint()

    def _finish(self) -> None:
        try:
            if self._outbox.flush(SETTLE_S):
                self._checkpoint()
        except KafkaError as error:
            self._log.warning("Stopped without a last checkpoint, some records will be processed again: %s", error)
        self._processors.clear()

    # -- Their parts

    def _follow_site(self) -> None:
        self._site.raise_if_failed()
        revisions = self._site.revisions
        if revisions is self._revisions:
            return
        self._revisions = revisions
        try:
            self._current_stage = self._make_stage(revisions)
        except ValueError as error:  # a published site was checked, but perhaps by another release
            self._log.error("The site's new revision cannot be used, the previous one stays in effect: %s", error)
            return
        for processor in self._processors.values():
            processor.use_stage(self._current_stage)

    def _restore(self) -> None:
        """Restores the states of new partitions, and seeks to the positions of their checkpoints."""
        assert self._tracker is not None
        now = time.monotonic()
        self._kept = {number: kept for number, kept in self._kept.items() if now < kept.until}
        new = [assigned for assigned in self._tracker.assigned if assigned not in self._processors]
        if not new or self._broker.lacks(self._topics.checkpoints.name) or self._broker.lacks(self._source):
            return
        started = time.monotonic()
        partitions = [assigned.partition for assigned in new]
        checkpoints = self._read_checkpoints([assigned.number for assigned in new])
        begins = self._consumer.beginning_offsets(partitions, timeout_ms=OFFSETS_MS)
        ends = self._consumer.end_offsets(partitions, timeout_ms=OFFSETS_MS)
        replayed = 0
        for assigned in new:
            begin, end = begins[assigned.partition], ends[assigned.partition]
            checkpoint = self._valid_checkpoint(assigned.partition, checkpoints[assigned.number], end)
            kept = self._kept.get(assigned.number)
            if kept is not None:
                checkpoint = kept.complete(checkpoint, self._source_id)
            position = begin if checkpoint.position is None else checkpoint.position
            try:
                self._consumer.seek(assigned.partition, max(position, begin))
            except ValueError:  # revoked meanwhile
                continue
            processor = self._new_processor(checkpoint, position, end if end > position else 0)
            if kept is not None:
                processor.mark_unsaved()
                processor.take_watermarks(kept.processor)
                del self._kept[assigned.number]
            self._processors[assigned] = processor
            replayed += end - position
        seconds = time.monotonic() - started
        metrics.RESTORE_SECONDS.labels(self._stage).observe(seconds)
        states = sum(self._processors[assigned].states for assigned in new if assigned in self._processors)
        text = "%d partitions of %s are assigned, %d of them new: %d states restored in %.2f s, %d records to replay"
        self._log.info(text, len(self._processors), self._source, len(new), states, seconds, replayed)

    def _valid_checkpoint(self, partition: TopicPartition, checkpoint: Checkpoint, end: int) -> Checkpoint:
        """The checkpoint; without its offsets if the topic was deleted and created again since, or has lost records."""
        beyond = checkpoint.position is not None and checkpoint.position > end
        if not checkpoint.recreated and not beyond:
            return checkpoint
        problem = (
            "%s-%d ends at offset %d, and its checkpoint is from an earlier topic or beyond that end. The states "
            "continue with the records that are there"
        )
        self._log.error(problem, *partition, end)
        if not beyond:
            return checkpoint
        return Checkpoint(None, {key: StoredState(NO_RECORD, state.data) for key, state in checkpoint.states.items()})

    def _send_watermarks(self) -> None:
        for assigned, processor in self._processors.items():
            watermark = processor.pop_watermark(f"{self._node}/{assigned.number}")
            if watermark is not None:
                self._outbox.send(watermark)

    def _checkpoint(self) -> None:
        """Writes the states that changed; the next checkpoint repeats what could not be written.

        The watermark is sent first: after a restart no process would send it for a record that is in a state already.
        """
        self._send_watermarks()
        if self._broker.lacks(self._topics.checkpoints.name) or not self._outbox.flush(WATERMARK_S):
            return
        changed = {
            assigned.number: processor.save() for assigned, processor in self._processors.items() if processor.changed
        }
        failed = self._checkpoints.save(changed, self._source_id or "")
        for number, error in failed.items():
            problem = "States were not written, the next checkpoint has them: %r"
            metrics.log_throttled(self._log, "checkpoint", problem, error, partition=number)
        for assigned, processor in self._processors.items():
            if assigned.number in failed:
                continue
            if assigned.number in changed:
                processor.saved()
                metrics.CHECKPOINTED_AT.labels(self._stage, str(assigned.number)).set_to_current_time()
            # The committed offset shows the lag to Kafka's tools. A restart begins at the checkpoint instead.
            assigned.progress.advance(processor.position)


@dataclass(frozen=True)
class _KeptStates(Generic[J]):
    """The states of a partition that was taken away; ``topic`` is the id of the input topic, ``until`` monotonic."""

    processor: PartitionProcessor[J]
    topic: str | None
    until: float

    def complete(self, checkpoint: Checkpoint, topic: str | None) -> Checkpoint:
        """The checkpoint with the states that it lacks. A stored state of the present topic is at least as new."""
        self.processor.mark_unsaved()
        states, _ = self.processor.save()
        if self.topic != topic:
            states = {key: StoredState(NO_RECORD, state.data) for key, state in states.items()}
        present = {key: state for key, state in checkpoint.states.items() if state.offset >= 0}
        position = checkpoint.position
        if position is None and self.topic == topic:
            position = self.processor.position
        return Checkpoint(position, checkpoint.states | states | present)
