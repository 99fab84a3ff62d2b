"""The tracked objects at a record: each track with its last step, and whether it is reliable."""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from lanewatch.records import LABELS, UNKNOWN, Box
from models.tracking.tracker import Tracks


class TrackPoint(NamedTuple):
    """A position of a foot point, pixels, and its capture time."""

    x: float
    y: float
    at: float


class TrackMemory(msgspec.Struct, frozen=True):
    """A track's memory between records: its last point, and whether it is ``credible``."""

    last: TrackPoint
    credible: bool


MOVED = 1.0
"""Body heights from its first point that a track must reach to count as moving."""
UNNAMED_S = 2.0
"""Seconds for which an unnamed object must be tracked. On pets09-s2l1, 30 unnamed tracks were no persons: tape and
branches in the wind, parts of people. The longest lasted for 7 s, and none moved by its own height."""
CREDIBLE_AT_REST = frozenset(LABELS.index(name) for name in ("person", "cat", "dog"))
"""Classes that need not move to be credible: a person may stand, but a vehicle that stands is parked."""


class TrackedObject(NamedTuple):
    """One track at one record.

    Attributes:
        x: The filtered foot point, pixels; ``y`` likewise.
        height: Of the body, pixels.
        box: The last one, pixels; its ``score`` likewise.
        seen: Matched in this record; False while it coasts.
        first_point: The first foot point.
        before: The foot point when it was last seen before this record; ``first_point`` when it becomes credible.
        credible: It is reliable, and stays so. It was seen in two pictures in a row, since a jumping box may hit an old
            position by chance. A vehicle must also have moved. An unnamed object must have moved, and must have been
            tracked for two seconds.
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
    first_point: TrackPoint
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
    tracks: Tracks, memory: dict[int, TrackMemory], picture_at: float, now: float
) -> tuple[TrackedObject, ...]:
    """The tracks one by one, each with its step from its last point, which the ``memory`` has by id.

    ``picture_at`` is the capture time of the last picture before this record, ``now`` that of this record.
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
        first_point = TrackPoint(born_x, born_y, born_at)
        known = memory.get(track)
        before, credible = first_point, False
        if known is not None and known.credible:
            before, credible = known.last, True
        elif seen and (first_point if known is None else known.last).at >= picture_at:
            credible = label in CREDIBLE_AT_REST or _moves(label, x, y, height, first_point, now)
        current = x, y, height, tuple(box), label, score, seen
        result.append(TrackedObject(track, *current, first_point, before, credible, row, vx, vy, detection))
    return tuple(result)


def _moves(label: int, x: float, y: float, height: float, first_point: TrackPoint, now: float) -> bool:
    moved = math.hypot(x - first_point.x, y - first_point.y) >= MOVED * height
    return moved and (label != UNKNOWN or now - first_point.at >= UNNAMED_S)
