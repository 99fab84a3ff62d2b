"""A camera's zones and lines in pixels of its frames."""

from __future__ import annotations

import math
from typing import NamedTuple

from detectors.observation.tracked_objects import TrackedObject
from lanewatch import geometry
from lanewatch.config.site import Camera, Line, Zone
from lanewatch.records import Detections


class PixelZone(NamedTuple):
    """A zone in pixels: its corners and their bounding box."""

    zone: Zone
    corners: list[list[float]]
    left: float
    top: float
    right: float
    bottom: float

    def contains(self, x: float, y: float) -> bool:
        """Whether a point lies in the zone."""
        if x < self.left or x > self.right or y < self.top or y > self.bottom:
            return False
        return geometry.contains(self.corners, x, y)


class PixelLine(NamedTuple):
    """A line in pixels, and its bounding box."""

    line: Line
    segment: geometry.Segment
    left: float
    top: float
    right: float
    bottom: float

    def crossed(self, track: TrackedObject) -> int:
        """The direction in which a track's last step crosses the line: 1 from left to right, -1 back, 0 not at all."""
        x, y = track.before.x, track.before.y
        if (track.x < self.left and x < self.left) or (track.x > self.right and x > self.right):
            return 0
        if (track.y < self.top and y < self.top) or (track.y > self.bottom and y > self.bottom):
            return 0
        return geometry.crossing(self.segment, x, y, track.x, track.y)

    def distance(self, track: TrackedObject) -> float:
        """The distance of a track's foot point from the infinite line, pixels."""
        return abs(geometry.signed_distance(self.segment, track.x, track.y))


class PixelLane(NamedTuple):
    """A lane in pixels: its zone, and the unit vector of the permitted direction."""

    zone: PixelZone
    along_x: float
    along_y: float


class CameraGeometry:
    """A camera's zones and lines in pixels of one frame size. It is constant, so it is not part of the fold's state."""

    def __init__(self, camera: Camera, width: int, height: int) -> None:
        self.camera = camera
        self.width, self.height = width, height
        zones = [_pixel_zone(zone, width, height) for zone in camera.zones]
        self.zones = tuple(item for item in zones if item.zone.kind != "ignore")
        self._zones_by_id = {item.zone.id: item.zone for item in self.zones}
        self.ignored = tuple(item for item in zones if item.zone.kind == "ignore")
        lines = [_pixel_line(line, width, height) for line in camera.lines]
        self.lines = tuple(item for item in lines if item.line.kind == "line")
        self.fences = tuple(item for item in lines if item.line.kind == "fence")
        self.lanes = tuple(_pixel_lane(item, width, height) for item in self.zones if item.zone.direction is not None)
        self._by_kinds: dict[frozenset[str], tuple[PixelZone, ...]] = {}

    def zone(self, zone: str) -> Zone:
        """The zone with an id, without those of kind ``ignore``."""
        return self._zones_by_id[zone]

    def zone_at(self, x: float, y: float) -> str:
        """The id of the first zone that contains a point; "" if none does. Its thresholds apply there."""
        return next((item.zone.id for item in self.zones if item.contains(x, y)), "")

    def zones_of(self, kinds: frozenset[str]) -> tuple[PixelZone, ...]:
        """The zones of some kinds."""
        if kinds not in self._by_kinds:
            self._by_kinds[kinds] = tuple(item for item in self.zones if item.zone.kind in kinds)
        return self._by_kinds[kinds]

    def ignores(self, detections: Detections) -> list[bool]:
        """For each of the record's boxes, whether it stands in a zone of kind ``ignore``; empty without such zones."""
        if not self.ignored:
            return []
        return [
            any(item.contains((left + right) / 2, bottom) for item in self.ignored)
            for left, _, right, bottom in detections.xyxy.tolist()
        ]


def _pixel_zone(zone: Zone, width: int, height: int) -> PixelZone:
    polygon = geometry.to_pixels(zone.polygon, width, height)
    return PixelZone(zone, polygon.tolist(), *polygon.min(axis=0).tolist(), *polygon.max(axis=0).tolist())


def _pixel_lane(zone: PixelZone, width: int, height: int) -> PixelLane:
    (x0, y0), (x1, y1) = geometry.to_pixels(zone.zone.direction or (), width, height).tolist()
    length = math.hypot(x1 - x0, y1 - y0)
    return PixelLane(zone, (x1 - x0) / length, (y1 - y0) / length)


def _pixel_line(line: Line, width: int, height: int) -> PixelLine:
    points = geometry.to_pixels(line.points, width, height)
    return PixelLine(line, geometry.segment(points), *points.min(axis=0).tolist(), *points.max(axis=0).tolist())
