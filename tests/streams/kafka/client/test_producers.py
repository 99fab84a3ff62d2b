"""Producers: bounded memory, the newest frame first, in order, and each lost record is counted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, cast

import pytest
from kafka.errors import KafkaTimeoutError, MessageSizeTooLargeError
from kafka.future import Future

from deploy.kafka_server import BrokerProcess
from lanewatch import metrics
from lanewatch.records import EncodedFrame, Frame, Gap
from streams.kafka import codec
from streams.kafka.client.errors import BrokerAwayError, BrokerError
from streams.kafka.client.producers import MAX_WAITING_TICKS, RECORD_BYTES, FrameProducer, ReliableProducer
from streams.kafka.client.topics import MAX_FRAME_BYTES
from streams.kafka.codec import Message
from tests.streams.kafka.kafka_site import KafkaSite
from tests.streams.kafka.site_factory import until

TopicsOfNone = cast(Any, type("Topics", (), {"frames": type("Topic", (), {"name": "frames"})}))
PICTURE = 10_000
HEAD = 400
"""Bytes; more than the headers of a frame."""
EACH = PICTURE + RECORD_BYTES


class StuckBroker:
    """Takes records; the test acknowledges or refuses them."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, Future]] = []
        self.away = False

    def producer(self, **_: Any) -> StuckBroker:
        return self

    def partitions_for(self, topic: str) -> set[int]:
        return {0, 1}

    def send(self, topic: str, value: bytes, key: bytes, headers: Any, partition: int) -> Future:
        if self.away:
            raise KafkaTimeoutError("no metadata")
        future = Future()
        slot = codec.decode_frame(cast(Any, _as_record(value, key, headers))).slot
        self.sent.append((key.decode(), slot, future))
        return future

    def close(self, timeout: float) -> None:
        pass

    def acknowledge(self, count: int = 1) -> None:
        """Acknowledges the oldest pending records."""
        for _, _, future in [record for record in self.sent if not record[2].is_done][:count]:
            future.success(None)

    @property
    def slots(self) -> list[tuple[str, int]]:
        """Camera and slot of all that was sent, in order."""
        return [(camera, slot) for camera, slot, _ in self.sent]


def test_at_the_bound_each_cameras_newest_frame_waits() -> None:
    broker, sender = stuck(2 * EACH + 1000)
    before = dropped("newest-a", "behind"), dropped("newest-b", "behind")
    for slot in range(6):
        assert sender.send(frame("newest-a", slot), 0)
        assert sender.send(frame("newest-b", slot), 1)
    assert broker.slots == [("newest-a", 0), ("newest-b", 0)]
    assert (dropped("newest-a", "behind"), dropped("newest-b", "behind")) == (before[0] + 4, before[1] + 4)
    broker.acknowledge(2)
    assert broker.slots[2:] == [("newest-a", 5), ("newest-b", 5)]
    assert sender.in_flight_bytes <= 2 * EACH + 1000


def test_ticks_have_room_beyond_the_bound_unless_their_camera_waits() -> None:
    broker, sender = stuck(EACH * 4)
    for slot in range(5):
        sender.send(frame("full", slot), 0)
    sender.send(frame("other", 7, gap="idle"), 1)
    assert broker.slots[-1] == ("other", 7)  # before the picture that waits
    sender.send(frame("full", 5, gap="ended"), 0)
    assert broker.slots[-1] == ("other", 7)  # a camera's records keep their order
    broker.acknowledge(5)
    assert broker.slots[-2:] == [("full", 4), ("full", 5)]


def test_waiting_ticks_are_bounded_and_the_end_of_stream_stays() -> None:
    broker, sender = stuck(EACH)
    sender.send(frame("many", 0), 0)
    sender.send(frame("many", 1), 0)
    sender.send(frame("many", 2, gap="ended"), 0)
    for slot in range(3, 3 + 2 * MAX_WAITING_TICKS):
        sender.send(frame("many", slot, gap="lost"), 0)
    assert sum(map(len, sender._waiting.values())) <= MAX_WAITING_TICKS + 1
    while not all(future.is_done for _, _, future in broker.sent):
        broker.acknowledge(len(broker.sent))
    slots = [slot for _, slot in broker.slots]
    assert 2 in slots
    assert slots[-1] == 2 + 2 * MAX_WAITING_TICKS
    assert all(a < b for a, b in pairwise(slots))


