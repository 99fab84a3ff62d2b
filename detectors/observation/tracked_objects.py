"""Who is followed at a record: each track with its last step, and whether it is evidence of anything."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from lanewatch.records import LABELS, UNKNOWN, Box
from models.tracking.tracker import Tracks


class TrackPoint(NamedTuple):
    """Where a foot was, and when."""

    x: float
    y: float
    at: float


class TrackMemory(msgspec.Struct, frozen=True):
    """What is kept of a track from record to record: where it was seen last, and that it has been ``credible``."""

    last: TrackPoint
    credible: bool


MOVED = 1.0
"""Body heights from its birth that something must get to be taken for something that moves."""
FOLLOWED_S = 2.0
"""Seconds for which what has no name must be followed: of 30 unnamed tracks that were nobody on pets09-s2l1 (tape and
branches in the wind, pieces of people) the longest lived for 7 s, and none got as far as its own height."""
THEMSELVES = frozenset(LABELS.index(name) for name in ("person", "cat", "dog"))
"""Those that need not move to be somebody: who stands still is there, a vehicle that stands still is parked."""


class TrackedObject(NamedTuple):
    """One track at one record.

    Attributes:
        id: The tracker's.
        x: The filtered foot point, pixels; ``y`` likewise.
        height: Body height, pixels.
        box: The last box, pixels.
        score: The last box's score.
        seen: Matched in this very record; False while it coasts.
        born: The first foot point.
        before: The foot point when it was last seen before this record; ``born`` when it becomes credible.
        credible: It is evidence of something, and stays so: it has been seen at two looks in a row (a box that jumps
            about may hit by chance where one was before); a vehicle has moved, and so has what has no name, which has
            been followed for two seconds too.
        row: Its row in ``Observation.tracks``.
        vx: Its velocity, filtered, pixels a second; ``vy`` likewise.
        detection: The record's box that it was matched with, -1 while it coasts.
    """

    id: int
    x: float
    y: float
    height: float
    box: Box
    label: int
    score: float
    seen: bool
    born: TrackPoint
    before: TrackPoint
    credible: bool
    row: int
    vx: float
    vy: float
    detection: int

    @property
    def speed(self) -> float:
        """Body heights a second; a vehicle's in its box's diagonals."""
        return math.hypot(self.vx, self.vy) / self.height


def tracked_objects(
    tracks: Tracks, trails: dict[int, TrackMemory], looked_at: float, now: float
) -> tuple[TrackedObject, ...]:
    """The tracks one by one, each with its step from where it was seen last.

    Args:
        tracks: Those that are alive.
        trails: What was kept of them.
        looked_at: Capture time of the look before this one.
        now: Of this one.
    """
    if not len(tracks.ids):
        return ()
    columns = zip(
        tracks.ids.tolist(),
        tracks.foot.tolist(),
        tracks.height.tolist(),
        tracks.xyxy.tolist(),
        tracks.labels.tolist(),
        tracks.scores.tolist(),
        tracks.seen.tolist(),
        tracks.born_at.tolist(),
        tracks.born_foot.tolist(),
        tracks.velocity.tolist(),
        tracks.detection.tolist(),
        strict=True,
    )
    result = []
    for row, values in enumerate(columns):
        track, (x, y), height, box, label, score, seen, born_at, (born_x, born_y), (vx, vy), detection = values
        born = TrackPoint(born_x, born_y, born_at)
        trail = trails.get(track)
        before, credible = born, False
        if trail is not None and trail.credible:
            before, credible = trail.last, True
        elif seen and (born if trail is None else trail.last).at >= looked_at:
            credible = label in THEMSELVES or _moves(label, x, y, height, born, now)
        place = x, y, height, tuple(box), label, score, seen
        result.append(TrackedObject(track, *place, born, before, credible, row, vx, vy, detection))
    return tuple(result)


def _moves(label: int, x: float, y: float, height: float, born: TrackPoint, now: float) -> bool:
    far = math.hypot(x - born.x, y - born.y) >= MOVED * height
    return far and (label != UNKNOWN or now - born.at >= FOLLOWED_S)
