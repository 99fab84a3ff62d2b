"""Made-up people before a made-up camera, and the records of a detector that sees them as told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lanewatch.records import LABELS, Detections, Gap
from models.tracking.tracker import Tracker, TrackerSettings, Tracks

WIDTH, HEIGHT, TALL = 1000, 600, 100.0
START = 1_768_446_000.0
RED, BLUE = (200, 0, 0, 60), (0, 200, 0, 60)
"""Looks whose likeness is .08."""


class Sight(NamedTuple):
    """One box of a frame: foot point and height in pixels."""

    x: float
    y: float
    look: tuple[int, ...] = RED
    score: float = 0.7
    label: str = "person"
    tall: float = TALL
    wide: float = 0.4


Scene = Callable[[float], Sequence[Sight]]
"""What is seen at so many seconds after the start."""


def make_record(seconds: float, sights: Sequence[Sight], gap: Gap | None = None, look: int = 4) -> Detections:
    """The detections of a frame."""
    boxes = [(s.x - s.tall * s.wide / 2, s.y - s.tall, s.x + s.tall * s.wide / 2, s.y) for s in sights]
    return Detections(
        camera="lane",
        epoch=0,
        slot=round(seconds * 1000),
        captured_at=START + seconds,
        received_at=0.0,
        width=WIDTH,
        height=HEIGHT,
        xyxy=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.array([s.score for s in sights], np.float32),
        labels=np.array([LABELS.index(s.label) for s in sights], np.uint8),
        appearance=np.array([s.look[:look] for s in sights], np.uint8).reshape(len(sights), look),
        gap=gap,
    )


def frames(scene: Scene, fps: float, seconds: float, look: int = 4) -> list[Detections]:
    """The records of a scene."""
    return [make_record(n / fps, scene(n / fps), look=look) for n in range(round(seconds * fps) + 1)]


def follow(records: Sequence[Detections], settings: TrackerSettings | None = None) -> list[Tracks]:
    """The tracks at each record."""
    tracker = Tracker(settings)
    state, result = tracker.start(), []
    for record in records:
        state, tracks = tracker.update(state, record)
        result.append(tracks)
    return result


def ids(history: Sequence[Tracks]) -> set[int]:
    """Everybody who was ever followed."""
    return {int(track) for tracks in history for track in tracks.ids}


def nearest_track(tracks: Tracks, x: float, y: float) -> int:
    """The id of the track whose box stands nearest to a point."""
    feet = np.stack([(tracks.xyxy[:, 0] + tracks.xyxy[:, 2]) / 2, tracks.xyxy[:, 3]], axis=1)
    return int(tracks.ids[np.hypot(*(feet - (x, y)).T).argmin()])
