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
from streams.kafka.workers.detect_worker import DetectWorker
from tests.streams.kafka.kafka_site import KafkaSite, picture, running, until


class RecordingDetector:
    """A detector double that records its batches; ``blocked`` makes it wait for ``proceed``."""

    def __init__(self, *, blocked: bool = False) -> None:
        self.batches: list[list[Frame]] = []
        self.proceed = threading.Event()
        if not blocked:
            self.proceed.set()

    def __call__(self, frames: Sequence[Frame]) -> list[Detections]:
        self.batches.append(list(frames))
        self.proceed.wait(20)
        return [Detections.empty(frame, model="double") for frame in frames]

    @property
    def count(self) -> int:
        return sum(len(batch) for batch in self.batches)


@pytest.fixture
def kafka_site(broker: str) -> Iterator[KafkaSite]:
    kafka_site = KafkaSite(broker)
    yield kafka_site
    kafka_site.close()


def make_worker(kafka_site: KafkaSite, detector: RecordingDetector, **settings: object) -> DetectWorker:
    return DetectWorker(kafka_site.broker, kafka_site.topics, detector, **settings)  # type: ignore[arg-type]


def dropped(camera: str, reason: str) -> float:
    return float(metrics.DROPPED.labels("detect", camera, reason)._value.get())


def test_each_frame_gives_detections_in_its_own_partition_and_is_committed(kafka_site: KafkaSite) -> None:
    for slot in range(0, 10_000, 250):
        for camera in "abc":
            kafka_site.frame(picture(camera, slot), ("traceparent", b"00-1-2-01"))
    kafka_site.flush()
    detector = RecordingDetector()
    with running(make_worker(kafka_site, detector)):
        records = kafka_site.records(kafka_site.topics.detections.name, lambda found: len(found) >= 120)
    assert len(records) == 120
    for camera, seat in kafka_site.seats.items():
        of_camera = [record for record in records if record.key == camera.encode()]
        assert {record.partition for record in of_camera} == {seat}
        assert all(("traceparent", b"00-1-2-01") in record.headers for record in of_camera)
    by_camera = {camera: [d.slot for d in kafka_site.detections(120) if d.camera == camera] for camera in "abc"}
    assert by_camera == {camera: [*range(0, 10_000, 250)] for camera in "abc"}
    assert all(frame.image is not None for batch in detector.batches for frame in batch)
    assert kafka_site.committed("detect", kafka_site.topics.frames.name) == {0: 40, 1: 40, 2: 40}


def test_batches_are_full_and_mix_the_cameras_fairly(kafka_site: KafkaSite) -> None:
    for slot in range(30):
        kafka_site.frame(picture("a", slot))
    kafka_site.flush()
    detector = RecordingDetector(blocked=True)
    with running(make_worker(kafka_site, detector, batch=6)):
        until(lambda: detector.batches, "a first batch")
        for slot in range(30):
            for camera in "bc":
                kafka_site.frame(picture(camera, slot))
        kafka_site.flush()
        detector.proceed.set()
        kafka_site.detections(90)
    full = [batch for batch in detector.batches if len(batch) == 6]
    assert len(full) >= 12
    mixed = [batch for batch in detector.batches if len({frame.camera for frame in batch}) == 3]
    assert len(mixed) >= 8


def test_a_single_frame_waits_no_longer_than_its_deadline(kafka_site: KafkaSite) -> None:
    detector = RecordingDetector()
    worker = make_worker(kafka_site, detector, batch=64, wait_s=0.04)
    with running(worker):
        kafka_site.frame(picture("a", 1))
        until(lambda: detector.count == 1, "the first frame")
        began = time.monotonic()
        kafka_site.frame(picture("a", 2)).get(timeout=5)
        until(lambda: detector.count == 2, "the second frame", 5)
        assert time.monotonic() - began < 3.0


def test_old_frames_are_shed_and_counted(kafka_site: KafkaSite) -> None:
    detector = RecordingDetector(blocked=True)
    clock = BrokerClock()
    before = dropped("a", "shed")
    with running(make_worker(kafka_site, detector, batch=2, max_age_s=0.5, clock=clock)):
        for slot in range(20):
            kafka_site.frame(picture("a", slot))
        kafka_site.flush()
        until(lambda: detector.batches, "a first batch")
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 0.8, "they are old")
        detector.proceed.set()
        found = kafka_site.detections(20)
    assert [d.slot for d in found] == list(range(20))
    shed = [d for d in found if d.gap == "shed"]
    assert 14 <= len(shed) <= 18  # the first batch, and the one that was unpacked meanwhile, had been taken before
    assert dropped("a", "shed") - before == len(shed)
    assert kafka_site.committed("detect", kafka_site.topics.frames.name)[0] == 20


def test_without_a_limit_nothing_is_shed(kafka_site: KafkaSite) -> None:
    detector = RecordingDetector(blocked=True)
    with running(make_worker(kafka_site, detector, batch=2, max_age_s=None)):
        for slot in range(10):
            kafka_site.frame(picture("a", slot))
        until(lambda: detector.batches, "a first batch")
        began = time.monotonic()
        until(lambda: time.monotonic() - began > 0.5, "they are old")
        detector.proceed.set()
        assert {d.gap for d in kafka_site.detections(10)} == {None}


