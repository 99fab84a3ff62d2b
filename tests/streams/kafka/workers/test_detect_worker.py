"""The detect stage over a real broker."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence

import pytest
from kafka import TopicPartition

from lanewatch import metrics
from lanewatch.records import Detections, Frame
from streams.frame_queue import RECORD_BYTES
from streams.kafka import codec
from streams.kafka.codec import Message
from streams.kafka.consumer.broker_clock import BrokerClock
from streams.kafka.consumer.offset_tracker import OffsetTracker
from streams.kafka.workers import detect_worker
from streams.kafka.workers.detect_worker import KafkaDetectWorker
from tests.streams.kafka.kafka_site import Shop, picture, running, until


class Seeing:
    """A detector's double: says what it was asked, and waits where it is told to."""

    def __init__(self, *, holds: bool = False) -> None:
        self.batches: list[list[Frame]] = []
        self.go_on = threading.Event()
        if not holds:
            self.go_on.set()

    def __call__(self, frames: Sequence[Frame]) -> list[Detections]:
        self.batches.append(list(frames))
        self.go_on.wait(20)
        return [Detections.empty(frame, model="double") for frame in frames]

    @property
    def seen(self) -> int:
        return sum(len(batch) for batch in self.batches)


@pytest.fixture
def shop(broker: str) -> Iterator[Shop]:
    shop = Shop(broker)
    yield shop
    shop.close()


def loop_of(shop: Shop, seeing: Seeing, **settings: object) -> KafkaDetectWorker:
    return KafkaDetectWorker(shop.broker, shop.topics, seeing, node="test", **settings)  # type: ignore[arg-type]


def count(camera: str, reason: str) -> float:
    return float(metrics.DROPPED.labels("detect", camera, reason)._value.get())


def test_each_frame_gives_detections_in_its_own_partition_and_is_committed(shop: Shop) -> None:
    for slot in range(0, 10_000, 250):
        for camera in "abc":
            shop.frame(picture(camera, slot), ("traceparent", b"00-1-2-01"))
    shop.flush()
    seeing = Seeing()
    with running(loop_of(shop, seeing)):
        records = shop.records(shop.topics.detections.name, lambda found: len(found) >= 120)
    assert len(records) == 120
    for camera, seat in shop.seats.items():
        mine = [record for record in records if record.key == camera.encode()]
        assert {record.partition for record in mine} == {seat}
        assert all(("traceparent", b"00-1-2-01") in record.headers for record in mine)
    by_camera = {camera: [d.slot for d in shop.detections(120) if d.camera == camera] for camera in "abc"}
    assert by_camera == {camera: [*range(0, 10_000, 250)] for camera in "abc"}
    assert all(frame.image is not None for batch in seeing.batches for frame in batch)
    assert shop.committed("detect", shop.topics.frames.name) == {0: 40, 1: 40, 2: 40}


def test_batches_are_full_and_mix_the_cameras_fairly(shop: Shop) -> None:
    for slot in range(30):
        shop.frame(picture("a", slot))
    shop.flush()
    seeing = Seeing(holds=True)
    with running(loop_of(shop, seeing, batch=6)):
        until(lambda: seeing.batches, "a first batch")
        for slot in range(30):
            for camera in "bc":
                shop.frame(picture(camera, slot))
        shop.flush()
        seeing.go_on.set()
        shop.detections(90)
    full = [batch for batch in seeing.batches if len(batch) == 6]
    assert len(full) >= 12
    mixed = [batch for batch in seeing.batches if len({frame.camera for frame in batch}) == 3]
    assert len(mixed) >= 8


def test_a_single_frame_waits_no_longer_than_its_deadline(shop: Shop) -> None:
    seeing = Seeing()
    loop = loop_of(shop, seeing, batch=64, wait_s=0.04)
    with running(loop):
        shop.frame(picture("a", 1))
        until(lambda: seeing.seen == 1, "the first frame")
        began = time.monotonic()
        shop.frame(picture("a", 2)).get(timeout=5)
        until(lambda: seeing.seen == 2, "the second frame", 5)
        assert time.monotonic() - began < 1.0


def test_old_frames_are_shed_and_told_of(shop: Shop) -> None:
    seeing = Seeing(holds=True)
    clock = BrokerClock()
    before = count("a", "shed")
    with running(loop_of(shop, seeing, batch=2, max_age_s=0.5, clock=clock)):
        for slot in range(20):
            shop.frame(picture("a", slot))
        shop.flush()
        until(lambda: seeing.batches, "a first batch")
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 0.8, "they are old")
        seeing.go_on.set()
        found = shop.detections(20)
    assert [d.slot for d in found] == list(range(20))
    shed = [d for d in found if d.gap == "shed"]
    assert 14 <= len(shed) <= 18  # the first batch, and the one that was unpacked meanwhile, had been taken before
    assert count("a", "shed") - before == len(shed)
    assert shop.committed("detect", shop.topics.frames.name)[0] == 20


def test_without_a_limit_nothing_is_shed(shop: Shop) -> None:
    seeing = Seeing(holds=True)
    with running(loop_of(shop, seeing, batch=2, max_age_s=None)):
        for slot in range(10):
            shop.frame(picture("a", slot))
        until(lambda: seeing.batches, "a first batch")
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 0.5, "they are old")
        seeing.go_on.set()
        assert {d.gap for d in shop.detections(10)} == {None}


