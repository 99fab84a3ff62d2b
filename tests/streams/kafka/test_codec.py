"""Serialization: records survive a round trip, foreign ones are reported with their position, others can read ours."""

from __future__ import annotations

import json
import math
import struct
import uuid
from contextlib import suppress
from datetime import datetime
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest
from confluent_kafka import Consumer
from confluent_kafka import TopicPartition as Place
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch.records import (
    Detections,
    EncodedFrame,
    Event,
    Factor,
    Flame,
    Frame,
    Peak,
    SceneMeasurements,
    StillRegion,
    Watermark,
)
from streams.kafka import codec
from streams.kafka.codec import CodecError, Message
from tests.streams.kafka.kafka_site import KafkaSite

PLACE = "there-3 at offset 42"

times = st.floats(0, 4e9)
sizes = st.floats(-1e5, 1e5, width=32)
boxes = st.tuples(sizes, sizes, sizes, sizes)
scenes = st.builds(
    SceneMeasurements,
    moved=st.lists(boxes, max_size=3).map(tuple),
    still=st.lists(st.builds(StillRegion, box=boxes, still_since=times), max_size=2).map(tuple),
    brightness=st.floats(0, 255),
    shift=st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
    frozen=st.booleans(),
    frozen_s=st.floats(0, 1e6),
    familiar=st.none() | st.floats(-1, 1),
    clock_s=st.none() | st.floats(-1e9, 1e9),
    flames=st.lists(st.builds(Flame, box=boxes, kind=st.sampled_from(("fire", "smoke")), since=times), max_size=2).map(
        tuple
    ),
    warm=st.booleans(),
)
frames = st.builds(
    Frame,
    camera=st.text(min_size=1, max_size=40),
    epoch=st.integers(0, 2**40),
    slot=st.integers(0, 2**53),
    captured_at=times,
    received_at=times,
    width=st.integers(0, 10_000),
    height=st.integers(0, 10_000),
    packed=st.builds(
        EncodedFrame,
        st.binary(min_size=1, max_size=200),
        st.lists(st.tuples(boxes, st.binary()), max_size=4).map(tuple),
    ),
    profile=st.sampled_from(("day", "night", "infrared")),
    scene=scenes,
    gap=st.none(),
)
ticks = st.builds(
    msgspec.structs.replace,
    frames,
    packed=st.none(),
    gap=st.sampled_from(("idle", "lost", "ended", "unreadable", "shed", "failed")),
)


def test_a_frame_comes_back_as_it_went() -> None:
    @settings(max_examples=150)
    @given(frames | ticks)
    def holds(frame: Frame) -> None:
        back = codec.decode_frame(received(codec.encode_frame(frame)))
        assert msgspec.to_builtins(back) == msgspec.to_builtins(frame)

    holds()


def test_detections_come_back_as_they_went() -> None:
    @settings(max_examples=80)
    @given(frames | ticks, st.integers(0, 5), st.integers(0, 6), st.booleans())
    def holds(frame: Frame, count: int, appearance_bytes: int, pose_requested: bool) -> None:
        random = np.random.default_rng(count)
        sent = msgspec.structs.replace(
            Detections.empty(frame, model="m"),
            xyxy=random.normal(0, 100, (count, 4)).astype(np.float32),
            scores=random.random(count, np.float32),
            labels=random.integers(0, 12, count, np.uint8),
            appearance=random.integers(0, 255, (count, appearance_bytes), np.uint8),
            keypoints=random.random((count, 17, 3), np.float32) if pose_requested else None,
            pose_requested=np.ones(count, np.bool_) if pose_requested else None,
        )
        back = codec.decode_detections(received(codec.encode_detections(sent)))
        for name in sent.__struct_fields__:
            was, now = getattr(sent, name), getattr(back, name)
            if isinstance(was, np.ndarray):
                assert now.dtype == was.dtype
                np.testing.assert_array_equal(now, was)
            else:
                assert now == was

    holds()


