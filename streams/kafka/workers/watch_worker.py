"""The watch stage over Kafka: detections in, events out, by camera."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Generic, TypeVar, Unpack

from lanewatch.config.revisions import SiteRevisions
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.state.checkpoints import Checkpoint, Checkpoints
from streams.kafka.workers.camera_processor import STAGE, CameraProcessor
from streams.kafka.workers.rebalance import SiteRevisionsSource
from streams.kafka.workers.stateful_worker import StatefulWorker, WorkerSettings
from streams.stages import Watch

S = TypeVar("S")

NAMED_SESSION_S = 8.0
"""A watcher with a name of its own may be away for so long and has its cameras still: a restart takes 3 s. Taking over
from one that is gone for good takes this and up to two seconds, also on a machine that is busy with something else; the
15 s that are allowed leave room for a stall."""


class WatchWorker(StatefulWorker[Watch[S], CameraProcessor[S]], Generic[S]):
    """Carries the detections of the cameras that fall to this process into the watch stage, and its events on.

    Args:
        broker: where the topics are.
        topics: the site's.
        watch_of: makes the stage for a site's revisions.
        site: knows them.
        node: this process's name.
        state_type: of the stage's states.
        settings: see ``streams.kafka.workers.stateful_worker.WorkerSettings``.

    Raises:
        ValueError: the site asks for what the stage does not know.
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
            named_s=NAMED_SESSION_S,
            settings=settings,
        )
        self._state_type = state_type

    def _known(self, checkpoints: Checkpoints, partitions: Collection[int]) -> dict[int, Checkpoint]:
        return checkpoints.restore(partitions)

    def _fold(self, checkpoint: Checkpoint, position: int, end: int) -> CameraProcessor[S]:
        return CameraProcessor(self._judge, checkpoint, position, self._state_type, end=end)
