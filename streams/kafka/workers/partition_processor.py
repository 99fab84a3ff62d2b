"""A stage's fold over one partition: each record judged once, in their order, and what of it is to be written down.

What comes twice falls out by offset, where this fold has judged it. What cannot be read is skipped alone, counted, and
said where it lies.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import metrics
from lanewatch.records import Event
from streams.kafka import codec
from streams.kafka.codec import Message
from streams.kafka.state.checkpoints import CheckpointPosition, StoredState

J = TypeVar("J")


class PartitionProcessor(ABC, Generic[J]):
    """One partition's.

    Args:
        stage: whose.
        judge: what judges.
        position: the offset of the first record to come.
        end: the partition's end when it was taken over: what lies before it had to wait for that.

    Attributes:
        position: the offset of the next record.
        judged: records that were new to it and have been judged.
    """

    def __init__(self, stage: str, judge: J, position: int, *, end: int = 0) -> None:
        self.position = position
        self.judged = 0
        self._stage = stage
        self._judge = judge
        self._log = metrics.log(stage)
        self._end = end
        self._began, self._began_at = time.monotonic(), position

    def judges_by(self, judge: J) -> None:
        """Another revision of the site is known; what it changes it says itself, by capture time."""
        self._judge = judge

    def take(self, record: ConsumerRecord) -> list[Event]:
        """Judges a record, and gives the revisions of events that it causes."""
        if record.offset < self.position:
            return []
        if record.offset > self.position:
            self._missing(record)
        self.position = record.offset + 1
        metrics.RECORDS_IN.labels(self._stage).inc()
        try:
            events = self._events(record)
        except codec.CodecError as error:
            metrics.record_refused(self._stage, error)
            return []
        if self._end and self.position >= self._end:
            self._caught_up(record)
        return events

    def told(self, node: str) -> Message | None:
        """What others are to be told of how far this has come since it was last asked; usually nothing.

        Args:
            node: who tells it.
        """
        return None

    @property
    @abstractmethod
    def states(self) -> int:
        """How many there are."""

    @property
    @abstractmethod
    def changed(self) -> bool:
        """Whether there is anything to write down."""

    @abstractmethod
    def save(self) -> tuple[dict[str, StoredState], CheckpointPosition | None]:
        """The states that have changed since ``saved``, and the position that belongs to them where they are many."""

    @abstractmethod
    def saved(self) -> None:
        """What ``save`` gave has been written."""

    @abstractmethod
    def _events(self, record: ConsumerRecord) -> list[Event]:
        """What a record causes; one that breaks the stage is counted and ends nothing.

        Raises:
            WireError: it cannot be read.
        """

    def _missing(self, record: ConsumerRecord) -> None:
        count = record.offset - self.position
        metrics.DROPPED.labels(self._stage, "", "retention").inc(count)
        self._log.error(
            "%s-%d: %d records before offset %d are gone: they were kept for too short a time, or deleted",
            record.topic,
            record.partition,
            count,
            record.offset,
            extra=record_position(record),
        )

    def _caught_up(self, record: ConsumerRecord) -> None:
        metrics.REPLAYED_RECORDS.labels(self._stage).inc(self.judged)
        self._log.info(
            "%s-%d: went on from offset %d: %d records judged in %.1f s",
            record.topic,
            record.partition,
            self._began_at,
            self.judged,
            time.monotonic() - self._began,
            extra=record_position(record),
        )
        self._end = 0


def record_position(record: ConsumerRecord) -> dict[str, object]:
    """A record's place, for the log."""
    return {"topic": record.topic, "partition": record.partition, "offset": record.offset}