def test_a_clock_two_hours_off_sheds_nothing_and_is_told_once(
    shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = BrokerClock(wall=lambda: time.time() + 7200)
    with caplog.at_level(logging.WARNING, "lanewatch"), running(loop_of(shop, Seeing(), max_age_s=60.0, clock=clock)):
        for slot in range(60):
            shop.frame(picture("a", slot)).get(timeout=5)
        found = shop.detections(60)
        until(lambda: "7200 s ahead" in caplog.text, "the log says so")
    assert {d.gap for d in found} == {None}
    assert caplog.text.count("7200 s ahead of the broker's") == 1


def test_a_worker_that_begins_with_a_backlog_does_not_take_it_for_its_clock(
    shop: Shop, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect_worker, "WRONG_S", 0.4)
    for slot in range(4):
        shop.frame(picture("a", slot))
    shop.flush()
    sent_at = time.monotonic()
    until(lambda: time.monotonic() - sent_at > 0.8, "they are old")
    seeing = Seeing(holds=True)
    with caplog.at_level(logging.WARNING, "lanewatch"), running(loop_of(shop, seeing)):
        until(lambda: seeing.batches, "a first batch")
        told_at = time.monotonic()
        until(lambda: time.monotonic() - told_at > 0.2, "it has had time to tell")
        seeing.go_on.set()
        shop.detections(4)
    assert "broker's" not in caplog.text


def test_what_is_none_of_ours_is_skipped_and_what_cannot_be_seen_goes_on_with_a_gap(
    shop: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    topic = shop.topics.frames.name
    good = picture("a", 1)
    assert good.packed is not None
    broken = picture("a", 2)
    assert broken.packed is not None
    shop.send(topic, 0, Message(b"a", b"hello", []))
    shop.send(topic, 0, Message(b"a", b"hello", [("lanewatch", b"frame/9"), ("meta", b"?")]))
    shop.send(topic, 0, Message(b"a", b"hello", [("lanewatch", b"frame/1"), ("meta", b"\xc1")]))
    shop.frame(good)
    message = codec.encode_frame(broken)
    shop.send(topic, 0, Message(message.key, b"\xff\xd8 no picture", message.headers))
    shop.frame(picture("a", 3))
    shop.flush()
    with caplog.at_level(logging.WARNING, "lanewatch"), running(loop_of(shop, Seeing())):
        found = shop.detections(3)
    assert [(d.slot, d.gap) for d in found] == [(1, None), (2, "unreadable"), (3, None)]
    for offset in range(3):
        assert f"{topic}-0 at offset {offset}" in caplog.text
    assert shop.committed("detect", topic)[0] == 6


def test_nothing_is_committed_before_its_detections_are_acknowledged(shop: Shop) -> None:
    for slot in range(20):
        shop.frame(picture("a", slot))
    shop.flush()
    seeing = Seeing(holds=True)
    with running(loop_of(shop, seeing, batch=4)):
        until(lambda: seeing.batches, "a first batch")
        assert shop.committed("detect", shop.topics.frames.name) == {}
        seeing.go_on.set()
        shop.detections(20)
        until(lambda: shop.committed("detect", shop.topics.frames.name).get(0) == 20, "all is committed")


def test_two_workers_share_and_one_that_ends_leaves_no_frame_out(shop: Shop) -> None:
    first, second = Seeing(), Seeing()
    one, two = loop_of(shop, first), loop_of(shop, second)
    with running(one):
        until(lambda: one.partitions == {0, 1, 2}, "all are the first's")
        with running(two):
            until(lambda: two.partitions and not one.partitions & two.partitions, "the second has its part")
            until(lambda: len(one.partitions | two.partitions) == 3, "all are somebody's")
            for slot in range(50):
                for camera in "abc":
                    shop.frame(picture(camera, slot))
            until(lambda: first.seen > 10 and second.seen > 10, "both look")
        for slot in range(50, 60):
            for camera in "abc":
                shop.frame(picture(camera, slot))
        until(lambda: one.partitions == {0, 1, 2}, "all are the first's again")
        records = shop.records(
            shop.topics.detections.name,
            lambda found: len({(r.partition, r.key, r.value) for r in found}) >= 180,
        )
    assert len(records) >= 180
    until(lambda: sum(shop.committed("detect", shop.topics.frames.name).values()) == 180, "all is committed", 5)


def test_a_slow_detector_reads_no_further_than_its_bound(shop: Shop) -> None:
    for slot in range(300):
        shop.frame(picture("a", slot, size=(360, 640)))
    shop.flush()
    size = picture("a", 0, size=(360, 640)).packed
    assert size is not None
    seeing = Seeing(holds=True)
    loop = loop_of(shop, seeing, batch=2, prefetch_bytes=20 * size.size)
    with running(loop):
        until(lambda: seeing.batches and loop._consumer.paused(), "it reads no further")
        assert loop._queue.bytes < 100 * (size.size + RECORD_BYTES)
        seeing.go_on.set()
        found = shop.detections(300)
    assert [d.slot for d in found] == list(range(300))


def test_partitions_of_one_worker_that_come_back_are_another_share(shop: Shop) -> None:
    """What was in hand of the first share does not move the offset of the second."""
    consumer = shop.broker.consumer()
    tracker = OffsetTracker(consumer)
    partition = TopicPartition(shop.topics.frames.name, 0)
    tracker.on_partitions_assigned([partition])
    first = tracker.get(partition)
    assert first is not None
    first.progress.start(7)
    tracker.on_partitions_lost([partition])
    tracker.on_partitions_assigned([partition])
    second = tracker.get(partition)
    assert second is not None
    first.progress.finish(7)
    assert (first.revoked, second.revoked, second.progress.position) == (True, False, None)
    assert (tracker.pop_revoked(), tracker.pop_revoked(), tracker.assigned) == ([first], [], [second])
    consumer.close()
