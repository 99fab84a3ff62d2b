"""A camera's zones and lines in pixels of its frames."""

from __future__ import annotations

import math
from typing import NamedTuple

from detectors.observation.tracked_objects import TrackedObject
from lanewatch import geometry
from lanewatch.config.site import Camera, Line, Zone
from lanewatch.records import Detections


class PixelZone(NamedTuple):
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


class PixelLine(NamedTuple):
    """A line in pixels, and the box around it."""

    line: Line
    segment: geometry.Segment
    left: float
    top: float
    right: float
    bottom: float

    def crossed(self, one: TrackedObject) -> int:
        """Which way somebody's last step crosses it: 1 from left to right, -1 from right to left, 0 not."""
        x, y = one.before.x, one.before.y
        if (one.x < self.left and x < self.left) or (one.x > self.right and x > self.right):
            return 0
        if (one.y < self.top and y < self.top) or (one.y > self.bottom and y > self.bottom):
            return 0
        return geometry.crossing(self.segment, x, y, one.x, one.y)

    def distance(self, one: TrackedObject) -> float:
        """How far somebody stands from the line, prolonged without end, pixels."""
        return abs(geometry.signed_distance(self.segment, one.x, one.y))


class PixelLane(NamedTuple):
    """A zone with a direction: the unit vector in pixels along which it may be taken."""

    area: PixelZone
    along_x: float
    along_y: float


class CameraGeometry:
    """A camera's zones and lines in pixels of one frame size. Constant, so made once and kept beside the fold."""

    def __init__(self, camera: Camera, width: int, height: int) -> None:
        self.camera = camera
        self.width, self.height = width, height
        areas = [_area(zone, width, height) for zone in camera.zones]
        self.areas = tuple(area for area in areas if area.zone.kind != "ignore")
        self._zones = {area.zone.id: area.zone for area in self.areas}
        self.ignored = tuple(area for area in areas if area.zone.kind == "ignore")
        drawn = [_border(line, width, height) for line in camera.lines]
        self.borders = tuple(border for border in drawn if border.line.kind == "line")
        self.fences = tuple(border for border in drawn if border.line.kind == "fence")
        self.lanes = tuple(_lane(area, width, height) for area in self.areas if area.zone.direction is not None)
        self._by_kinds: dict[frozenset[str], tuple[PixelZone, ...]] = {}

    def zone(self, zone: str) -> Zone:
        """The zone of that id, of those that are not ignored."""
        return self._zones[zone]

    def at(self, x: float, y: float) -> str:
        """The id of the first zone in which a point lies, "" where there is none: whose thresholds hold there."""
        return next((area.zone.id for area in self.areas if area.contains(x, y)), "")

    def areas_of(self, kinds: frozenset[str]) -> tuple[PixelZone, ...]:
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


def _area(zone: Zone, width: int, height: int) -> PixelZone:
    polygon = geometry.to_pixels(zone.polygon, width, height)
    left, top = polygon.min(axis=0).tolist()
    right, bottom = polygon.max(axis=0).tolist()
    return PixelZone(zone, polygon.tolist(), left, top, right, bottom)


def _lane(area: PixelZone, width: int, height: int) -> PixelLane:
    (x0, y0), (x1, y1) = geometry.to_pixels(area.zone.direction or (), width, height).tolist()
    length = math.hypot(x1 - x0, y1 - y0)
    return PixelLane(area, (x1 - x0) / length, (y1 - y0) / length)


def _border(line: Line, width: int, height: int) -> PixelLine:
    points = geometry.to_pixels(line.points, width, height)
    left, top = points.min(axis=0).tolist()
    right, bottom = points.max(axis=0).tolist()
    return PixelLine(line, geometry.segment(points), left, top, right, bottom)
