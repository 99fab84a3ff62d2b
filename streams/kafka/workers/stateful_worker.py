"""The loop of the stages that fold: records in, events out, states written down with the input's position.

An event is out before the state that it left behind is written, and a record is judged again where that was not:
whatever is killed when, the same events with the same ids and revisions come, some of them twice.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Generic, TypedDict, TypeVar

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from lanewatch import metrics, tracing
from lanewatch.config.revisions import SiteRevisions
from streams.kafka import codec
from streams.kafka.client.connection import SESSION_S, Broker, subscribe
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.topics import Topic, Topics
from streams.kafka.consumer.metrics import ConsumerMetrics
from streams.kafka.consumer.retry import RetryPolicy
from streams.kafka.state.checkpoints import Checkpoint, Checkpoints
from streams.kafka.state.event_spool import EventSpool
from streams.kafka.workers.partition_processor import PartitionProcessor
from streams.kafka.workers.rebalance import (
    CHECKPOINT_S,
    MOST,
    POLL_MS,
    SETTLE_S,
    AssignmentChanges,
    SiteRevisionsSource,
    WorkerClients,
    with_retry,
)

J = TypeVar("J")
F = TypeVar("F", bound="PartitionProcessor[Any]")

TELL_S = 1.0
"""How often it is told how far the input has been judged."""

HEARTBEAT_S = 1.0
"""Who is to take over learns it with the next heartbeat; those of some dozen processes cost the broker nothing."""


class WorkerSettings(TypedDict, total=False):
    """What a loop may be given besides.

    Attributes:
        instance: whether the node's name outlives the process and is nobody else's: one that comes back before its
            session is over has its share still, and nobody else's moves.
        folder: where events wait while the broker is away; ``var`` and the stage's name if absent.
        checkpoint_s: seconds between two checkpoints.
        session_s: how long it may be silent before its share goes to others; what fits ``instance`` if absent.
    """

    instance: bool
    folder: Path
    checkpoint_s: float
    session_s: float | None


class StatefulWorker(ABC, Generic[J, F]):
    """Carries the records of the partitions that fall to this process into its stage, and the stage's events on.

    Args:
        stage: its name.
        source: the topic that it reads.
        broker: where the topics are.
        topics: the site's.
        judge_of: makes the stage for a site's revisions.
        site: knows them.
        node: this process's name; its spool lies under it.
        named_s: the session of one whose name outlives it.
        settings: see ``WorkerSettings``.

    Raises:
        ValueError: the site asks for what the stage does not know.
    """

    def __init__(
        self,
        stage: str,
        source: Topic,
        broker: Broker,
        topics: Topics,
        judge_of: Callable[[SiteRevisions], J],
        site: SiteRevisionsSource,
        *,
        node: str,
        named_s: float,
        settings: WorkerSettings,
    ) -> None:
        self._stage = stage
        self._source = source.name
        self._broker = broker
        self._topics = topics
        self._judge_of = judge_of
        self._site = site
        self._node = node
        named = settings.get("instance", False)
        self._instance = node if named else None
        self._session_s = settings.get("session_s") or (named_s if named else SESSION_S)
        self._folder = settings.get("folder", Path("var") / stage)
        self._checkpoint_s = settings.get("checkpoint_s", CHECKPOINT_S)
        self._revisions = site.revisions
        self._judge = judge_of(self._revisions)
        self._folds: dict[int, F] = {}
        self._changes = AssignmentChanges()
        self._told_at = self._written_at = 0.0
        self._patience = RetryPolicy(stage, f"reading {self._source} to {stage}")
        self._log = metrics.log(stage)

    @property
    def partitions(self) -> frozenset[int]:
        """Those that are judged here, their states restored."""
        return frozenset(self._folds)

    def run(self, stop: threading.Event) -> None:
        """Judges, or stands by, until told to stop; then all is written down, and nothing is left to be judged again.

        Raises:
            BrokerError: the broker refuses what this needs.
        """
        with ExitStack() as stack:
            spool = stack.enter_context(EventSpool(self._folder, f"{self._topics.prefix}.{self._stage}.{self._node}"))
            clients = with_retry(
                lambda: WorkerClients(self._stage, self._broker, self._topics, spool, self._consumer),
                self._patience,
                stop,
            )
            if clients is None:
                return
            stack.callback(clients.close)
            pulse = ConsumerMetrics(self._stage, self._source)
            while not stop.is_set():
                try:
                    self._turn(clients, pulse)
                except KafkaError as error:
                    self._patience.bear(error, stop)
                else:
                    self._patience.relieved()
            self._end(clients)

    @abstractmethod
    def _known(self, checkpoints: Checkpoints, partitions: Collection[int]) -> dict[int, Checkpoint]:
        """What was written down of each of the partitions.

        Raises:
            kafka.errors.KafkaError: it could not be read in time.
        """

    @abstractmethod
    def _fold(self, checkpoint: Checkpoint, position: int, end: int) -> F:
        """A partition's fold, from ``position`` on; ``end`` is the partition's where there is something to catch up."""

    def _consumer(self) -> KafkaConsumer:
        consumer = self._broker.member(
            self._topics.group(self._stage),
            instance=self._instance,
            session_s=self._session_s,
            heartbeat_interval_ms=int(min(HEARTBEAT_S, self._session_s / 4) * 1000),
            max_poll_records=MOST,
        )
        subscribe(consumer, self._source, self._changes)
        return consumer

    def _turn(self, clients: WorkerClients, pulse: ConsumerMetrics) -> None:
        if clients.outbox.full:
            time.sleep(POLL_MS / 1000)  # the broker is away, and the records wait there
        else:
            self._take(clients, pulse)
        clients.outbox.tend()
        now = time.monotonic()
        if now - self._told_at >= TELL_S and clients.outbox.clear:
            self._tell(clients)
            self._told_at = now
        if now - self._written_at >= self._checkpoint_s and clients.outbox.clear:
            self._written_at = now
            self._checkpoint(clients)

    def _take(self, clients: WorkerClients, pulse: ConsumerMetrics) -> None:
        polled = clients.consumer.poll(timeout_ms=POLL_MS)
        self._follow_site()
        come = self._rebalance(clients)
        pulse.beat(clients.consumer, polled)
        for partition, records in polled.items():
            fold = self._folds.get(partition.partition)
            if fold is None or partition.partition in come:
                continue  # no longer ours; or it comes again from where its states ask for
            for record in records:
                began = time.perf_counter()
                events = fold.take(record)
                trace = tracing.add_span(self._stage, codec.trace_context(record), time.perf_counter() - began)
                for event in events:
                    metrics.EVENTS.labels(event.kind, event.state).inc()
                    begun = trace or tracing.start_trace(self._stage, camera=event.camera)
                    clients.outbox.send(codec.encode_event(event).traced(begun))

    def _follow_site(self) -> None:
        revisions = self._site.revisions
        if revisions is self._revisions:
            return
        self._revisions = revisions
        try:
            self._judge = self._judge_of(revisions)
        except ValueError as error:  # what is published here has been checked; another release may know less
            self._log.error("the site's new revision is not used, the one before goes on: %s", error)
            return
        for fold in self._folds.values():
            fold.judges_by(self._judge)

    def _rebalance(self, clients: WorkerClients) -> set[int]:
        """Drops what went and restores what came. Who has what we had may have begun from our last checkpoint."""
        gone, come = self._changes.taken()
        if gone and clients.outbox.clear:
            self._checkpoint(clients)  # the successor has less to judge again; where it was quicker this does no harm
        for partition in gone:
            self._folds.pop(partition, None)
        if not come:
            return come
        began = time.monotonic()
        try:
            left = self._restore(clients, come)
        except KafkaError:
            self._changes.on_partitions_assigned([TopicPartition(self._source, one) for one in come])
            raise
        metrics.RESTORE_SECONDS.labels(self._stage).observe(time.monotonic() - began)
        self._log.info(
            "%d partitions came, %d of %s are here: %d states restored in %.2f s, %d records to catch up",
            len(come),
            len(self._folds),
            self._source,
            sum(self._folds[one].states for one in come if one in self._folds),
            time.monotonic() - began,
            left,
        )
        return come

    def _restore(self, clients: WorkerClients, come: set[int]) -> int:
        """Makes the folds of the partitions that came; how many records lie between them and the partitions' ends."""
        there = clients.consumer.assignment()
        mine = [one for one in (TopicPartition(self._source, number) for number in sorted(come)) if one in there]
        if not mine:
            return 0
        checkpoints = self._known(clients.checkpoints, [one.partition for one in mine])
        begins = clients.consumer.beginning_offsets(mine)
        ends = clients.consumer.end_offsets(mine)
        left = 0
        for one in mine:
            checkpoint = checkpoints[one.partition]
            begin, end = begins[one], ends[one]
            position = begin if checkpoint.position is None else checkpoint.position
            if position > end:
                self._log.error(
                    "%s-%d ends at offset %d, and %d records of it had been judged: the topic was made anew; its "
                    "states go on with the records that are there",
                    self._source,
                    one.partition,
                    end,
                    position,
                )
                states = {key: kept.anew() for key, kept in checkpoint.states.items()}
                checkpoint, position = checkpoint._replace(states=states), begin
            try:
                clients.consumer.seek(one, max(position, begin))
            except ValueError:  # taken away again meanwhile
                continue
            self._folds[one.partition] = self._fold(checkpoint, position, end if end > position else 0)
            left += end - position
        return left

    def _tell(self, clients: WorkerClients) -> None:
        for partition, fold in self._folds.items():
            told = fold.told(f"{self._node}/{partition}")
            if told is not None:
                clients.outbox.send(told)

    def _checkpoint(self, clients: WorkerClients) -> None:
        """Writes down what has changed; what could not be written is with the next.

        How far it has come is told before: of a record that a state has, nobody else would ever tell it.
        """
        self._tell(clients)
        if not clients.outbox.settle(TELL_S):
            return
        offsets: dict[TopicPartition, Any] = {}
        for partition, fold in self._folds.items():
            if fold.changed:
                try:
                    clients.checkpoints.save(partition, *fold.save())
                except BrokerError as error:
                    metrics.log_throttled(
                        self._log, "checkpoint", "states are not written down: %s", error, partition=partition
                    )
                    return
                fold.saved()
                metrics.CHECKPOINTED_AT.labels(self._stage, partition).set_to_current_time()
            offsets[TopicPartition(self._source, partition)] = OffsetAndMetadata(fold.position, "", -1)
        if offsets:
            clients.consumer.commit_async(offsets)  # so that everybody's tools see the lag; nothing begins there

    def _end(self, clients: WorkerClients) -> None:
        try:
            if clients.outbox.settle(SETTLE_S):
                self._checkpoint(clients)
        except KafkaError as error:
            self._log.warning("ended without a last checkpoint, the next one judges some records again: %s", error)
        self._folds.clear()
