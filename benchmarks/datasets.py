"""Readers of the labelled footage: PETS 2009 and other MOTChallenge labels, CAVIAR, and any video file."""

from __future__ import annotations

import csv
import gzip
import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import av
import numpy as np

from lanewatch.records import Box, Float64, Image, Int64

CLOCK: Final = "2026-01-15T12:00:00+09:00"
"""Capture time of a clip's first picture if it is unknown: noon, so that the thresholds of the day apply."""
PETS: Final = "pets09-s2l1"
PETS_FPS: Final = 7.0
"""The container says 10; the scene was recorded at 7 (113.6 s)."""
CAVIAR: Final = "caviar"
CAVIAR_FPS: Final = 25.0
KISA_WINDOW_S: Final = (2.0, 10.0)
"""An alarm counts from 2 s before to 10 s after the ground truth (KISA's protocol)."""
VIDEOS: Final = frozenset({".avi", ".mkv", ".mov", ".mp4", ".mpg", ".webm"})


def videos(folder: Path, pattern: str) -> list[Path]:
    """The video files in a folder that match a pattern, by name."""
    return sorted(path for path in folder.glob(pattern) if path.suffix.lower() in VIDEOS)


def clips_in(folder: Path, name: str) -> list[Path]:
    """The video files in the folders of that name or pattern, by name; at least one."""
    found = videos(folder, f"{name}/*")
    if not found:
        raise FileNotFoundError(f"{folder}/{name}: there are no clips")
    return found


def street_videos(folder: Path) -> list[Path]:
    """The videos of streets without falls and fights: PETS 2009 and ABODA; at least one."""
    found = [*videos(folder, "pets09-*/*"), *videos(folder, "aboda-*/*")]
    if not found:
        raise FileNotFoundError(f"{folder}: neither pets09-* nor aboda-* has a video")
    return found


def frame_rate(path: Path) -> float:
    """The frame rate of a video file, from its container; PETS 2009 has ``PETS_FPS``."""
    if path.parent.name.startswith("pets09-"):
        return PETS_FPS
    with av.open(str(path)) as container:
        rate = container.streams.video[0].average_rate
    if not rate:
        raise ValueError(f"{path}: the container does not state a frame rate")
    return float(rate)


def images(path: Path) -> Iterator[Image]:
    """All pictures of a video file, BGR."""
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False)


def encode(path: Path, pictures: Iterable[Image], size: tuple[int, int], fps: int, options: dict[str, str]) -> Path:
    """Writes an H.264 clip with x264's options."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=fps, options=options)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        for picture in pictures:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="bgr24")))
        out.mux(stream.encode())
    return path


class MotLabels(NamedTuple):
    """The N boxes of a MOTChallenge ground truth: frames (N,) from 0, people (N,), and left, top, width, height."""

    frames: Int64
    people: Int64
    ltwh: Float64

    @property
    def xyxy(self) -> Float64:
        """(N, 4)."""
        return np.concatenate([self.ltwh[:, :2], self.ltwh[:, :2] + self.ltwh[:, 2:]], axis=1)


def mot_labels(file: Path) -> MotLabels:
    """Reads a ``gt.txt``."""
    rows = np.loadtxt(file, delimiter=",")
    return MotLabels(rows[:, 0].astype(np.int64) - 1, rows[:, 1].astype(np.int64), rows[:, 2:6])


class CaviarLabel(NamedTuple):
    """The label of an object (a person or thing) or of a group in one frame of a CAVIAR clip; its box is in pixels."""

    clip: str
    frame: int
    id: int
    kind: str
    box: Box
    movement: str
    role: str
    context: str
    situation: str


def caviar_labels(folder: Path) -> Iterator[CaviarLabel]:
    """All labels of CAVIAR in the folder of research data."""
    with gzip.open(folder / CAVIAR / "gt" / "tracks.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            x, y, width, height = (float(row[name]) for name in ("xc", "yc", "w", "h"))
            box = x - width / 2, y - height / 2, x + width / 2, y + height / 2
            hypothesis = (row[name] for name in CaviarLabel._fields[5:])
            yield CaviarLabel(row["clip"], int(row["frame"]), int(row["id"]), row["kind"], box, *hypothesis)


class PictureRun(NamedTuple):
    """Consecutive pictures of a CAVIAR clip: the number of the first frame, and the files."""

    clip: str
    first: int
    files: list[Path]


def caviar_runs(folder: Path) -> Iterator[PictureRun]:
    """The runs of consecutive pictures of each CAVIAR clip, in order; most are far shorter than the clip."""
    with (folder / CAVIAR / "index.csv").open() as file:
        rows = sorted((row["clip"], int(row["frame"]), row["file"]) for row in csv.DictReader(file))
    for _, run in itertools.groupby(enumerate(rows), key=lambda row: (row[1][0], row[1][1] - row[0])):
        pictures = [row for _, row in run]
        yield PictureRun(*pictures[0][:2], [folder / CAVIAR / file for _, _, file in pictures])


def link_pictures(files: Iterable[Path], folder: Path) -> Path:
    """Links pictures into a folder, which a sampler plays as a recording."""
    folder.mkdir(exist_ok=True)
    for file in files:
        (folder / file.name).symlink_to(file.resolve())
    return folder
