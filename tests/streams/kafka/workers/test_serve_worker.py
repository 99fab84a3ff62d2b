"""The serve stage over a real broker."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import msgspec
import pytest

from lanewatch.records import Event, Peak, Watermark
from streams.kafka import codec
from streams.kafka.codec import Message
from streams.kafka.workers import serve_worker as module
from streams.kafka.workers.serve_worker import ServeWorker
from streams.stages import UnavailableError
from tests.streams.kafka.kafka_site import Shop, running, until


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


class Storing:
    """A store's double that may be away."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.reached: list[tuple[str, Watermark]] = []
        self.away = False
        self.asked = 0

    def upsert(self, event: Event) -> None:
        self.asked += 1
        if self.away:
            raise UnavailableError("the disk is full")
        self.events.append(event)

    def advance(self, camera: str, reached: Watermark) -> None:
        self.reached.append((camera, reached))


@pytest.fixture
def shop(broker: str) -> Iterator[Shop]:
    shop = Shop(broker)
    yield shop
    shop.close()


def tell(shop: Shop, *events: Event) -> None:
    for one in events:
        shop.send(shop.topics.events.name, 0, codec.encode_event(one))
    shop.flush()


def position(shop: Shop) -> int | None:
    return shop.committed("serve", shop.topics.events.name).get(0)


def loop_of(shop: Shop, storing: Storing, *, node: str = "one", anew: bool = False) -> ServeWorker:
    return ServeWorker(shop.broker, shop.topics, storing, node=node, anew=anew)


def test_events_and_marks_come_in_the_topics_order_and_are_committed(shop: Shop) -> None:
    mark = Watermark(5.0, 6.0, None, 3)
    tell(shop, event(1))
    shop.send(shop.topics.events.name, 0, codec.encode_watermark("w", 1, {"a": mark, "b": mark}))
    tell(shop, event(2), event(3))
    storing = Storing()
    with running(loop_of(shop, storing)):
        until(lambda: len(storing.events) == 3, "all are stored")
    assert storing.events == [event(1), event(2), event(3)]
    assert sorted(storing.reached) == [("a", mark), ("b", mark)]
    assert position(shop) == 4


def test_a_service_that_is_back_goes_on_where_it_was(shop: Shop) -> None:
    tell(shop, event(1), event(2))
    first, second = Storing(), Storing()
    with running(loop_of(shop, first)):
        until(lambda: len(first.events) == 2, "the first two")
    tell(shop, event(3))
    with running(loop_of(shop, second)):
        until(lambda: second.events, "the third")
    assert second.events == [event(3)]


def test_a_new_store_is_told_all_that_the_topic_has(shop: Shop) -> None:
    tell(shop, event(1), event(2))
    first, second = Storing(), Storing()
    with running(loop_of(shop, first)):
        until(lambda: len(first.events) == 2, "the first two")
    with running(loop_of(shop, second, anew=True)):
        until(lambda: len(second.events) == 2, "both again")
    assert second.events == first.events


def test_a_store_that_is_away_is_asked_again_and_nothing_is_committed_meanwhile(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    tell(shop, event(1), event(2))
    storing = Storing()
    storing.away = True
    with caplog.at_level(logging.WARNING, "lanewatch"), running(loop_of(shop, storing)):
        until(lambda: storing.asked > 3, "it is asked again")
        assert position(shop) is None
        storing.away = False
        until(lambda: len(storing.events) == 2, "both")
    assert storing.events == [event(1), event(2)]
    assert position(shop) == 2
    assert f"{shop.topics.events.name}-0 at offset 0: event e-1" in caplog.text


def test_a_service_that_ends_while_the_store_is_away_leaves_the_event_to_the_next(shop: Shop) -> None:
    tell(shop, event(1))
    away, back = Storing(), Storing()
    away.away = True
    with running(loop_of(shop, away)):
        until(lambda: away.asked, "it is asked")
    with running(loop_of(shop, back)):
        until(lambda: back.events, "it is told again")
    assert back.events == [event(1)]


def test_what_is_none_of_ours_is_skipped(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    topic = shop.topics.events.name
    of_next_year = [
        (name, b"lanewatch.event.v9" if name == "ce_type" else value)
        for name, value in codec.encode_event(event(1)).headers
    ]
    shop.send(topic, 0, Message(b"a", b"hello", []))
    shop.send(topic, 0, Message(b"a", msgspec.json.encode(event(1)), of_next_year))
    shop.send(topic, 0, Message(b"a", b"{", codec.encode_event(event(1)).headers))
    tell(shop, event(2))
    storing = Storing()
    with caplog.at_level(logging.WARNING, "lanewatch"), running(loop_of(shop, storing)):
        until(lambda: storing.events, "the event behind them")
    assert storing.events == [event(2)]
    assert position(shop) == 4
    assert f"{topic}-0 at offset 0" in caplog.text


def test_of_two_services_one_is_at_work_and_the_other_takes_over(shop: Shop) -> None:
    first, second = Storing(), Storing()
    with running(loop_of(shop, first)):
        tell(shop, event(1))
        until(lambda: first.events, "the first is at work")
        with running(loop_of(shop, second, node="two")):
            tell(shop, event(2))
            until(lambda: len(first.events + second.events) == 2, "the second event")
    assert {one.id for one in first.events + second.events} == {"e-1", "e-2"}
