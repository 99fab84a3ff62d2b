"""Evidence's footage out of the frames topic of a real broker."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

from lanewatch.records import EncodedFrame, Watermark
from streams.kafka.evidence.frame_store import KafkaFrameStore
from tests.streams.kafka.kafka_site import KafkaSite, picture

FPS = 5
LONG_S = 60


@pytest.fixture(scope="module")
def shop(broker: str) -> Iterator[KafkaSite]:
    """Two cameras in one partition, a minute each, as fast as they can be sent."""
    shop = KafkaSite(broker, cameras=("a", "b"), partitions=1)
    for number in range(LONG_S * FPS):
        for camera in "ab":
            frame = picture(camera, number * 1000 // FPS, size=(90, 160))
            shop.frame(frame)
    shop.flush()
    yield shop
    shop.close()


@pytest.fixture
def footage(shop: KafkaSite) -> Iterator[KafkaFrameStore]:
    footage = KafkaFrameStore(shop.broker, shop.topics, lambda camera: shop.seats[camera] % 1)
    yield footage
    footage.close()


@pytest.mark.parametrize(
    "clock_error_s",
    [
        None,  # nothing is known: years off
        0.0,  # about right
        7200.0,  # the sampler's clock is two hours ahead
        -7200.0,  # or behind
    ],
)
def test_a_cameras_pictures_of_a_time_are_found(footage: KafkaFrameStore, clock_error_s: float | None) -> None:
    if clock_error_s is not None:
        footage.advance("a", Watermark(captured_at=0.0, received_at=time.time() + clock_error_s))
    held = footage.hold("a", 20.0, 30.0)
    assert held.covered == (20.0, 30.0)
    frame = held.nearest(25.05)
    assert frame is not None
    assert (frame.camera, frame.slot) == ("a", 25_000)
    assert frame.image is not None
    assert abs(int(np.median(frame.image)) - 25_000 % 200) <= 2


def test_it_is_written_as_a_clip_that_shows_each_picture_at_its_time(footage: KafkaFrameStore, tmp_path: Path) -> None:
    held = footage.hold("b", 10.0, 20.0)
    held.write(tmp_path / "clip.mp4")
    assert held.size > 0
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        times = [frame.time for frame in container.decode(stream)]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 160, 90)
    assert times == pytest.approx([number / FPS for number in range(10 * FPS + 1)], abs=0.001)


@pytest.mark.parametrize(
    ("start", "end", "covered"),
    [
        (-10.0, 2.0, (0.0, 2.0)),  # begins before there was anything
        (58.0, 90.0, (58.0, 59.8)),  # goes on behind the end
        (100.0, 110.0, None),  # is yet to come
        (-20.0, -10.0, None),  # was before
    ],
)
def test_what_is_not_there_is_left_out(
    footage: KafkaFrameStore, start: float, end: float, covered: tuple[float, float] | None
) -> None:
    footage.advance("a", Watermark(0.0, time.time()))
    assert footage.hold("a", start, end).covered == covered


def test_a_camera_that_is_none_is_said_at_once(footage: KafkaFrameStore) -> None:
    with pytest.raises(KeyError):
        footage.hold("nobody", 0.0, 1.0)


def test_two_samplers_that_overlap_give_each_slot_once_and_broken_pictures_are_passed_by(broker: str) -> None:
    shop = KafkaSite(broker, cameras=("a",), partitions=1)
    for number in range(20):
        frame = picture("a", number * 100)
        shop.frame(frame)
        if number >= 10:
            shop.frame(msgspec.structs.replace(frame, epoch=2))
    broken = msgspec.structs.replace(picture("a", 500), epoch=3, packed=EncodedFrame(b"\xff\xd8 none"))
    shop.frame(broken)
    shop.flush()
    footage = KafkaFrameStore(shop.broker, shop.topics, lambda camera: 0)
    held = footage.hold("a", 0.0, 2.0)
    near = held.nearest(0.5)
    assert near is not None
    assert near.slot in (400, 600)
    epochs = [one.epoch for one in held._packed]
    assert epochs == [1] * 5 + [3] + [1] * 4 + [2] * 10
    footage.close()
    shop.close()
