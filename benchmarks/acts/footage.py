"""What the sampler and the detect worker make of a recording, in one process and once for each clip and rate."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from detectors import engine
from lanewatch.records import Detections
from lanewatch.site import Camera, Name, Rate, Site, Zone

CLOCK = "2026-01-15T12:00:00+09:00"
"""Capture time of a clip's first picture where nobody knows it: noon, so that it is judged as what it shows."""
CAMERA = "clip"
NAME = Name(ko="시험", en="Trial")


def site(path: Path, fps: float, *, zones: tuple[Zone, ...] = (), width: int = 960) -> Site:
    """A site of one camera that shows a clip, each of whose pictures is looked at.

    Args:
        path: a video file or a folder of images.
        fps: its true rate, whatever its container says.
        zones: drawn over it.
        width: at most, pixels, of what is detected.
    """
    camera = Camera(
        id=CAMERA,
        name=NAME,
        url=f"{'' if path.is_dir() else 'file:'}{path}?fps={fps:g}&pace=fast&clock={CLOCK}",
        latitude=36.78,
        longitude=126.45,
        rate=Rate(active=min(fps, 30.0), idle=min(fps, 30.0)),
        width=width,
        zones=zones,
    )
    return Site(name=NAME, cameras=(camera,))


def seen(path: Path, fps: float, *, every: int = 1, phase: int = 0) -> list[Detections]:
    """The records of every ``every``-th picture of a clip from the ``phase``-th on, poses included.

    All pictures are detected once; a lower rate takes those records that a camera of that rate would have shown. Of
    what the sampler sees in its pixels (what moved, what stays) the records say what it saw at the full rate.
    """
    whole = _whole(path, fps)
    pictures = [record.slot for record in whole if record.gap is None]
    kept = set(pictures[phase::every])
    return [record for record in whole if record.gap is not None or record.slot in kept]


@cache
def _whole(path: Path, fps: float) -> list[Detections]:
    kept: list[Detections] = []
    runner = engine.runner(site(path, fps), engine.Collector(), run="benchmark", keep=kept.append)
    runner.run()
    for error in runner.errors.values():
        raise error
    return kept
