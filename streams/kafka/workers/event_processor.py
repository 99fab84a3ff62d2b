"""The correlation's fold over the events' one partition: a single state, of all cameras."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

import msgspec
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import metrics
from lanewatch.records import Event, decode, encode
from streams.kafka import codec
from streams.kafka.state.checkpoints import Checkpoint, StoredState
from streams.kafka.workers.partition_processor import PartitionProcessor, record_position
from streams.stages import Correlate

S = TypeVar("S")

STAGE = "correlate"
KEY = "@correlate"
"""Of its state, in partition 0 of the checkpoints."""

log = metrics.log(STAGE)


class EventProcessor(PartitionProcessor[Correlate[S]], Generic[S]):
    """All events and marks.

    Args:
        correlate: the stage.
        checkpoint: where to go on from.
        position: the offset of the first record to come.
        state_type: of the stage's state, to decode it.
        end: the partition's end when it was taken over.
    """

    def __init__(
        self, correlate: Correlate[S], checkpoint: Checkpoint, position: int, state_type: type[S], *, end: int = 0
    ) -> None:
        super().__init__(STAGE, correlate, position, end=end)
        self._written = position
        self._state = correlate.start()
        kept = checkpoint.states.get(KEY)
        if kept is not None:
            try:
                self._state = decode(kept.data, state_type)
            except (msgspec.DecodeError, TypeError, ValueError) as error:
                metrics.DROPPED.labels(STAGE, "", "state").inc()
                log.error("the correlation begins afresh: its state cannot be read: %s", error)

    @property
    def states(self) -> int:
        """The one."""
        return 1

    @property
    def changed(self) -> bool:
        """Whether it has gone on."""
        return self.position != self._written

    def save(self) -> tuple[dict[str, StoredState], None]:
        """The state; what is in it says where to go on."""
        return {KEY: StoredState(self.position - 1, encode(cast(Any, self._state)))}, None

    def saved(self) -> None:
        """What ``save`` gave has been written."""
        self._written = self.position

    def _events(self, record: ConsumerRecord) -> list[Event]:
        told = codec.decode_event_record(record)
        try:
            if isinstance(told, Event):
                self._state, events = self._judge.step(self._state, told)
            else:
                self._state, events = self._judge.advance(self._state, told)
        except Exception as error:  # noqa: BLE001 - one record must not end what spans all cameras
            metrics.DROPPED.labels(STAGE, "", "failed").inc()
            at = "{topic}-{partition} at offset {offset}".format(**record_position(record))
            metrics.log_throttled(log, "failed", "%s was not judged: %r", at, error, offset=record.offset)
            return []
        self.judged += 1
        return events
