"""The correlation over Kafka: all events in, what spans cameras out, on the one partition of the events' topic."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import msgspec
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from lanewatch import telemetry
from lanewatch.records import Event, decode, encode
from lanewatch.revisions import Revisions
from streams.kafka import wire
from streams.kafka.broker import SESSION_S, Broker, BrokerError, subscribe
from streams.kafka.checkpoint import Kept
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
from streams.stage import Correlate

S = TypeVar("S")

STAGE = "correlate"
KEY = "@correlate"
"""Of its state, in partition 0 of the checkpoints."""

log = telemetry.log(STAGE)


class CorrelateLoop(Generic[S]):
    """Carries events and marks into the correlation, and what it says back into the events' topic.

    One process is at work; others of the group stand by, and go on from its last checkpoint. What is judged again
    gives the same events with the same ids and revisions. What it says itself is ignored where it comes by.

    Args:
        broker: where the topics are.
        topics: the site's.
        correlate_of: makes the stage for a site's revisions.
        site: knows them.
        node: this process's name; its spool lies under it.
        state_type: of the stage's state.
        instance: whether the name outlives the process and is nobody else's.
        folder: where events wait while the broker is away.
        checkpoint_s: seconds between two checkpoints.
        session_s: how long it may be silent before another takes over; what fits ``instance`` if None.
    """

    def __init__(
        self,
        broker: Broker,
        topics: Topics,
        correlate_of: Callable[[Revisions], Correlate[S]],
        site: Sited,
        *,
        node: str,
        state_type: type[S],
        instance: bool = False,
        folder: Path = Path("var/correlate"),
        checkpoint_s: float = CHECKPOINT_S,
        session_s: float | None = None,
    ) -> None:
        self._broker = broker
        self._topics = topics
        self._correlate_of = correlate_of
        self._site = site
        self._node = node
        self._state_type = state_type
        self._instance = node if instance else None
        self._session_s = session_s or (NAMED_SESSION_S if instance else SESSION_S)
        self._folder = folder
        self._checkpoint_s = checkpoint_s
        self._input = TopicPartition(topics.events.name, 0)
        self._revisions = site.revisions
        self._correlate = correlate_of(self._revisions)
        self._changes = Changes()
        self._state: S | None = None
        self._position = self._written = 0
        self._written_at = 0.0
        self._patience = Patience(STAGE, f"correlating {self._input.topic}")

    @property
    def at_work(self) -> bool:
        """Whether the partition is this process's, and its state restored."""
        return self._state is not None

    def run(self, stop: threading.Event) -> None:
        """Correlates, or stands by, until told to stop; then all is written down.

        Raises:
            BrokerError: the broker refuses what this needs.
        """
        with ExitStack() as stack:
            spool = stack.enter_context(Spool(self._folder, f"{self._topics.prefix}.{STAGE}.{self._node}"))
            clients = patiently(
                lambda: Clients(STAGE, self._broker, self._topics, spool, self._consumer), self._patience, stop
            )
            if clients is None:
                return
            stack.callback(clients.close)
            pulse = Pulse(STAGE, self._input.topic)
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
        subscribe(consumer, self._input.topic, self._changes)
        return consumer

    def _turn(self, clients: Clients, pulse: Pulse) -> None:
        if clients.outbox.full:
            time.sleep(POLL_MS / 1000)
        else:
            polled = clients.consumer.poll(timeout_ms=POLL_MS)
            self._follow_site()
            came = self._rebalance(clients)
            pulse.beat(clients.consumer, polled)
            if not came:
                self._take(polled.get(self._input, ()), clients)
        clients.outbox.tend()
        if time.monotonic() - self._written_at >= self._checkpoint_s and clients.outbox.clear:
            self._written_at = time.monotonic()
            self._checkpoint(clients)

    def _take(self, records: Iterable[ConsumerRecord], clients: Clients) -> None:
        for record in records:
            if self._state is None or record.offset < self._position:
                continue
            if record.offset > self._position:
                self._missing(record)
            self._position = record.offset + 1
            telemetry.taken(STAGE)
            try:
                told = wire.told(record)
            except wire.WireError as error:
                telemetry.refused(STAGE, error)
                continue
            try:
                if isinstance(told, Event):
                    self._state, events = self._correlate.step(self._state, told)
                else:
                    self._state, events = self._correlate.advance(self._state, told)
            except Exception as error:  # noqa: BLE001 - one record must not end what spans all cameras
                telemetry.dropped(STAGE, "", "failed")
                where = f"{record.topic}-{record.partition} at offset {record.offset}"
                telemetry.repeated(log, "failed", "%s was not judged: %r", where, error)
                continue
            for event in events:
                telemetry.event(event.kind, event.state)
                clients.outbox.send(wire.of_event(event))

    def _missing(self, record: ConsumerRecord) -> None:
        count = record.offset - self._position
        telemetry.dropped(STAGE, "", "retention", count)
        log.error(
            "%s-%d: %d records before offset %d are gone: they were kept for too short a time, or deleted",
            record.topic,
            record.partition,
            count,
            record.offset,
        )

    def _follow_site(self) -> None:
        revisions = self._site.revisions
        if revisions is self._revisions:
            return
        self._revisions = revisions
        self._correlate = self._correlate_of(revisions)

    def _rebalance(self, clients: Clients) -> bool:
        gone, come = self._changes.taken()
        if gone:
            if clients.outbox.clear:
                self._checkpoint(clients)
            self._state = None
        if not come:
            return False
        try:
            self._restore(clients)
        except KafkaError:
            self._changes.on_partitions_assigned([self._input])
            raise
        return True

    def _restore(self, clients: Clients) -> None:
        if self._input not in clients.consumer.assignment():
            return
        began = time.monotonic()
        kept = clients.checkpoints.read(0, KEY)
        begin = clients.consumer.beginning_offsets([self._input])[self._input]
        end = clients.consumer.end_offsets([self._input])[self._input]
        state, position = self._correlate.start(), begin
        if kept is not None:
            state, position = self._decoded(kept), kept.offset + 1
        if position > end:
            log.error(
                "%s ends at offset %d, and %d had been judged: it was made anew", self._input.topic, end, position
            )
            position = begin
        try:
            clients.consumer.seek(self._input, max(position, begin))
        except ValueError:  # taken away again meanwhile
            return
        self._state, self._position, self._written = state, position, position
        telemetry.restored(STAGE, time.monotonic() - began)
        log.info(
            "%s: goes on from offset %d, %d before its end; restored in %.2f s",
            self._input.topic,
            position,
            end - position,
            time.monotonic() - began,
        )

    def _decoded(self, kept: Kept) -> S:
        try:
            return decode(kept.data, self._state_type)
        except (msgspec.DecodeError, TypeError, ValueError) as error:
            telemetry.dropped(STAGE, "", "state")
            log.error("the correlation begins afresh: its state cannot be read: %s", error)
            return self._correlate.start()

    def _checkpoint(self, clients: Clients) -> None:
        if self._state is None or self._position == self._written:
            return
        kept = Kept(self._position - 1, encode(cast(Any, self._state)))
        try:
            clients.checkpoints.save(0, {KEY: kept})
        except BrokerError as error:
            telemetry.repeated(log, "checkpoint", "the state is not written down: %s", error)
            return
        self._written = self._position
        telemetry.checkpointed(STAGE, 0)
        clients.consumer.commit_async({self._input: OffsetAndMetadata(self._position, "", -1)})

    def _end(self, clients: Clients) -> None:
        try:
            if clients.outbox.settle(SETTLE_S):
                self._checkpoint(clients)
        except KafkaError as error:
            log.warning("ended without a last checkpoint, the next one judges some events again: %s", error)
        self._state = None
