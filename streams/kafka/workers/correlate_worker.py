"""The correlation over Kafka: reads all events, and adds events that span cameras to the same topic."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Generic, TypeVar, Unpack

from lanewatch.config.revisions import SiteRevisions
from streams.kafka.client.connection import SESSION_S, Broker
from streams.kafka.client.topics import Topics
from streams.kafka.state.checkpoints import Checkpoint
from streams.kafka.workers.event_processor import KEY, STAGE, EventProcessor
from streams.kafka.workers.stateful_worker import SiteRevisionsSource, StatefulWorker, WorkerSettings
from streams.stages import Correlate

S = TypeVar("S")


class CorrelateWorker(StatefulWorker[Correlate[S], EventProcessor[S]], Generic[S]):
    """Passes events and watermarks to the correlation, and its events to the events topic.

    One process works. The others of the group are standbys and continue from its last checkpoint. A process with a
    name of its own has the same session as the others: one state is restored quickly, so a standby may take over
    before a restart. The correlation ignores its own events.

    Args:
        broker: the site's.
        topics: the site's.
        correlate_of: makes the stage for a site's revisions.
        site: knows the revisions.
        node: this process's name; its spool is named after it.
        state_type: the type of the stage's state.
        settings: see ``streams.kafka.workers.stateful_worker.WorkerSettings``.

    Raises:
        ValueError: the site needs something that the stage does not have.
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
            named_session_s=SESSION_S,
            settings=settings,
        )
        self._state_type = state_type

    def _read_checkpoints(self, partitions: Collection[int]) -> dict[int, Checkpoint]:
        stored = self._checkpoints.read(0, KEY)
        checkpoint = Checkpoint(None, {}) if stored is None else Checkpoint(stored.offset + 1, {KEY: stored})
        return dict.fromkeys(partitions, checkpoint)

    def _new_processor(self, checkpoint: Checkpoint, position: int, end: int) -> EventProcessor[S]:
        return EventProcessor(self._current_stage, checkpoint, position, self._state_type, end=end)
