"""A stage's processing of one partition: each record once, in order, and the state that a checkpoint needs.

Records that were processed before are skipped by their offsets. An unreadable record is skipped alone, counted, and
logged with its position.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Generic, Self, TypeVar

import msgspec
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import metrics
from lanewatch.records import Event, decode
from streams.kafka import codec
from streams.kafka.codec import Message
from streams.kafka.state.checkpoints import CheckpointPosition, StoredState
from streams.kafka.workers.worker_loop import record_position

J = TypeVar("J")
S = TypeVar("S")


class PartitionProcessor(ABC, Generic[J]):
    """Processes one partition, from the record at ``position`` on.

    Args:
        end: the partition's end at the restore; the records before it are a replay. 0: there is nothing to replay.

    Attributes:
        position: the offset of the next record.
        processed: new records that were processed.
    """

    def __init__(self, name: str, stage: J, position: int, *, end: int = 0) -> None:
        self.position = position
        self.processed = 0
        self._name = name
        self._stage = stage
        self._log = metrics.log(name)
        self._replay_end = end
        self._restored_at, self._first_position = time.monotonic(), position

    def use_stage(self, stage: J) -> None:
        """Uses the stage of another site revision. The stage itself applies it by capture time."""
        self._stage = stage

    def process(self, record: ConsumerRecord) -> list[Event]:
        """Processes a record; returns the event revisions that it causes."""
        if record.offset < self.position:
            return []
        if record.offset > self.position:
            self._count_missing(record)
        self.position = record.offset + 1
        metrics.RECORDS_IN.labels(self._name).inc()
        try:
            events = self._step(record)
        except codec.CodecError as error:
            metrics.record_refused(self._name, error)
            return []
        if self._replay_end and self.position >= self._replay_end:
            self._replay_end = 0
            self._log_replay(record)
        return events

    def pop_watermark(self, node: str) -> Message | None:
        """The watermarks since the last call, as a message of ``node``; None if there is none."""
        return None

    def take_watermarks(self, former: Self) -> None:
        """Continues with the watermarks that ``former`` could not send, of the states that came from it."""

    @property
    @abstractmethod
    def states(self) -> int:
        """The number of states."""

    @property
    @abstractmethod
    def changed(self) -> bool:
        """Whether a checkpoint has something to write."""

    @abstractmethod
    def mark_unsaved(self) -> None:
        """The next ``save`` has all states, because what was written before is gone."""

    @abstractmethod
    def save(self) -> tuple[dict[str, StoredState], CheckpointPosition | None]:
        """The states that changed since ``saved``, and their position if there are several."""

    @abstractmethod
    def saved(self) -> None:
        """The result of ``save`` is written."""

    @abstractmethod
    def _step(self, record: ConsumerRecord) -> list[Event]:
        """The events that a record causes. A record that the stage fails on is counted and skipped.

        Raises:
            CodecError: it cannot be read.
        """

    def _decode_state(self, stored: StoredState, state_type: type[S], camera: str, owner: str) -> S | None:
        """A state of the checkpoint; None if it cannot be read, which is counted and logged."""
        try:
            return decode(stored.data, state_type)
        except (msgspec.DecodeError, TypeError, ValueError) as error:
            metrics.DROPPED.labels(self._name, camera, "state").inc()
            problem = "%s starts with a new state: its checkpoint cannot be read: %s"
            self._log.error(problem, owner, error, extra={"camera": camera} if camera else None)
            return None

    def _count_missing(self, record: ConsumerRecord) -> None:
        count = record.offset - self.position
        metrics.DROPPED.labels(self._name, "", "retention").inc(count)
        problem = "%s-%d: %d records before offset %d are missing: their retention was too short, or they were deleted"
        partition = (record.topic, record.partition)
        self._log.error(problem, *partition, count, record.offset, extra=record_position(record))

    def _log_replay(self, record: ConsumerRecord) -> None:
        metrics.REPLAYED_RECORDS.labels(self._name).inc(self.processed)
        partition = (record.topic, record.partition)
        replayed = (self.processed, self._first_position, time.monotonic() - self._restored_at)
        text = "%s-%d: replayed %d records from offset %d in %.1f s"
        self._log.info(text, *partition, *replayed, extra=record_position(record))
