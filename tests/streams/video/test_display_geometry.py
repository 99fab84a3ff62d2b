from __future__ import annotations

import itertools
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lanewatch.records import Frame, Image
from streams.sampling.sampler import Sampler
from streams.video.display_geometry import DisplayGeometry
from streams.video.packet_buffer import PacketBuffer
from tests.streams.conftest import MakeCamera

FPS = 5
CLOCK = "clock=2026-01-15T02:00:00%2B09:00"


def corner() -> Image:
    """A picture that shows how it is turned: its corners differ."""
    image = np.full((180, 320, 3), 60, np.uint8)
    image[:60, :80] = (30, 30, 220)
    image[-60:, :80] = (220, 60, 30)
    image[:60, -80:] = 230
    return image


def ring() -> Image:
    """A circle, in a picture of 704x528 square pixels."""
    image = np.full((528, 704, 3), 60, np.uint8)
    cv2.circle(image, (352, 264), 150, (230, 230, 230), 20)
    return image


def write(
    path: Path, images: list[Image], *, aspect: Fraction | None = None, turn: int = 0, codec: str = "libx264"
) -> Path:
    with av.open(str(path), "w") as out:
        stream = cast(VideoStream, out.add_stream(codec, rate=FPS, options={"g": "5", "bf": "0", "crf": "12"}))
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        if aspect is not None:
            stream.codec_context.sample_aspect_ratio = aspect
        if turn:
            stream.set_display_rotation(turn)
        for index, image in enumerate(images):
            picture = VideoFrame.from_ndarray(image, format="bgr24")
            picture.pts, picture.time_base = index, Fraction(1, FPS)
            out.mux(stream.encode(picture))
        out.mux(stream.encode())
    return path


def frames(path: Path, make_camera: MakeCamera, packet_buffer: PacketBuffer | None = None) -> list[Frame]:
    camera = make_camera(f"file://{path}?{CLOCK}", width=960)
    sampler = Sampler(camera, gate=False, packet_buffer=packet_buffer)
    return [frame for frame in sampler if frame.image is not None]


def images_of(path: Path, make_camera: MakeCamera) -> list[Image]:
    return [frame.image for frame in frames(path, make_camera) if frame.image is not None]


def roundness(image: Image) -> float:
    """The ring's width divided by its height."""
    rows, columns = np.nonzero(image.mean(axis=2) > 150)
    return float(np.ptp(columns) / np.ptp(rows))


@pytest.mark.parametrize("turn", [0, 90, 180, -90])
def test_pictures_are_turned_as_opencv_turns_them(turn: int, tmp_path: Path, make_camera: MakeCamera) -> None:
    path = write(tmp_path / "turned.mp4", [corner()] * 10, turn=turn)
    capture = cv2.VideoCapture(str(path))
    found, expected = capture.read()
    capture.release()
    image = images_of(path, make_camera)[0]
    assert found
    assert image.shape == expected.shape
    assert np.abs(image.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("aspect", [Fraction(5, 11), Fraction(16, 11), Fraction(1)])
@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
def test_pixels_become_square(aspect: Fraction, codec: str, tmp_path: Path, make_camera: MakeCamera) -> None:
    square = ring()
    height, width = square.shape[:2]
    stored = (width, round(height * aspect)) if aspect < 1 else (round(width / aspect / 2) * 2, height)
    squeezed = cv2.resize(square, stored).astype(np.uint8)
    path = write(tmp_path / "ring.mp4", [squeezed] * 10, aspect=aspect, codec=codec)
    image = images_of(path, make_camera)[0]
    assert image.shape[1] / image.shape[0] == pytest.approx(width / height, rel=0.01)
    assert roundness(image) == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("aspect", [Fraction(1, 100), Fraction(100), Fraction(16384, 16383)])
def test_an_aspect_without_effect_is_ignored(aspect: Fraction, tmp_path: Path, make_camera: MakeCamera) -> None:
    path = write(tmp_path / "odd.mp4", [corner()] * 10, aspect=aspect)
    assert images_of(path, make_camera)[0].shape == (180, 320, 3)


def test_evidence_is_upright_too(tmp_path: Path, make_camera: MakeCamera) -> None:
    path = write(tmp_path / "turned.mp4", [corner()] * 20, turn=180)
    packet_buffer = PacketBuffer()
    sampled = frames(path, make_camera, packet_buffer)
    segment = packet_buffer.hold("cam", sampled[0].captured_at, sampled[-1].captured_at)
    snapshot = segment.nearest(sampled[3].captured_at)
    assert snapshot is not None
    assert snapshot.image is not None
    assert np.abs(snapshot.image.astype(int) - corner()[::-1, ::-1]).mean() < 4
    segment.write(tmp_path / "clip.mp4")
    capture = cv2.VideoCapture(str(tmp_path / "clip.mp4"))
    found, shown = capture.read()
    capture.release()
    assert found
    assert np.abs(shown.astype(int) - corner()[::-1, ::-1]).mean() < 6


def test_masks_lie_on_the_upright_picture(tmp_path: Path, make_camera: MakeCamera) -> None:
    path = write(tmp_path / "turned.mp4", [corner()] * 10, turn=180)
    left = ((0.0, 0.0), (0.25, 0.0), (0.25, 1.0), (0.0, 1.0))
    camera = make_camera(f"file://{path}?{CLOCK}", masks=[left])
    image = next(frame.image for frame in Sampler(camera, gate=False) if frame.image is not None)
    assert image[:, :75].max() < 12
    assert image[:, 90:].max() > 180


def test_a_change_of_shape_in_mid_stream_starts_an_epoch(tmp_path: Path, make_camera: MakeCamera) -> None:
    first = write(tmp_path / "a.h264", [corner()] * 10)
    second = write(tmp_path / "b.h264", [corner()] * 10, aspect=Fraction(16, 11))
    joined = tmp_path / "joined.h264"
    joined.write_bytes(first.read_bytes() + second.read_bytes())
    camera = make_camera(f"file://{joined}?{CLOCK}&fps={FPS}")
    sampled = [frame for frame in Sampler(camera, gate=False) if frame.image is not None]
    spans = [(epoch, list(group)) for epoch, group in itertools.groupby(sampled, key=lambda frame: frame.epoch)]
    assert [len(group) for _, group in spans] == [10, 10]
    assert spans[0][0] < spans[1][0]
    assert {frame.width for frame in spans[0][1]} == {320}
    assert {frame.width for frame in spans[1][1]} == {466}


def test_the_size_of_an_upright_picture() -> None:
    assert DisplayGeometry().size(1920, 1080) == (1920, 1080)
    assert DisplayGeometry("transpose=clock").size(1920, 1080) == (1080, 1920)
    assert DisplayGeometry("", Fraction(5, 11)).size(704, 240) == (704, 528)
    assert DisplayGeometry("transpose=clock", Fraction(16, 15)).size(720, 576) == (576, 768)
