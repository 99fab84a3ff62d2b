"""What the sampler and the detect worker make of a recording, in one process and once for each clip and rate."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import av

from detectors import pipeline
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera, SamplingRate, Site, Zone
from lanewatch.records import Detections

CLOCK = "2026-01-15T12:00:00+09:00"
"""Capture time of a clip's first picture where nobody knows it: noon, so that it is judged as what it shows."""
CAMERA = "clip"
NAME = LocalizedName(ko="시험", en="Trial")
VIDEOS = frozenset({".avi", ".mkv", ".mov", ".mp4", ".mpg", ".webm"})
MOST_FPS = 30.0
"""Of a camera: of faster clips every second picture is looked at, or every third."""
PETS_FPS = 7.0
"""Of PETS 2009, whatever its containers say."""


def videos(folder: Path, pattern: str) -> list[Path]:
    """The video files that match a pattern in a folder, by name."""
    return sorted(path for path in folder.glob(pattern) if path.suffix.lower() in VIDEOS)


def street(folder: Path) -> list[Path]:
    """The videos of streets in which nobody falls or fights: PETS 2009 and ABODA.

    Raises:
        FileNotFoundError: there is none.
    """
    found = [*videos(folder, "pets09-*/*"), *videos(folder, "aboda-*/*")]
    if not found:
        raise FileNotFoundError(f"{folder}: neither pets09-* nor aboda-* with a video in it")
    return found


def rate(path: Path) -> float:
    """The pictures a second of a video file, by its container; of PETS 2009 the true ones.

    Raises:
        ValueError: the container does not know.
    """
    if path.parent.name.startswith("pets09-"):
        return PETS_FPS
    with av.open(str(path)) as container:
        told = container.streams.video[0].average_rate
    if not told:
        raise ValueError(f"{path}: the container does not say how many pictures a second it has")
    return float(told)


def site(path: Path, fps: float, *, zones: tuple[Zone, ...] = (), width: int = 960) -> Site:
    """A site of one camera that shows a clip, each of whose pictures is looked at.

    Args:
        path: a video file or a folder of images.
        fps: its true rate, whatever its container says.
        zones: drawn over it.
        width: at most, pixels, of what is detected.
    """
    active = min(fps / _skip(fps), MOST_FPS)
    camera = Camera(
        id=CAMERA,
        name=NAME,
        url=f"{'' if path.is_dir() else 'file:'}{path}?fps={fps:g}&pace=fast&clock={CLOCK}",
        latitude=36.78,
        longitude=126.45,
        rate=SamplingRate(active=active, idle=active),
        width=width,
        zones=zones,
    )
    return Site(name=NAME, cameras=(camera,))


def seen(path: Path, fps: float, *, every: int = 1, phase: int = 0) -> list[Detections]:
    """The records of every ``every``-th picture of a clip from the ``phase``-th on, poses included.

    All pictures, of fast clips as many as a camera gives (``MOST_FPS``), are detected once; a lower rate takes those
    records that a camera of that rate would have shown. Of what the sampler sees in its pixels (what moved, what stays)
    the records say what it saw at the full rate.
    """
    whole = _whole(path, fps)
    pictures = [record.slot for record in whole if record.gap is None]
    skip = _skip(fps)
    kept = set(pictures[phase // skip :: max(round(every / skip), 1)])
    return [record for record in whole if record.gap is not None or record.slot in kept]


def _skip(fps: float) -> int:
    """Each so many-th picture of a clip is looked at."""
    return math.ceil(fps / MOST_FPS - 0.01)  # 30.02 is 30


@cache
def _whole(path: Path, fps: float) -> list[Detections]:
    kept: list[Detections] = []
    runner = pipeline.runner(site(path, fps), pipeline.EventCollector(), run="benchmark", keep=kept.append)
    runner.run()
    for error in runner.errors.values():
        raise error
    return kept
