"""The correlation over Kafka: reads all events, and adds events that span cameras to the same topic."""

from __future__ import annotations

from collections.abc import Collection
from typing import Generic, TypeVar

from streams.kafka.client.topics import Topic, Topics
from streams.kafka.state.checkpoints import Checkpoint
from streams.kafka.workers.correlation_processor import KEY, STAGE, CorrelationProcessor
from streams.kafka.workers.stateful_worker import StatefulWorker
from streams.stages import Correlate

S = TypeVar("S")


class CorrelateWorker(StatefulWorker[Correlate[S], S], Generic[S]):
    """Passes events and watermarks to the correlation, and its events to the events topic.

    One process works. The others of the group are standbys and continue from its last checkpoint. A process with a
    name of its own has the same session as the others: one state is restored quickly, so a standby may take over
    before a restart. The correlation ignores its own events.
    """

    name = STAGE

    @staticmethod
    def _source_topic(topics: Topics) -> Topic:
        return topics.events

    def _read_checkpoints(self, partitions: Collection[int]) -> dict[int, Checkpoint]:
        stored = self._checkpoints.read(0, KEY, self._source_id or "")
        if stored is None:
            checkpoint = Checkpoint(None, {})
        else:
            checkpoint = Checkpoint(stored.offset + 1, {KEY: stored}, recreated=stored.offset < 0)
        return dict.fromkeys(partitions, checkpoint)

    def _new_processor(self, checkpoint: Checkpoint, position: int, end: int) -> CorrelationProcessor[S]:
        return CorrelationProcessor(self._current_stage, checkpoint, position, self._state_type, end=end)