def test_a_frame_above_the_bound_is_sent_alone() -> None:
    broker, sender = stuck(EACH // 2)
    sender.send(frame("large", 1), 0)
    assert broker.slots == [("large", 1)]


def test_a_frame_above_the_limit_is_counted_and_affects_no_other() -> None:
    broker, sender = stuck(1 << 30)
    before = dropped("huge", "too_large")
    assert not sender.send(frame("huge", 1, size=MAX_FRAME_BYTES + HEAD), 0)
    assert sender.send(frame("huge", 2), 0)
    broker.sent[0][2].failure(MessageSizeTooLargeError("by the broker's own limit"))
    assert dropped("huge", "too_large") == before + 2
    assert sender.in_flight_bytes == 0


def test_an_undelivered_frame_is_counted_and_frees_its_room() -> None:
    broker, sender = stuck(EACH + 100)
    before = dropped("late", "undelivered")
    sender.send(frame("late", 1), 0)
    sender.send(frame("late", 2), 0)
    broker.sent[0][2].failure(KafkaTimeoutError("120 s"))
    assert dropped("late", "undelivered") == before + 1
    assert broker.slots == [("late", 1), ("late", 2)]


def test_only_acknowledged_frames_are_reported() -> None:
    acknowledged: list[tuple[str, int, int]] = []
    broker = StuckBroker()
    sender = FrameProducer(
        cast(Any, broker), TopicsOfNone, acknowledged=lambda *arguments: acknowledged.append(arguments)
    )
    sender.send(frame("acknowledged", 1), 0)
    sender.send(frame("acknowledged", 2), 0)
    assert acknowledged == []
    broker.sent[0][2].failure(KafkaTimeoutError("120 s"))
    broker.acknowledge()
    assert acknowledged == [("acknowledged", 3, 2)]


def test_sending_is_retried_without_metadata_and_does_not_block(monkeypatch: pytest.MonkeyPatch) -> None:
    broker, sender = stuck(1 << 30)
    broker.away = True
    clock = [1000.0]
    monkeypatch.setattr("streams.kafka.client.producers.time.monotonic", lambda: clock[0])
    for slot in range(3):
        assert sender.send(frame("asks", slot), 0)
    assert broker.slots == []
    broker.away = False
    clock[0] += 2.0
    sender.send(frame("asks", 3, gap="idle"), 0)
    assert broker.slots == [("asks", 2), ("asks", 3)]


def test_frames_that_wait_at_the_end_are_counted() -> None:
    _, sender = stuck(EACH)
    before = dropped("ends", "undelivered")
    sender.send(frame("ends", 1), 0)
    sender.send(frame("ends", 2), 0)
    sender.close(0.0)
    assert dropped("ends", "undelivered") == before + 1
    assert not sender.send(frame("ends", 3), 0)
    assert dropped("ends", "undelivered") == before + 2


def test_frames_arrive_in_order_and_are_acknowledged(broker: str) -> None:
    kafka_site = KafkaSite(broker, ("a", "b"), partitions=1)
    acknowledged: list[tuple[str, int, int]] = []
    sender = FrameProducer(
        kafka_site.broker, kafka_site.topics, acknowledged=lambda *arguments: acknowledged.append(arguments)
    )
    try:
        senders = [
            threading.Thread(target=lambda camera=camera: [sender.send(frame(camera, n), 0) for n in range(200)])
            for camera in ("a", "b")
        ]
        for thread in senders:
            thread.start()
        for thread in senders:
            thread.join()
        assert sender.flush(20)
        records = kafka_site.records(kafka_site.topics.frames.name, lambda found: len(found) >= 400)
    finally:
        sender.close()
        kafka_site.close()
    for camera in ("a", "b"):
        slots = [found.slot for found in map(codec.decode_frame, records) if found.camera == camera]
        assert slots == list(range(200))
    assert sorted(acknowledged) == [(camera, 3, slot) for camera in ("a", "b") for slot in range(200)]
    assert sender.in_flight_bytes == 0


def test_every_other_record_is_acknowledged_or_reported(broker: str) -> None:
    kafka_site = KafkaSite(broker)
    sender = ReliableProducer(kafka_site.broker)
    topic = kafka_site.topics.detections.name
    try:
        futures = [sender.send(topic, 1, Message(b"k", str(number).encode(), [])) for number in range(50)]
        sender.flush(20)
        assert [future.value.offset for future in futures] == list(range(50))
        records = kafka_site.records(topic, lambda found: len(found) >= 50)
        assert [record.value for record in records] == [str(number).encode() for number in range(50)]
        with pytest.raises(MessageSizeTooLargeError):
            sender.send(topic, 1, Message(b"k", bytes(MAX_FRAME_BYTES + 70_000), []))
        sender.flush(1)  # it was never sent
    finally:
        sender.close()
        kafka_site.close()


def test_a_refused_record_is_reported_with_its_partition() -> None:
    class Refusing(StuckBroker):
        def send(self, topic: str, value: bytes, key: bytes, headers: Any, partition: int) -> Future:
            return Future().failure(MessageSizeTooLargeError("4194304"))

    sender = ReliableProducer(cast(Any, Refusing()))
    sender.send("t.events", 0, Message(b"k", b"v", []))
    with pytest.raises(BrokerError, match=r"t\.events-0: a record was not acknowledged: MessageSizeTooLargeError"):
        sender.flush(0.1)
    sender.flush(0.1)  # once


@pytest.fixture
def own_broker() -> Iterator[BrokerProcess]:
    """A broker that may be killed."""
    with BrokerProcess() as process:
        yield process


def test_after_a_restart_the_broker_gets_everything_sent_meanwhile(own_broker: BrokerProcess) -> None:
    kafka_site = KafkaSite(own_broker.address, ("a", "b"), partitions=2)
    frames = FrameProducer(kafka_site.broker, kafka_site.topics)
    rest = ReliableProducer(kafka_site.broker)
    events = kafka_site.topics.events.name
    longest = 0.0
    try:
        for slot in range(20):
            frames.send(frame("a", slot), 0)
        rest.send(events, 0, Message(b"k", b"0", []))
        rest.flush(20)
        assert frames.flush(20)
        own_broker.kill()
        for slot in range(20, 220):
            began = time.monotonic()
            frames.send(frame("a", slot), 0)
            frames.send(frame("b", slot, gap="idle"), 1)
            longest = max(longest, time.monotonic() - began)
        late = rest.send(events, 0, Message(b"k", b"1", []))
        with pytest.raises(BrokerAwayError, match=r"1 records are not acknowledged after 0.2 s"):
            rest.flush(0.2)
        assert frames.in_flight_bytes >= 200 * EACH
        own_broker.start()
        rest.flush(30)
        assert late.succeeded()
        assert frames.flush(30)
        found = kafka_site.records(kafka_site.topics.frames.name, lambda records: len(records) >= 420)
        stored = kafka_site.records(events, lambda records: len(records) >= 2)
    finally:
        frames.close()
        rest.close()
        kafka_site.close()
    slots = [frame.slot for frame in map(codec.decode_frame, found) if frame.camera == "a"]
    assert list(dict.fromkeys(slots)) == list(range(220))  # acks of one: a second try may double some
    assert [record.value for record in stored] == [b"0", b"1"]
    assert longest < 5.0  # kafka-python alone waits for a minute


def test_closing_without_a_broker_is_quick_and_fails_the_records(own_broker: BrokerProcess) -> None:
    kafka_site = KafkaSite(own_broker.address)
    frames, rest = FrameProducer(kafka_site.broker, kafka_site.topics), ReliableProducer(kafka_site.broker)
    rest.send(kafka_site.topics.events.name, 0, Message(b"k", b"0", []))
    rest.flush(20)
    own_broker.kill()
    before = dropped("a", "undelivered")
    frames.send(frame("a", 1), 0)
    lost = rest.send(kafka_site.topics.events.name, 0, Message(b"k", b"1", []))
    began = time.monotonic()
    frames.close(0.2)
    rest.close(0.2)
    kafka_site.close()
    assert time.monotonic() - began < 10
    until(lambda: lost.failed() and dropped("a", "undelivered") == before + 1)


def stuck(max_bytes: int) -> tuple[StuckBroker, FrameProducer]:
    """A producer whose broker acknowledges nothing by itself."""
    broker = StuckBroker()
    return broker, FrameProducer(cast(Any, broker), TopicsOfNone, max_bytes=max_bytes)


def frame(camera: str, slot: int, *, gap: Gap | None = None, size: int = PICTURE) -> Frame:
    """A frame of this size, or a tick."""
    return Frame(
        camera=camera,
        epoch=3,
        slot=slot,
        captured_at=float(slot),
        received_at=float(slot),
        width=64,
        height=48,
        packed=None if gap else EncodedFrame(bytes(size - HEAD)),
        gap=gap,
    )


def dropped(camera: str, reason: str) -> float:
    """The counter's present value."""
    return float(metrics.DROPPED.labels("sample", camera, reason)._value.get())


def _as_record(value: bytes, key: bytes, headers: Any) -> Any:
    return type("Record", (), {"value": value, "key": key, "headers": headers})
