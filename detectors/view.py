"""What a behaviour is shown at each record: who is followed, where, and what holds at that time."""

from __future__ import annotations

import math
from functools import cached_property
from typing import NamedTuple

import msgspec
import numpy as np

from lanewatch import geometry
from lanewatch.records import LABELS, UNKNOWN, Box, Detections, Float64
from lanewatch.schedule import Schedules
from lanewatch.site import Camera, Line, Zone
from lanewatch.sun import Condition
from models.tracker import Tracks


class Step(NamedTuple):
    """Where a foot was, and when."""

    x: float
    y: float
    at: float


class Trail(msgspec.Struct, frozen=True):
    """What is kept of a track from record to record: where it was seen last, and that it has been ``credible``."""

    last: Step
    credible: bool


MOVED = 1.0
"""Body heights from its birth that something must get to be taken for something that moves."""
FOLLOWED_S = 2.0
"""Seconds for which what has no name must be followed: of 30 unnamed tracks that were nobody on pets09-s2l1 (tape and
branches in the wind, pieces of people) the longest lived for 7 s, and none got as far as its own height."""
THEMSELVES = frozenset(LABELS.index(name) for name in ("person", "cat", "dog"))
"""Those that need not move to be somebody: who stands still is there, a vehicle that stands still is parked."""


class Followed(NamedTuple):
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
        row: Its row in ``View.tracks``.
    """

    id: int
    x: float
    y: float
    height: float
    box: Box
    label: int
    score: float
    seen: bool
    born: Step
    before: Step
    credible: bool
    row: int


class Area(NamedTuple):
    """A zone in pixels: its corners and the box around them."""

    zone: Zone
    corners: list[list[float]]
    left: float
    top: float
    right: float
    bottom: float

    def contains(self, x: float, y: float) -> bool:
        """Whether a point lies in it."""
        if x < self.left or x > self.right or y < self.top or y > self.bottom:
            return False
        return geometry.contains(self.corners, x, y)


class Border(NamedTuple):
    """A line in pixels, (2, 2), and the box around it."""

    line: Line
    points: Float64
    left: float
    top: float
    right: float
    bottom: float

    def crossed(self, one: Followed) -> int:
        """Which way somebody's last step crosses it: 1 from left to right, -1 from right to left, 0 not."""
        x, y = one.before.x, one.before.y
        if (one.x < self.left and x < self.left) or (one.x > self.right and x > self.right):
            return 0
        if (one.y < self.top and y < self.top) or (one.y > self.bottom and y > self.bottom):
            return 0
        return int(geometry.crosses(self.points, np.array([[x, y]]), np.array([[one.x, one.y]]))[0])

    def distance(self, one: Followed) -> float:
        """How far somebody stands from the line, prolonged without end, pixels."""
        return abs(float(geometry.side(self.points, np.array([[one.x, one.y]]))[0]))


class Ground:
    """A camera's zones and lines in pixels of one frame size. Constant, so made once and kept beside the fold."""

    def __init__(self, camera: Camera, width: int, height: int) -> None:
        self.camera = camera
        self.width, self.height = width, height
        areas = [_area(zone, width, height) for zone in camera.zones]
        self.areas = tuple(area for area in areas if area.zone.kind != "ignore")
        self._zones = {area.zone.id: area.zone for area in self.areas}
        self.ignored = tuple(area for area in areas if area.zone.kind == "ignore")
        self.borders = tuple(_border(line, width, height) for line in camera.lines)
        self._by_kinds: dict[frozenset[str], tuple[Area, ...]] = {}

    def zone(self, zone: str) -> Zone:
        """The zone of that id, of those that are not ignored."""
        return self._zones[zone]

    def areas_of(self, kinds: frozenset[str]) -> tuple[Area, ...]:
        """The zones of those kinds."""
        found = self._by_kinds.get(kinds)
        if found is None:
            found = self._by_kinds[kinds] = tuple(area for area in self.areas if area.zone.kind in kinds)
        return found

    def ignores(self, detections: Detections) -> list[bool]:
        """Which of the record's boxes stand in a zone of which nothing is looked at."""
        return [
            any(area.contains((left + right) / 2, bottom) for area in self.ignored)
            for left, _, right, bottom in detections.xyxy.tolist()
        ]


def _area(zone: Zone, width: int, height: int) -> Area:
    polygon = geometry.pixels(zone.polygon, width, height)
    left, top = polygon.min(axis=0).tolist()
    right, bottom = polygon.max(axis=0).tolist()
    return Area(zone, polygon.tolist(), left, top, right, bottom)


def _border(line: Line, width: int, height: int) -> Border:
    points = geometry.pixels(line.points, width, height)
    left, top = points.min(axis=0).tolist()
    right, bottom = points.max(axis=0).tolist()
    return Border(line, points, left, top, right, bottom)


class View:
    """One record of one camera, as the behaviours see it. Nothing in it changes, and nothing in it is wall clock.

    Attributes:
        captured_at: Capture time, seconds UTC.
        elapsed_s: Since the record before, whichever it was; 0 at the first.
        looked: A picture was scored; False at the ticks of a still camera, at which everybody stays as they were.
        detections: The whole record, with ``scene``, ``profile`` and keypoints.
        tracks: The tracker's arrays, for those who compute on all of them at once.
        followed: The same, one after the other.
        ground: The camera's geometry in pixels.
    """

    def __init__(
        self,
        detections: Detections,
        tracks: Tracks,
        followed: tuple[Followed, ...],
        ground: Ground,
        schedules: Schedules,
        elapsed_s: float,
    ) -> None:
        self.detections = detections
        self.captured_at = detections.captured_at
        self.looked = detections.gap is None
        self.tracks = tracks
        self.followed = followed
        self.ground = ground
        self.elapsed_s = elapsed_s
        self._schedules = schedules

    def holds(self, schedule: str | None) -> bool:
        """Whether a schedule of the site holds now."""
        return self._schedules.holds(schedule, self.captured_at)

    @cached_property
    def condition(self) -> Condition:
        """Day, dusk or night at the camera; night too where the camera sees by infrared, whatever the sun does."""
        if self.detections.profile == "infrared":
            return "night"
        return self._schedules.condition(self.captured_at)


def follow(tracks: Tracks, trails: dict[int, Trail], looked_at: float, now: float) -> tuple[Followed, ...]:
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
        strict=True,
    )
    result = []
    for row, (track, (x, y), height, box, label, score, seen, born_at, (born_x, born_y)) in enumerate(columns):
        born = Step(born_x, born_y, born_at)
        trail = trails.get(track)
        before, credible = born, False
        if trail is not None and trail.credible:
            before, credible = trail.last, True
        elif seen and (born if trail is None else trail.last).at >= looked_at:
            credible = label in THEMSELVES or _moves(label, x, y, height, born, now)
        result.append(Followed(track, x, y, height, tuple(box), label, score, seen, born, before, credible, row))
    return tuple(result)


def _moves(label: int, x: float, y: float, height: float, born: Step, now: float) -> bool:
    far = math.hypot(x - born.x, y - born.y) >= MOVED * height
    return far and (label != UNKNOWN or now - born.at >= FOLLOWED_S)
