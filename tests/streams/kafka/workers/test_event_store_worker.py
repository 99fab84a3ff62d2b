"""The serve stage over a real broker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from lanewatch import metrics
from lanewatch.records import Event, Peak, Watermark
from streams.kafka import codec
from streams.kafka.codec import Message
from streams.kafka.workers import event_store_worker as module
from streams.kafka.workers.event_store_worker import EventStoreWorker
from streams.stages import UnavailableError
from tests.streams.kafka.kafka_site import KafkaSite, running, until


def event(number: int, camera: str = "a") -> Event:
    return Event(
        run="live",
        id=f"e-{number}",
        camera=camera,
        kind="loitering",
        zone="yard",
        began_at=10.0,
        started_at=20.0,
        updated_at=20.0,
        ended_at=None,
        revision=20_000 + number,
        state="open",
        severity=1,
        score=0.5,
        factors=(),
        thresholds={},
        sentence={"ko": "가", "en": "a"},
        tracks=(1,),
        peak=Peak(1, 1.0, (0, 0, 1, 1), 64, 36),
        model="double",
        site="0",
    )


class RecordingStore:
    """A store's double that may be unavailable."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.watermarks: list[tuple[str, Watermark]] = []
        self.unavailable = False
        self.calls = 0

    def upsert(self, event: Event) -> None:
        self.calls += 1
        if self.unavailable:
            raise UnavailableError("the disk is full")
        self.events.append(event)

    def advance(self, camera: str, watermarks: Watermark) -> None:
        self.watermarks.append((camera, watermarks))


@pytest.fixture
def kafka_site(broker: str) -> Iterator[KafkaSite]:
    kafka_site = KafkaSite(broker)
    yield kafka_site
    kafka_site.close()


def send_events(kafka_site: KafkaSite, *events: Event) -> None:
    for event in events:
        kafka_site.send(kafka_site.topics.events.name, 0, codec.encode_event(event))
    kafka_site.flush()


def committed_offset(kafka_site: KafkaSite) -> int | None:
    return kafka_site.committed("serve", kafka_site.topics.events.name).get(0)


def make_worker(
    kafka_site: KafkaSite, store: RecordingStore, *, node: str = "one", anew: bool = False
) -> EventStoreWorker:
    return EventStoreWorker(kafka_site.broker, kafka_site.topics, store, node=node, anew=anew)


def test_events_and_watermarks_arrive_in_order_and_are_committed(kafka_site: KafkaSite) -> None:
    mark = Watermark(5.0, 6.0, None, 3)
    send_events(kafka_site, event(1))
    kafka_site.send(kafka_site.topics.events.name, 0, codec.encode_watermark("w", 1, {"a": mark, "b": mark}))
    send_events(kafka_site, event(2), event(3))
    store = RecordingStore()
    with running(make_worker(kafka_site, store)):
        until(lambda: len(store.events) == 3, "all are stored")
    assert store.events == [event(1), event(2), event(3)]
    assert sorted(store.watermarks) == [("a", mark), ("b", mark)]
    assert committed_offset(kafka_site) == 4


def test_a_service_that_is_back_goes_on_where_it_was(kafka_site: KafkaSite) -> None:
    send_events(kafka_site, event(1), event(2))
    first, second = RecordingStore(), RecordingStore()
    with running(make_worker(kafka_site, first)):
        until(lambda: len(first.events) == 2, "the first two")
    send_events(kafka_site, event(3))
    with running(make_worker(kafka_site, second)):
        until(lambda: second.events, "the third")
    assert second.events == [event(3)]


def test_a_new_store_gets_all_events_of_the_topic(kafka_site: KafkaSite) -> None:
    send_events(kafka_site, event(1), event(2))
    first, second = RecordingStore(), RecordingStore()
    with running(make_worker(kafka_site, first)):
        until(lambda: len(first.events) == 2, "the first two")
    with running(make_worker(kafka_site, second, anew=True)):
        until(lambda: len(second.events) == 2, "both again")
    assert second.events == first.events


