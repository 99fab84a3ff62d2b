"""Recordings as they come from the field raise the same events as a plain one: turned, squeezed, raw, with odd names.

The plain recording is 14 s of the bundled clip. Two men stop at a lamp post and stay. A sign hides one of them in part,
so they are one event or two.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from lanewatch import cli, demo
from lanewatch.records import Image

FPS, SECONDS = 7, 14
SIZE = (640, 480)
CLOCK = "2026-01-15T02:00:00+09:00"

Record = Callable[[Path, Sequence[Image]], Path]


@pytest.fixture(scope="module")
def images(clip: Path) -> list[Image]:
    with av.open(str(clip)) as container:
        pictures = islice(container.decode(video=0), FPS * SECONDS)
        frames = [picture.to_ndarray(format="bgr24") for picture in pictures]
    return [np.asarray(cv2.resize(frame, SIZE, interpolation=cv2.INTER_AREA), np.uint8) for frame in frames]


def write(
    path: Path, images: Sequence[Image], *, aspect: Fraction | None = None, turn: int = 0, thumbnail: bool = False
) -> Path:
    with av.open(str(path), "w") as out:
        streams: list[tuple[Any, Sequence[Image]]] = []
        if thumbnail:
            streams.append((out.add_stream("libx264", rate=FPS), [images[0][::4, ::4]]))
        film: Any = out.add_stream("libx264", rate=FPS, options={"bf": "0", "crf": "18", "g": "14"})
        streams.append((film, images))
        if aspect is not None:
            film.codec_context.sample_aspect_ratio = aspect
        if turn:
            film.set_display_rotation(turn)
        for stream, pictures in streams:
            stream.height, stream.width = pictures[0].shape[:2]
            stream.pix_fmt = "yuv420p"
        for stream, pictures in streams:
            for index, image in enumerate(pictures):
                picture = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")
                picture.pts, picture.time_base = index, Fraction(1, FPS)
                out.mux(stream.encode(picture))
            out.mux(stream.encode())
    return path


def turned(path: Path, images: Sequence[Image]) -> Path:
    return write(path / "turned.mp4", [image[::-1, ::-1] for image in images], turn=180)


def squeezed(path: Path, images: Sequence[Image]) -> Path:
    """As recorders do that store half of the lines (2CIF)."""
    lines = [np.asarray(cv2.resize(image, (640, 240), interpolation=cv2.INTER_AREA), np.uint8) for image in images]
    return write(path / "squeezed.mp4", lines, aspect=Fraction(1, 2))


def raw(path: Path, images: Sequence[Image]) -> Path:
    """An elementary stream without times, but with its rate."""
    return write(path / "raw.h264", images)


def thumbnail_first(path: Path, images: Sequence[Image]) -> Path:
    return write(path / "export.mkv", images, thumbnail=True)


def named(name: str) -> Record:
    def record(path: Path, images: Sequence[Image]) -> Path:
        return write(path / "plain.mp4", images).rename(path / name)

    return record


RECORDINGS: dict[str, Record] = {
    "plain": named("base.mp4"),
    "turned": turned,
    "squeezed": squeezed,
    "raw": raw,
    "thumbnail first": thumbnail_first,
    "colons, question mark, percent": named("2026-01-15T02:00:00 ch01?main 50% [1] #2.mp4"),
    "decomposed Korean": named(unicodedata.normalize("NFD", "마을길.mp4")),
}


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_from_the_field_raises_the_plain_recordings_events(
    name: str, images: list[Image], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = RECORDINGS[name](tmp_path, images)
    typed = unicodedata.normalize("NFC", str(recording))
    arguments = [
        "rescore",
        typed,
        "--site",
        str(demo.SITE),
        "--camera",
        "lane-01",
        "--clock",
        CLOCK,
        "--json",
        "--quiet",
    ]
    assert cli.main(arguments) == 0
    events = {event["id"]: event for event in map(json.loads, capsys.readouterr().out.splitlines())}
    assert {(event["kind"], event["zone"]) for event in events.values()} == {("loitering", "junction")}
    assert len(events) <= 2
    first = min(event["started_at"] for event in events.values())
    assert first - 1_768_410_000.0 == pytest.approx(11.5, abs=1.6)
