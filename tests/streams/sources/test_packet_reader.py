from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from lanewatch import metrics
from streams.sources.packet_reader import PacketReader, ReaderClosedError
from streams.sources.packets import Codec, Packet, SourceEvent

CODEC = Codec("h264")


def packet(at: float, key: bool) -> Packet:
    return Packet(at, at, b"x" * 100, key, CODEC, 1)


def fed(items: list[Packet | SourceEvent], camera: str) -> tuple[PacketReader, list[Packet]]:
    """A feed that has already read all of its source."""
    read = threading.Event()
    tapped: list[Packet] = []

    def play(stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        yield from items
        read.set()

    feed = PacketReader(camera, play, tapped.append)
    feed.start()
    assert read.wait(10)
    return feed, tapped


def rest(feed: PacketReader) -> list[Packet | SourceEvent]:
    items = []
    try:
        while True:
            item = feed.get(5.0)
            assert item is not None
            items.append(item)
    except ReaderClosedError:
        return items


def shed(camera: str) -> float:
    value: float = metrics.DROPPED.labels("sample", camera, "behind")._value.get()
    return value


def test_all_comes_in_order_while_it_is_fetched() -> None:
    items: list[Packet | SourceEvent] = [packet(i / 25, i % 25 == 0) for i in range(75)]
    feed, tapped = fed(items, "keeps-up")
    assert rest(feed) == items
    assert tapped == items
    assert shed("keeps-up") == 0


def test_the_newest_wins_from_a_key_frame_on() -> None:
    items: list[Packet | SourceEvent] = [packet(i / 25, i % 25 == 0) for i in range(300)]
    feed, tapped = fed(items, "behind")
    got = rest(feed)
    assert isinstance(got[0], Packet)
    assert got[0].key
    assert got[-1] == items[-1]
    assert items[-1].captured_at - got[0].captured_at <= 4.0  # type: ignore[operator]
    assert got == items[-len(got) :]
    assert shed("behind") == 300 - len(got)
    assert len(tapped) == 300  # evidence has them all


def test_without_a_key_frame_all_goes_until_the_next() -> None:
    items: list[Packet | SourceEvent] = [packet(i / 25, i == 0 or i == 260) for i in range(280)]
    got = rest(fed(items, "headless")[0])
    assert got == items[260:]


def test_marks_are_never_dropped() -> None:
    items: list[Packet | SourceEvent] = [packet(0.0, True), SourceEvent("lost")]
    items += [packet(100 + i / 25, i % 25 == 0) for i in range(300)]
    assert SourceEvent("lost") in rest(fed(items, "marks")[0])


def test_close_ends_a_waiting_reader() -> None:
    waiting = threading.Event()

    def play(stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        waiting.set()
        stop.wait(30)
        yield from ()

    feed = PacketReader("closing", play, lambda packet: None)
    feed.start()
    assert waiting.wait(10)
    threading.Thread(target=feed.close).start()
    with pytest.raises(ReaderClosedError):
        feed.get(30.0)


def test_what_breaks_the_source_is_raised_where_it_is_read() -> None:
    def play(stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        yield packet(0.0, True)
        raise ValueError("broken")

    feed = PacketReader("broken", play, lambda packet: None)
    feed.start()
    assert feed.get(5.0) == packet(0.0, True)
    with pytest.raises(ValueError, match="broken"):
        feed.get(5.0)
