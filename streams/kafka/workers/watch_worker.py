"""The watch stage over Kafka: detections in, events out, by camera."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Generic, TypeVar, Unpack

from lanewatch.config.revisions import SiteRevisions
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.state.checkpoints import Checkpoint
from streams.kafka.workers.camera_processor import STAGE, CameraProcessor
from streams.kafka.workers.stateful_worker import SiteRevisionsSource, StatefulWorker, WorkerSettings
from streams.stages import Watch

S = TypeVar("S")

NAMED_SESSION_S = 8.0
"""How long a watcher with a name of its own may be silent and keeps its cameras. A restart takes 3 s. Taking over from
a watcher that is gone takes this and up to two seconds, also on a busy machine. The limit of 15 s leaves room for a
stall."""


class WatchWorker(StatefulWorker[Watch[S], CameraProcessor[S]], Generic[S]):
    """Passes the detections of its cameras to the watch stage, and the stage's events to the events topic.

    Args:
        broker: the site's.
        topics: the site's.
        watch_of: makes the stage for a site's revisions.
        site: knows the revisions.
        node: this process's name; its spool is named after it.
        state_type: the type of the stage's states.
        settings: see ``streams.kafka.workers.stateful_worker.WorkerSettings``.

    Raises:
        ValueError: the site needs something that the stage does not have.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        watch_of: Callable[[SiteRevisions], Watch[S]],
        site: SiteRevisionsSource,
        *,
        node: str,
        state_type: type[S],
        **settings: Unpack[WorkerSettings],
    ) -> None:
        super().__init__(
            STAGE,
            topics.detections,
            broker,
            topics,
            watch_of,
            site,
            node=node,
            named_session_s=NAMED_SESSION_S,
            settings=settings,
        )
        self._state_type = state_type

    def _read_checkpoints(self, partitions: Collection[int]) -> dict[int, Checkpoint]:
        return self._checkpoints.restore(partitions)

    def _new_processor(self, checkpoint: Checkpoint, position: int, end: int) -> CameraProcessor[S]:
        return CameraProcessor(self._current_stage, checkpoint, position, self._state_type, end=end)