def test_events_and_what_was_reached_come_back_as_they_went() -> None:
    reached = {"gate": Watermark(12.5, 13.0, None, 4), "yard": Watermark(11.0, 11.5, "idle")}
    assert codec.decode_event_record(received(codec.encode_event(event()))) == event()
    assert codec.decode_event_record(received(codec.encode_watermark("watch-1/3", 7, reached))) == reached


def test_a_picture_that_came_without_its_bytes_is_unreadable() -> None:
    sent = codec.encode_frame(frame())
    assert codec.decode_frame(received(sent._replace(value=None))).gap == "unreadable"


def test_pixels_do_not_travel() -> None:
    with pytest.raises(ValueError, match="camera gate, slot 1000: encode the pixels as JPEG first"):
        codec.encode_frame(msgspec.structs.replace(frame(), packed=None, image=np.zeros((2, 2, 3), np.uint8)))


TICK = Frame(camera="gate", epoch=0, slot=1, captured_at=1.0, received_at=1.0, width=1, height=1, gap="idle")
FRAME = codec.encode_frame(TICK)
META = dict(FRAME.headers)["meta"]
NAN = META.replace(struct.pack(">d", 1.0), struct.pack(">d", math.nan), 1)


@pytest.mark.parametrize(
    ("headers", "key", "value", "reason", "what"),
    [
        ([], b"gate", b"x", "foreign", "not a Lanewatch record"),
        ([("lanewatch", None)], b"gate", b"x", "foreign", "not a Lanewatch record"),  # a header may be null
        ([("lanewatch", b"frame/9"), ("meta", META)], b"gate", b"x", "version", "frame has version 9; .* knows 1"),
        ([("lanewatch", b"frame/\xff")], b"gate", b"x", "version", "frame has version"),
        ([("lanewatch", b"detections/1")], b"gate", b"x", "foreign", "expected frame/1, found detections/1"),
        ([("lanewatch", b"frame/1")], b"gate", b"x", "unreadable", "headers cannot be read"),
        ([("lanewatch", b"frame/1"), ("meta", None)], b"gate", b"x", "unreadable", "headers cannot be read"),
        ([("lanewatch", b"frame/1"), ("meta", b"\xc1")], b"gate", b"x", "unreadable", "headers cannot be read"),
        ([("lanewatch", b"frame/1"), ("meta", META)], None, b"x", "unreadable", "headers cannot be read"),
        ([("lanewatch", b"frame/1"), ("meta", META)], b"\xff", b"x", "unreadable", "headers cannot be read"),
        ([("lanewatch", b"frame/1"), ("meta", NAN)], b"gate", b"x", "unreadable", "timestamp is not finite"),
        ([*FRAME.headers, ("crop", b"\x91")], b"gate", b"x", "unreadable", "headers cannot be read"),
    ],
)
def test_an_invalid_frame_record_is_reported_with_its_position(
    headers: codec.Headers, key: bytes, value: bytes, reason: str, what: str
) -> None:
    with pytest.raises(CodecError, match=f"{PLACE}: .*{what}") as raised:
        codec.decode_frame(received(Message(key, value, headers)))
    assert raised.value.reason == reason


@pytest.mark.parametrize(
    ("headers", "value", "reason"),
    [
        ([], b"{}", "foreign"),
        ([("ce_type", b"com.example.other")], b"{}", "foreign"),
        ([("ce_type", b"lanewatch.event.v2")], b"{}", "foreign"),
        ([("ce_type", b"lanewatch.event.v1")], b"{", "unreadable"),
        ([("ce_type", b"lanewatch.event.v1")], b"{}", "unreadable"),  # fields are missing
        ([("ce_type", b"lanewatch.event.v1")], None, "unreadable"),
        ([("ce_type", b"lanewatch.reached.v1")], b'{"gate": 3}', "unreadable"),
        ([("ce_type", b"lanewatch.event.v1")], b"[" * 5000, "unreadable"),
    ],
)
def test_an_invalid_event_record_is_reported_with_its_position(
    headers: codec.Headers, value: bytes, reason: str
) -> None:
    with pytest.raises(CodecError, match=PLACE) as raised:
        codec.decode_event_record(received(Message(b"k", value, headers)))
    assert raised.value.reason == reason


