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


def finished_reader(items: list[Packet | SourceEvent], camera: str) -> tuple[PacketReader, list[Packet]]:
    """A reader that has read its whole source, and the packets of its callback."""
    read = threading.Event()
    arrived: list[Packet] = []

    def play(stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        yield from items
        read.set()

    reader = PacketReader(camera, play, arrived.append)
    reader.start()
    assert read.wait(10)
    return reader, arrived


def remaining(reader: PacketReader) -> list[Packet | SourceEvent]:
    items = []
    try:
        while True:
            item = reader.get(5.0)
            assert item is not None
            items.append(item)
    except ReaderClosedError:
        return items


def dropped(camera: str) -> float:
    value: float = metrics.DROPPED.labels("sample", camera, "behind")._value.get()
    return value


def test_items_come_in_order() -> None:
    items: list[Packet | SourceEvent] = [packet(i / 25, i % 25 == 0) for i in range(75)]
    reader, arrived = finished_reader(items, "keeps-up")
    assert remaining(reader) == items
    assert arrived == items
    assert dropped("keeps-up") == 0


def test_a_full_queue_continues_at_the_newest_key_frame() -> None:
    items: list[Packet | SourceEvent] = [packet(i / 25, i % 25 == 0) for i in range(300)]
    reader, arrived = finished_reader(items, "behind")
    got = remaining(reader)
    assert isinstance(got[0], Packet)
    assert got[0].key
    assert got[-1] == items[-1]
    assert items[-1].captured_at - got[0].captured_at <= 4.0  # type: ignore[operator]
    assert got == items[-len(got) :]
    assert dropped("behind") == 300 - len(got)
    assert len(arrived) == 300  # evidence gets all packets


def test_a_full_queue_without_a_key_frame_continues_at_the_next_one() -> None:
    items: list[Packet | SourceEvent] = [packet(i / 25, i == 0 or i == 260) for i in range(280)]
    got = remaining(finished_reader(items, "headless")[0])
    assert got == items[260:]


def test_source_events_are_never_dropped() -> None:
    items: list[Packet | SourceEvent] = [packet(0.0, True), SourceEvent("lost")]
    items += [packet(100 + i / 25, i % 25 == 0) for i in range(300)]
    assert SourceEvent("lost") in remaining(finished_reader(items, "marks")[0])


def test_close_ends_a_waiting_reader() -> None:
    waiting = threading.Event()

    def play(stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        waiting.set()
        stop.wait(30)
        yield from ()

    reader = PacketReader("closing", play, lambda packet: None)
    reader.start()
    assert waiting.wait(10)
    threading.Thread(target=reader.close).start()
    with pytest.raises(ReaderClosedError):
        reader.get(30.0)


def test_get_raises_the_sources_error() -> None:
    def play(stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        yield packet(0.0, True)
        raise ValueError("broken")

    reader = PacketReader("broken", play, lambda packet: None)
    reader.start()
    assert reader.get(5.0) == packet(0.0, True)
    with pytest.raises(ValueError, match="broken"):
        reader.get(5.0)