def test_a_clock_two_hours_off_sheds_nothing_and_is_logged_once(
    kafka_site: KafkaSite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = BrokerClock(wall=lambda: time.time() + 7200)
    with (
        caplog.at_level(logging.WARNING, "lanewatch"),
        running(make_worker(kafka_site, RecordingDetector(), max_age_s=60.0, clock=clock)),
    ):
        for slot in range(60):
            kafka_site.frame(picture("a", slot)).get(timeout=5)
        found = kafka_site.detections(60)
        until(lambda: "7200 s ahead" in caplog.text, "the log says so")
    assert {d.gap for d in found} == {None}
    assert caplog.text.count("7200 s ahead of the broker's") == 1


def test_a_worker_that_begins_with_a_backlog_does_not_take_it_for_its_clock(
    kafka_site: KafkaSite, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detect_worker, "WRONG_S", 0.4)
    for slot in range(4):
        kafka_site.frame(picture("a", slot))
    kafka_site.flush()
    sent_at = time.monotonic()
    until(lambda: time.monotonic() - sent_at > 0.8, "they are old")
    detector = RecordingDetector(blocked=True)
    with caplog.at_level(logging.WARNING, "lanewatch"), running(make_worker(kafka_site, detector)):
        until(lambda: detector.batches, "a first batch")
        detected_at = time.monotonic()
        until(lambda: time.monotonic() - detected_at > 0.2, "the worker has had time to log it")
        detector.proceed.set()
        kafka_site.detections(4)
    assert "broker's" not in caplog.text


def test_foreign_records_are_skipped_and_broken_pictures_give_a_gap(
    kafka_site: KafkaSite, caplog: pytest.LogCaptureFixture
) -> None:
    topic = kafka_site.topics.frames.name
    good = picture("a", 1)
    assert good.packed is not None
    broken = picture("a", 2)
    assert broken.packed is not None
    kafka_site.send(topic, 0, Message(b"a", b"hello", []))
    kafka_site.send(topic, 0, Message(b"a", b"hello", [("lanewatch", b"frame/9"), ("meta", b"?")]))
    kafka_site.send(topic, 0, Message(b"a", b"hello", [("lanewatch", b"frame/1"), ("meta", b"\xc1")]))
    kafka_site.frame(good)
    message = codec.encode_frame(broken)
    kafka_site.send(topic, 0, Message(message.key, b"\xff\xd8 no picture", message.headers))
    kafka_site.frame(picture("a", 3))
    kafka_site.flush()
    with caplog.at_level(logging.WARNING, "lanewatch"), running(make_worker(kafka_site, RecordingDetector())):
        found = kafka_site.detections(3)
    assert [(d.slot, d.gap) for d in found] == [(1, None), (2, "unreadable"), (3, None)]
    for offset in range(3):
        assert f"{topic}-0 at offset {offset}" in caplog.text
    assert kafka_site.committed("detect", topic)[0] == 6


def test_nothing_is_committed_before_its_detections_are_acknowledged(kafka_site: KafkaSite) -> None:
    for slot in range(20):
        kafka_site.frame(picture("a", slot))
    kafka_site.flush()
    detector = RecordingDetector(blocked=True)
    with running(make_worker(kafka_site, detector, batch=4)):
        until(lambda: detector.batches, "a first batch")
        assert kafka_site.committed("detect", kafka_site.topics.frames.name) == {}
        detector.proceed.set()
        kafka_site.detections(20)
        until(lambda: kafka_site.committed("detect", kafka_site.topics.frames.name).get(0) == 20, "all is committed")


def test_two_workers_share_and_one_that_ends_leaves_no_frame_out(kafka_site: KafkaSite) -> None:
    first, second = RecordingDetector(), RecordingDetector()
    first_worker, second_worker = make_worker(kafka_site, first), make_worker(kafka_site, second)
    with running(first_worker):
        until(lambda: first_worker.partitions == {0, 1, 2}, "all are the first's")
        with running(second_worker):
            until(
                lambda: second_worker.partitions and not first_worker.partitions & second_worker.partitions,
                "the second has its part",
            )
            until(lambda: len(first_worker.partitions | second_worker.partitions) == 3, "all partitions are assigned")
            for slot in range(50):
                for camera in "abc":
                    kafka_site.frame(picture(camera, slot))
            until(lambda: first.count > 10 and second.count > 10, "both detect")
        for slot in range(50, 60):
            for camera in "abc":
                kafka_site.frame(picture(camera, slot))
        until(lambda: first_worker.partitions == {0, 1, 2}, "all are the first's again")
        records = kafka_site.records(
            kafka_site.topics.detections.name,
            lambda found: len({(r.partition, r.key, r.value) for r in found}) >= 180,
        )
    assert len(records) >= 180
    until(
        lambda: sum(kafka_site.committed("detect", kafka_site.topics.frames.name).values()) == 180,
        "all is committed",
        5,
    )


def test_a_slow_detector_reads_no_further_than_its_bound(kafka_site: KafkaSite) -> None:
    for slot in range(300):
        kafka_site.frame(picture("a", slot, size=(360, 640)))
    kafka_site.flush()
    size = picture("a", 0, size=(360, 640)).packed
    assert size is not None
    detector = RecordingDetector(blocked=True)
    worker = make_worker(kafka_site, detector, batch=2, prefetch_bytes=20 * size.size)
    with running(worker):
        until(lambda: detector.batches and worker._consumer.paused(), "it reads no further")
        assert worker._queue.bytes < 100 * (size.size + RECORD_BYTES)
        detector.proceed.set()
        found = kafka_site.detections(300)
    assert [d.slot for d in found] == list(range(300))


def test_a_partition_that_is_assigned_again_is_a_new_assignment(kafka_site: KafkaSite) -> None:
    """A record of the first assignment does not move the offset of the second."""
    consumer = kafka_site.broker.consumer()
    tracker = OffsetTracker(consumer)
    partition = TopicPartition(kafka_site.topics.frames.name, 0)
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
