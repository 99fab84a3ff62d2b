"""Evidence's footage from the topic ``frames`` of a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest

from lanewatch.records import EncodedFrame
from streams.kafka.evidence import frame_lookup
from streams.kafka.evidence.frame_store import KafkaFrameStore
from tests.streams.kafka.kafka_site import KafkaSite, picture

FPS = 5
DURATION_S = 60


@pytest.fixture(scope="module")
def kafka_site(broker: str) -> Iterator[KafkaSite]:
    """Two cameras in one partition, a minute each, sent as fast as possible: capture time runs faster than the clock.

    Camera ``b`` starts at the middle, so that whole stretches of the partition have none of its records.
    """
    kafka_site = KafkaSite(broker, cameras=("a", "b"), partitions=1)
    for number in range(DURATION_S * FPS):
        for camera in "ab" if number >= DURATION_S * FPS // 2 else "a":
            frame = picture(camera, number * 1000 // FPS, size=(90, 160))
            kafka_site.frame(frame)
    kafka_site.flush()
    yield kafka_site
    kafka_site.close()


@pytest.fixture
def footage(kafka_site: KafkaSite) -> Iterator[KafkaFrameStore]:
    footage = KafkaFrameStore(kafka_site.broker, kafka_site.topics, lambda camera: kafka_site.seats[camera] % 1)
    yield footage
    footage.close()


@pytest.fixture(params=["by broker time", "by bisection"])
def search(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a bound on what may be read, so that it is not enough to read the whole topic."""
    if request.param == "by bisection":
        monkeypatch.setattr(frame_lookup, "NEAR_S", 0.0)
        monkeypatch.setattr(frame_lookup, "SEARCH_RECORDS", 2)
        monkeypatch.setattr(frame_lookup, "MAX_READ_BYTES", 100_000)


@pytest.mark.usefixtures("search")
def test_a_cameras_frames_of_a_time_are_found(footage: KafkaFrameStore) -> None:
    held = footage.hold("a", 20.0, 30.0)
    assert held.covered == (20.0, 30.0)
    frame = held.nearest(25.05)
    assert frame is not None
    assert (frame.camera, frame.slot) == ("a", 25_000)
    assert frame.image is not None
    assert abs(int(np.median(frame.image)) - 25_000 % 200) <= 2


def test_it_is_written_as_a_clip_that_shows_each_frame_at_its_time(footage: KafkaFrameStore, tmp_path: Path) -> None:
    held = footage.hold("b", 40.0, 50.0)
    held.write(tmp_path / "clip.mp4")
    assert held.size > 0
    with av.open(str(tmp_path / "clip.mp4")) as container:
        stream = container.streams.video[0]
        times = [frame.time for frame in container.decode(stream)]
        assert (stream.codec_context.name, stream.width, stream.height) == ("h264", 160, 90)
    assert times == pytest.approx([number / FPS for number in range(10 * FPS + 1)], abs=0.001)


@pytest.mark.usefixtures("search")
@pytest.mark.parametrize(
    ("camera", "start", "end", "covered"),
    [
        ("a", -10.0, 2.0, (0.0, 2.0)),  # starts before the first frame
        ("a", 58.0, 90.0, (58.0, 59.8)),  # ends after the last frame
        ("a", 100.0, 110.0, None),  # is in the future
        ("a", -20.0, -10.0, None),  # is in the past
        ("b", 20.0, 32.0, (30.0, 32.0)),  # starts where only the other camera has frames
    ],
)
def test_what_is_absent_is_left_out(
    footage: KafkaFrameStore, camera: str, start: float, end: float, covered: tuple[float, float] | None
) -> None:
    assert footage.hold(camera, start, end).covered == covered


def test_an_unknown_camera_is_reported_at_once(footage: KafkaFrameStore) -> None:
    with pytest.raises(KeyError):
        footage.hold("nobody", 0.0, 1.0)


def test_frames_before_a_restart_with_a_wrong_clock_are_found(broker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera that restarts may begin with a clock years behind: its capture times do not only rise."""
    monkeypatch.setattr(frame_lookup, "SEARCH_RECORDS", 2)  # with bisection alone this fails
    kafka_site = KafkaSite(broker, cameras=("a",), partitions=1)
    for first, count in ((1000, 100), (0, 100), (1020, 100)):
        for number in range(count):
            kafka_site.frame(picture("a", first * 1000 + number * 100))
    kafka_site.flush()
    footage = KafkaFrameStore(kafka_site.broker, kafka_site.topics, lambda camera: 0)
    assert footage.hold("a", 1003.0, 1004.0).covered == (1003.0, 1004.0)
    footage.close()
    kafka_site.close()


def test_overlapping_samplers_give_each_slot_once_and_broken_images_are_skipped(broker: str) -> None:
    kafka_site = KafkaSite(broker, cameras=("a",), partitions=1)
    for number in range(20):
        frame = picture("a", number * 100)
        kafka_site.frame(frame)
        if number >= 10:
            kafka_site.frame(msgspec.structs.replace(frame, epoch=2))
    broken = msgspec.structs.replace(picture("a", 500), epoch=3, packed=EncodedFrame(b"\xff\xd8 none"))
    kafka_site.frame(broken)
    kafka_site.flush()
    footage = KafkaFrameStore(kafka_site.broker, kafka_site.topics, lambda camera: 0)
    held = footage.hold("a", 0.0, 2.0)
    near = held.nearest(0.5)
    assert near is not None
    assert near.slot in (400, 600)
    epochs = [frame.epoch for frame in held._encoded]
    assert epochs == [1] * 5 + [3] + [1] * 4 + [2] * 10
    footage.close()
    kafka_site.close()