def test_whatever_lies_in_a_topic_raises_nothing_but_its_place() -> None:
    """Truncated headers, changed bytes, noise: a record, or a ``CodecError``, never another error."""
    seen = codec.encode_detections(Detections.empty(frame()))
    message = codec.encode_event(event())

    @settings(max_examples=300)
    @given(st.sampled_from((FRAME, seen, message)), st.integers(0, 400), st.binary(max_size=4), st.booleans())
    def holds(sent: Message, cut: int, noise: bytes, in_headers: bool) -> None:
        assert sent.value is not None
        if in_headers:
            broken = sent._replace(headers=[(name, value[:cut] + noise) for name, value in sent.headers])
        else:
            broken = sent._replace(value=sent.value[:cut] + noise + sent.value[cut + len(noise) :])
        for read in (codec.decode_frame, codec.decode_detections, codec.decode_event_record):
            with suppress(CodecError):
                read(received(broken))

    holds()


def test_others_read_our_frames_as_jpeg_and_our_events_as_cloud_events(broker: str) -> None:
    picture = np.random.default_rng(1).integers(0, 255, (48, 64, 3), np.uint8)
    jpeg = cv2.imencode(".jpg", picture)[1].tobytes()
    sent = msgspec.structs.replace(frame(), camera="a", packed=EncodedFrame(jpeg, (((0, 0, 9, 9), jpeg),)))
    kafka_site = KafkaSite(broker)
    kafka_site.frame(sent)
    kafka_site.send(kafka_site.topics.events.name, 0, codec.encode_event(event()))
    kafka_site.flush()
    consumer = Consumer({"bootstrap.servers": broker, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest"})
    try:
        consumer.assign([Place(kafka_site.topics.frames.name, 0, 0)])
        found: Any = consumer.poll(20)
        assert found is not None
        assert not found.error()
        assert found.key() == b"a"
        np.testing.assert_array_equal(
            cv2.imdecode(np.frombuffer(found.value(), np.uint8), cv2.IMREAD_COLOR),
            cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR),
        )
        consumer.assign([Place(kafka_site.topics.events.name, 0, 0)])
        polled: Any = consumer.poll(20)
    finally:
        consumer.close()
        kafka_site.close()
    assert polled is not None
    # CloudEvents 1.0.2, Kafka protocol binding, 3.2 (binary content mode): attributes as headers with the prefix ce_
    # and UTF-8 values, the data's type as content-type, the data alone as the value.
    headers = {name: value.decode() for name, value in polled.headers()}
    assert headers["content-type"] == "application/json"
    assert headers["ce_specversion"] == "1.0"
    assert all(headers[f"ce_{name}"] for name in ("id", "source", "type"))
    assert datetime.fromisoformat(headers["ce_time"]).timestamp() == pytest.approx(1.5)
    assert json.loads(polled.value())["sentence"]["ko"] == "배회"


def received(message: Message) -> ConsumerRecord:
    """The record as a consumer has it."""
    return ConsumerRecord(
        "there", 3, 0, 42, 1700000000000, 1, message.key, message.value, message.headers, None, 0, 0, 0
    )  # fmt: skip


def frame() -> Frame:
    """A picture of the camera gate."""
    return Frame(
        camera="gate",
        epoch=2,
        slot=1000,
        captured_at=1.0,
        received_at=1.1,
        width=64,
        height=48,
        packed=EncodedFrame(b"jpeg"),
    )


def event() -> Event:
    """A revision told at second 1.5."""
    return Event(
        run="live",
        id="e1",
        camera="gate",
        kind="loitering",
        zone="yard",
        began_at=1.0,
        started_at=1.2,
        updated_at=1.5,
        ended_at=None,
        revision=1500,
        state="open",
        severity=2,
        score=0.5,
        factors=(Factor("dwell", 0.5, {"seconds": 31.0}),),
        thresholds={"dwell_s": 30.0},
        sentence={"ko": "배회", "en": "loiters"},
        tracks=(1, 2),
        peak=Peak(1000, 1.0, (0, 0, 1, 1), 64, 48),
        model="m",
        site="s",
    )
