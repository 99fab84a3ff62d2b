"""The watch stage over Kafka: detections in, events out, the fold's states written down with the input's position."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Generic, TypeVar

from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from lanewatch import telemetry, tracing
from lanewatch.revisions import Revisions
from streams.kafka import wire
from streams.kafka.broker import SESSION_S, Broker, BrokerError, subscribe
from streams.kafka.fold import STAGE, Fold
from streams.kafka.folding import (
    CHECKPOINT_S,
    MOST,
    NAMED_SESSION_S,
    POLL_MS,
    SETTLE_S,
    Changes,
    Clients,
    Sited,
    patiently,
)
from streams.kafka.patience import Patience
from streams.kafka.pulse import Pulse
from streams.kafka.spool import Spool
from streams.kafka.topics import Topics
from streams.stage import Watch

S = TypeVar("S")

TELL_S = 1.0
"""How often it is told how far the cameras have been judged."""

log = telemetry.log(STAGE)


class WatchLoop(Generic[S]):
    """Carries the detections of the cameras that fall to this process into the watch stage, and its events on.

    An event is out before the state that it left behind is written, and a record is judged again where that was not:
    whatever is killed when, the same events with the same ids and revisions come, some of them twice.

    Args:
        broker: where the topics are.
        topics: the site's.
        watch_of: makes the stage for a site's revisions.
        site: knows them.
        node: this process's name; its spool lies under it.
        state_type: of the stage's states.
        instance: whether the name outlives the process and is nobody else's: one that comes back within 10 s has its
            cameras still, and nobody else's move.
        folder: where events wait while the broker is away.
        checkpoint_s: seconds between two checkpoints.
        session_s: how long it may be silent before its cameras go to others; what fits ``instance`` if None.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        watch_of: Callable[[Revisions], Watch[S]],
        site: Sited,
        *,
        node: str,
        state_type: type[S],
        instance: bool = False,
        folder: Path = Path("var/watch"),
        checkpoint_s: float = CHECKPOINT_S,
        session_s: float | None = None,
    ) -> None:
        self._broker = broker
        self._topics = topics
        self._watch_of = watch_of
        self._site = site
        self._node = node
        self._state_type = state_type
        self._instance = node if instance else None
        self._session_s = session_s or (NAMED_SESSION_S if instance else SESSION_S)
        self._folder = folder
        self._checkpoint_s = checkpoint_s
        self._topic = topics.detections.name
        self._revisions = site.revisions
        self._watch = watch_of(self._revisions)
        self._folds: dict[int, Fold[S]] = {}
        self._changes = Changes()
        self._told_at = self._written_at = 0.0
        self._patience = Patience(STAGE, f"watching {self._topic}")

    @property
    def partitions(self) -> frozenset[int]:
        """Those whose cameras are watched here, their states restored."""
        return frozenset(self._folds)

    def run(self, stop: threading.Event) -> None:
        """Watches until told to stop; then all is written down, and nothing is left to be judged again.

        Raises:
            BrokerError: the broker refuses what this needs.
            ValueError: the site asks for what the stage does not know.
        """
        with ExitStack() as stack:
            spool = stack.enter_context(Spool(self._folder, f"{self._topics.prefix}.{STAGE}.{self._node}"))
            clients = patiently(
                lambda: Clients(STAGE, self._broker, self._topics, spool, self._consumer), self._patience, stop
            )
            if clients is None:
                return
            stack.callback(clients.close)
            pulse = Pulse(STAGE, self._topic)
            while not stop.is_set():
                try:
                    self._turn(clients, pulse)
                except KafkaError as error:
                    self._patience.bear(error, stop)
                else:
                    self._patience.relieved()
            self._end(clients)

    def _consumer(self) -> KafkaConsumer:
        consumer = self._broker.member(
            self._topics.group(STAGE), instance=self._instance, session_s=self._session_s, max_poll_records=MOST
        )
        subscribe(consumer, self._topic, self._changes)
        return consumer

    def _turn(self, clients: Clients, pulse: Pulse) -> None:
        if clients.outbox.full:
            time.sleep(POLL_MS / 1000)  # the broker is away, and the detections wait there
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

    def _take(self, clients: Clients, pulse: Pulse) -> None:
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
                trace = tracing.follow(STAGE, wire.trace(record), time.perf_counter() - began)
                for event in events:
                    telemetry.event(event.kind, event.state)
                    begun = trace or tracing.begin(STAGE, camera=event.camera)
                    clients.outbox.send(wire.of_event(event).traced(begun))

    def _follow_site(self) -> None:
        revisions = self._site.revisions
        if revisions is self._revisions:
            return
        self._revisions = revisions
        try:
            self._watch = self._watch_of(revisions)
        except ValueError as error:  # what is published here has been checked; another release may know less
            log.error("the site's new revision is not used, the one before goes on: %s", error)
            return
        for fold in self._folds.values():
            fold.judges_by(self._watch)

    def _rebalance(self, clients: Clients) -> set[int]:
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
            self._restore(clients, come)
        except KafkaError:
            self._changes.on_partitions_assigned([TopicPartition(self._topic, one) for one in come])
            raise
        telemetry.restored(STAGE, time.monotonic() - began)
        log.info(
            "%d partitions came, %d of %s are here: %d cameras' states restored in %.2f s",
            len(come),
            len(self._folds),
            self._topic,
            sum(self._folds[one].cameras for one in come if one in self._folds),
            time.monotonic() - began,
        )
        return come

    def _restore(self, clients: Clients, come: set[int]) -> None:
        there = clients.consumer.assignment()
        mine = [one for one in (TopicPartition(self._topic, number) for number in sorted(come)) if one in there]
        checkpoints = clients.checkpoints.restore([one.partition for one in mine])
        begins = clients.consumer.beginning_offsets(mine) if mine else {}
        ends = clients.consumer.end_offsets(mine) if mine else {}
        for one in mine:
            checkpoint = checkpoints[one.partition]
            begin, end = begins[one], ends[one]
            position = begin if checkpoint.position is None else checkpoint.position
            if position > end:
                log.error(
                    "%s-%d ends at offset %d, and %d records of it had been judged: the topic was made anew; its "
                    "cameras' states go on with the records that are there",
                    self._topic,
                    one.partition,
                    end,
                    position,
                )
                states = {camera: kept.anew() for camera, kept in checkpoint.states.items()}
                checkpoint, position = checkpoint._replace(states=states), begin
            try:
                clients.consumer.seek(one, max(position, begin))
            except ValueError:  # taken away again meanwhile
                continue
            self._folds[one.partition] = Fold(
                self._watch, checkpoint, position, self._state_type, end=end if end > position else 0
            )

    def _tell(self, clients: Clients) -> None:
        for partition, fold in self._folds.items():
            reached = fold.told()
            if reached:
                clients.outbox.send(wire.of_reached(f"{self._node}/{partition}", fold.position, reached))

    def _checkpoint(self, clients: Clients) -> None:
        """Writes down what has changed. What could not be written is with the next."""
        offsets: dict[TopicPartition, Any] = {}
        for partition, fold in self._folds.items():
            if fold.changed:
                try:
                    clients.checkpoints.save(partition, *fold.save())
                except BrokerError as error:
                    telemetry.repeated(log, "checkpoint", "states are not written down: %s", error, partition=partition)
                    return
                fold.saved()
                telemetry.checkpointed(STAGE, partition)
            offsets[TopicPartition(self._topic, partition)] = OffsetAndMetadata(fold.position, "", -1)
        if offsets:
            clients.consumer.commit_async(offsets)  # so that everybody's tools see the lag; nothing begins there

    def _end(self, clients: Clients) -> None:
        try:
            if clients.outbox.settle(SETTLE_S):
                self._tell(clients)
                clients.outbox.settle(SETTLE_S)
                self._checkpoint(clients)
        except KafkaError as error:
            log.warning("ended without a last checkpoint, the next one judges some records again: %s", error)
        self._folds.clear()
