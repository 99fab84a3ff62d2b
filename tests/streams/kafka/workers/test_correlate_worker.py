"""The correlation over a real broker: killed at any record, it gives the events of an undisturbed run."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from detectors.correlation.correlator import Correlator, CorrelatorState
from lanewatch.config.revisions import SiteRevisions
from lanewatch.records import Event, Watermark
from streams.kafka import codec
from streams.kafka.codec import Message
from streams.kafka.state.checkpoints import Checkpoints
from streams.kafka.workers.correlate_worker import CorrelateWorker
from streams.kafka.workers.correlation_processor import KEY
from tests.detectors.correlation.test_correlator import any_way, in_order, stay, street
from tests.streams.kafka.kafka_site import KafkaSite, running, until
from tests.streams.kafka.loiterer_records import keys

WATCHED = street(0, 150, 300, 450)
EVENTS = stay(0, 0, 40) + stay(1, 100, 130) + stay(2, 200, 230) + stay(3, 260, 290)
END_S = 300


class StreetSite(KafkaSite):
    """A street of cameras with its own topics; this object knows its site revisions."""

    def __init__(self, address: str) -> None:
        super().__init__(address, [camera.id for camera in WATCHED.cameras], 2)
        self.revisions = SiteRevisions.from_site(WATCHED)

    def raise_if_failed(self) -> None:
        """Its site never fails."""

    def loop(self, **settings: Any) -> CorrelateWorker[CorrelatorState]:
        defaults: dict[str, Any] = {"make_stage": Correlator, "checkpoint_s": 0.05, "node": "c"}
        return CorrelateWorker(self.broker, self.topics, site=self, state_type=CorrelatorState, **defaults | settings)

    def put(self, seed: int, first: int = 0, last: int | None = None) -> None:
        """Sends some of the watchers' events and watermarks, in a random order of arrival."""
        messages = list(any_way(WATCHED, EVENTS, END_S, random.Random(seed)))[first:last]
        for number, (camera, item) in enumerate(messages):
            message = (
                codec.encode_event(item)
                if isinstance(item, Event)
                else codec.encode_watermark(camera, number, {camera: item})
            )
            self.send(self.topics.events.name, 0, message)
        self.flush()

    def roaming_events(self, enough: int) -> list[Event]:
        """The roaming events, at least ``enough`` revisions."""

        def events(records: list[Any]) -> list[Event]:
            decoded = [
                codec.decode_event_record(record) for record in records if record.headers and record.key != b"junk"
            ]
            return [event for event in decoded if isinstance(event, Event) and event.kind == "roaming"]

        return events(
            self.records(self.topics.events.name, lambda records: len({e.revision for e in events(records)}) >= enough)
        )


@pytest.fixture
def kafka_site(broker: str) -> Iterator[StreetSite]:
    kafka_site = StreetSite(broker)
    yield kafka_site
    kafka_site.close()


def test_it_publishes_the_correlators_events_and_ignores_its_own_and_foreign_records(kafka_site: StreetSite) -> None:
    kafka_site.send(kafka_site.topics.events.name, 0, Message(b"junk", b"?", [])).get(10)
    kafka_site.put(1)
    expected = in_order(WATCHED, EVENTS, END_S)
    with running(kafka_site.loop()):
        roaming = kafka_site.roaming_events(len(expected))
    assert keys(roaming) == keys(expected)
    assert len(roaming) == len(expected)
    traced = partial(filter, codec.trace_context)  # what came in had no trace; what is said begins one
    assert kafka_site.records(kafka_site.topics.events.name, lambda found: len(list(traced(found))) == len(expected))


class FailingCorrelator:
    """A correlation that fails at its n-th record, like a process that is killed."""

    def __init__(self, revisions: SiteRevisions, after: int) -> None:
        self._real = Correlator(revisions)
        self._left = after
        self.start = self._real.start

    def step(self, state: CorrelatorState, event: Event) -> tuple[CorrelatorState, list[Event]]:
        self._count()
        return self._real.step(state, event)

    def advance(self, state: CorrelatorState, reached: dict[str, Watermark]) -> tuple[CorrelatorState, list[Event]]:
        self._count()
        return self._real.advance(state, reached)

    def _count(self) -> None:
        self._left -= 1
        if self._left < 0:
            raise Killed


class Killed(BaseException):
    """A BaseException, so that nothing catches it."""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_another_goes_on_where_one_was_killed(kafka_site: StreetSite, seed: int) -> None:
    expected = in_order(WATCHED, EVENTS, END_S)
    chance = random.Random(seed)
    kafka_site.put(seed)
    dead = kafka_site.loop(
        make_stage=lambda revisions: FailingCorrelator(revisions, chance.randint(50, 1000)),
        instance=True,
    )
    with pytest.raises(Killed):
        dead.run(threading.Event())
    with running(kafka_site.loop(instance=True)):
        found = kafka_site.roaming_events(len(expected))
    assert keys(found) == keys(expected)


@pytest.mark.slow
def test_a_standby_takes_over_from_a_named_process_that_was_killed(kafka_site: StreetSite) -> None:
    """A static member sends no LeaveGroup, so the broker waits for it as if it had been killed."""
    expected = in_order(WATCHED, EVENTS, END_S)
    dead = kafka_site.loop(make_stage=lambda site: FailingCorrelator(site, 400), instance=True)
    second = kafka_site.loop(node="second", instance=True)
    raised: list[BaseException] = []

    def die() -> None:
        try:
            dead.run(threading.Event())
        except Killed as error:
            raised.append(error)

    thread = threading.Thread(target=die)
    thread.start()
    until(lambda: dead.partitions, "the first at work")
    with running(second):
        kafka_site.put(1)
        thread.join(30)
        assert raised
        began = time.monotonic()
        until(lambda: second.partitions, "the second at work")
        took_s = time.monotonic() - began
        assert keys(kafka_site.roaming_events(len(expected))) == keys(expected)
    assert took_s < 10


def test_an_unusable_revision_is_logged_and_the_former_one_stays_in_effect(
    kafka_site: StreetSite, caplog: pytest.LogCaptureFixture
) -> None:
    first = kafka_site.revisions

    def correlate_of(revisions: SiteRevisions) -> Correlator:
        if revisions is not first:
            raise ValueError("of the next release")
        return Correlator(revisions)

    with running(kafka_site.loop(make_stage=correlate_of)):
        kafka_site.revisions = SiteRevisions.from_site(WATCHED)
        until(lambda: "stays in effect: of the next release" in caplog.text, "said")
        kafka_site.put(1)
        expected = in_order(WATCHED, EVENTS, END_S)
        assert keys(kafka_site.roaming_events(len(expected))) == keys(expected)


def test_one_is_at_work_and_the_next_stands_by(kafka_site: StreetSite) -> None:
    first, second = kafka_site.loop(node="one"), kafka_site.loop(node="two")
    with running(second):
        until(lambda: second.partitions, "the second at work")
        with running(first):
            kafka_site.put(1)
            expected = in_order(WATCHED, EVENTS, END_S)
            assert keys(kafka_site.roaming_events(len(expected))) == keys(expected)
            assert bool(first.partitions) != bool(second.partitions)
    checkpoints = Checkpoints(kafka_site.broker, kafka_site.topics)
    try:
        stored = checkpoints.read(0, KEY, "")
    finally:
        checkpoints.close()
    assert stored is not None
