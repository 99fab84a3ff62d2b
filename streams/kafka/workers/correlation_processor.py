"""The correlation's processing of the events topic's one partition: a single state for all cameras."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import metrics
from lanewatch.records import Event, encode
from streams.kafka import codec
from streams.kafka.state.checkpoints import Checkpoint, StoredState
from streams.kafka.workers.partition_processor import PartitionProcessor
from streams.kafka.workers.worker_loop import format_position
from streams.stages import Correlate

S = TypeVar("S")

STAGE = "correlate"

KEY = "@correlate"
"""The key of the state, in partition 0 of the topic ``checkpoints``."""

log = metrics.log(STAGE)


class CorrelationProcessor(PartitionProcessor[Correlate[S]], Generic[S]):
    """Processes all events and watermarks."""

    def __init__(
        self, correlate: Correlate[S], checkpoint: Checkpoint, position: int, state_type: type[S], *, end: int = 0
    ) -> None:
        super().__init__(STAGE, correlate, position, end=end)
        self._saved_position: int | None = position
        stored = checkpoint.states.get(KEY)
        state = None if stored is None else self._decode_state(stored, state_type, "", "The correlation")
        self._state = correlate.start() if state is None else state

    @property
    def states(self) -> int:
        return 1

    @property
    def changed(self) -> bool:
        return self.position != self._saved_position

    def mark_unsaved(self) -> None:
        self._saved_position = None

    def save(self) -> tuple[dict[str, StoredState], None]:
        return {KEY: StoredState(self.position - 1, encode(cast(Any, self._state)))}, None

    def saved(self) -> None:
        self._saved_position = self.position

    def _step(self, record: ConsumerRecord) -> list[Event]:
        decoded = codec.decode_event_record(record)
        try:
            if isinstance(decoded, Event):
                self._state, events = self._stage.step(self._state, decoded)
            else:
                self._state, events = self._stage.advance(self._state, decoded)
        except Exception as error:  # noqa: BLE001 - one record must not stop the correlation of all cameras
            metrics.DROPPED.labels(STAGE, "", "failed").inc()
            metrics.log_throttled(
                log, "failed", "%s failed and is skipped: %r", format_position(record), error, offset=record.offset
            )
            return []
        self.processed += 1
        return events