def test_an_unavailable_store_is_retried_and_nothing_is_committed_meanwhile(
    kafka_site: KafkaSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    metrics.reset_throttle(metrics.log("serve"), ["store"])
    send_events(kafka_site, event(1), event(2))
    store = RecordingStore()
    store.unavailable = True
    with caplog.at_level(logging.WARNING, "lanewatch"), running(make_worker(kafka_site, store)):
        until(lambda: store.calls > 3, "it has tried again")
        assert committed_offset(kafka_site) is None
        store.unavailable = False
        until(lambda: len(store.events) == 2, "both")
    assert store.events == [event(1), event(2)]
    until(lambda: committed_offset(kafka_site) == 2, "committed")
    assert f"{kafka_site.topics.events.name}-0 at offset 0: event e-1" in caplog.text


class Killed(BaseException):
    """A BaseException, so that nothing catches it."""


def test_a_service_with_a_new_store_that_is_killed_in_its_first_second_skips_no_event(kafka_site: KafkaSite) -> None:
    """The group's offset is that of the store before. After the kill, the new store is no longer empty."""
    events = [event(number) for number in range(4)]
    send_events(kafka_site, *events)
    earlier, new = RecordingStore(), RecordingStore()
    with running(make_worker(kafka_site, earlier)):
        until(lambda: len(earlier.events) == 4, "all in the earlier store")

    class KillingStore(RecordingStore):
        def upsert(self, event: Event) -> None:
            if new.events:
                raise Killed
            new.upsert(event)

    with pytest.raises(Killed):
        make_worker(kafka_site, KillingStore(), anew=True).run(threading.Event())
    with running(make_worker(kafka_site, new)):
        until(lambda: len({event.id for event in new.events}) == 4, "all in the new store")


def test_a_worker_stays_in_its_group_while_the_store_is_away_and_ends_when_told(
    kafka_site: KafkaSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes on polling: else the group would remove it after ``max_poll_interval_ms``."""
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    store = RecordingStore()
    store.unavailable = True
    worker = make_worker(kafka_site, store)
    with running(worker) as stop:
        until(lambda: worker.partitions, "assigned")
        send_events(kafka_site, event(1))
        until(lambda: store.calls, "it has tried")
        polled = [0]
        poll = worker._consumer.poll

        def counted_poll(*arguments: Any, **settings: Any) -> Any:
            polled[0] += 1
            return poll(*arguments, **settings)

        monkeypatch.setattr(worker._consumer, "poll", counted_poll)
        until(lambda: polled[0] > 10, "it goes on polling")
        assert worker.partitions == {0}
        began = time.monotonic()
        stop.set()
    assert time.monotonic() - began < 10
    assert committed_offset(kafka_site) is None


def test_a_service_that_ends_while_the_store_is_away_leaves_the_event_to_the_next(kafka_site: KafkaSite) -> None:
    send_events(kafka_site, event(1))
    unavailable, back = RecordingStore(), RecordingStore()
    unavailable.unavailable = True
    with running(make_worker(kafka_site, unavailable)):
        until(lambda: unavailable.calls, "it has tried")
    with running(make_worker(kafka_site, back)):
        until(lambda: back.events, "it is stored")
    assert back.events == [event(1)]


def test_foreign_records_are_skipped(kafka_site: KafkaSite, caplog: pytest.LogCaptureFixture) -> None:
    topic = kafka_site.topics.events.name
    of_next_year = [
        (name, b"lanewatch.event.v9" if name == "ce_type" else value)
        for name, value in codec.encode_event(event(1)).headers
    ]
    kafka_site.send(topic, 0, Message(b"a", b"hello", []))
    kafka_site.send(topic, 0, Message(b"a", msgspec.json.encode(event(1)), of_next_year))
    kafka_site.send(topic, 0, Message(b"a", b"{", codec.encode_event(event(1)).headers))
    send_events(kafka_site, event(2))
    store = RecordingStore()
    with caplog.at_level(logging.WARNING, "lanewatch"), running(make_worker(kafka_site, store)):
        until(lambda: store.events, "the event behind them")
    assert store.events == [event(2)]
    assert committed_offset(kafka_site) == 4
    assert f"{topic}-0 at offset 0" in caplog.text


def test_of_two_services_one_is_at_work_and_the_other_takes_over(kafka_site: KafkaSite) -> None:
    first, second = RecordingStore(), RecordingStore()
    with running(make_worker(kafka_site, first)):
        send_events(kafka_site, event(1))
        until(lambda: first.events, "the first is at work")
        with running(make_worker(kafka_site, second, node="two")):
            send_events(kafka_site, event(2))
            until(lambda: len(first.events + second.events) == 2, "the second event")
    assert {event.id for event in first.events + second.events} == {"e-1", "e-2"}
