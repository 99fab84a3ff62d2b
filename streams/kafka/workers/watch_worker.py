"""The watch stage over Kafka: detections in, events out, by camera."""

from __future__ import annotations

from collections.abc import Collection
from typing import Generic, TypeVar

from streams.kafka.client.topics import Topic, Topics
from streams.kafka.state.checkpoints import Checkpoint
from streams.kafka.workers.stateful_worker import StatefulWorker
from streams.kafka.workers.watch_processor import STAGE, WatchProcessor
from streams.stages import Watch

S = TypeVar("S")


class WatchWorker(StatefulWorker[Watch[S], S], Generic[S]):
    """Passes the detections of its cameras to the watch stage, and the stage's events to the events topic."""

    name = STAGE

    named_session_s = 8.0
    """A restart takes 3 s, and the watcher keeps its cameras. Taking over from a watcher that is gone takes this and up
    to two seconds, also on a busy machine. The limit of 15 s leaves room for a stall."""

    @staticmethod
    def _source_topic(topics: Topics) -> Topic:
        return topics.detections

    def _read_checkpoints(self, partitions: Collection[int]) -> dict[int, Checkpoint]:
        return self._checkpoints.restore(partitions, self._source_id or "")

    def _new_processor(self, checkpoint: Checkpoint, position: int, end: int) -> WatchProcessor[S]:
        return WatchProcessor(self._current_stage, checkpoint, position, self._state_type, end=end)
