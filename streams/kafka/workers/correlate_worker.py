"""The correlation over Kafka: all events in, what spans cameras out, on the one partition of the events' topic."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Generic, TypeVar, Unpack

from lanewatch.config.revisions import SiteRevisions
from streams.kafka.client.connection import SESSION_S, Broker
from streams.kafka.client.topics import Topics
from streams.kafka.state.checkpoints import Checkpoint, Checkpoints
from streams.kafka.workers.event_processor import KEY, STAGE, EventProcessor
from streams.kafka.workers.rebalance import SiteRevisionsSource
from streams.kafka.workers.stateful_worker import StatefulWorker, WorkerSettings
from streams.stages import Correlate

S = TypeVar("S")


class CorrelateWorker(StatefulWorker[Correlate[S], EventProcessor[S]], Generic[S]):
    """Carries events and marks into the correlation, and what it says back into the events' topic.

    One process is at work; others of the group stand by, and go on from its last checkpoint. One with a name of its
    own gets no longer session than any other: a single state is quickly restored, so that nothing is lost where the
    one that stands by is quicker than a restart. What the correlation says itself is ignored where it comes by.

    Args:
        broker: where the topics are.
        topics: the site's.
        correlate_of: makes the stage for a site's revisions.
        site: knows them.
        node: this process's name.
        state_type: of the stage's state.
        settings: see ``streams.kafka.workers.stateful_worker.WorkerSettings``.

    Raises:
        ValueError: the site asks for what the stage does not know.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        correlate_of: Callable[[SiteRevisions], Correlate[S]],
        site: SiteRevisionsSource,
        *,
        node: str,
        state_type: type[S],
        **settings: Unpack[WorkerSettings],
    ) -> None:
        super().__init__(
            STAGE,
            topics.events,
            broker,
            topics,
            correlate_of,
            site,
            node=node,
            named_s=SESSION_S,
            settings=settings,
        )
        self._state_type = state_type

    @property
    def at_work(self) -> bool:
        """Whether the partition is this process's, and its state restored."""
        return bool(self.partitions)

    def _known(self, checkpoints: Checkpoints, partitions: Collection[int]) -> dict[int, Checkpoint]:
        kept = checkpoints.read(0, KEY)
        known = Checkpoint(None, {}) if kept is None else Checkpoint(kept.offset + 1, {KEY: kept})
        return dict.fromkeys(partitions, known)

    def _fold(self, checkpoint: Checkpoint, position: int, end: int) -> EventProcessor[S]:
        return EventProcessor(self._judge, checkpoint, position, self._state_type, end=end)
