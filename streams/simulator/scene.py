"""A rural lane before a camera: a pinhole above flat ground, a lane, a field beside it, a place to store sacks.

Positions are in lane coordinates: ``s`` metres along the lane from the picture's middle, and ``d`` metres across it,
away from the camera. The lane is 4 m wide; the verge and then the field follow.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from lanewatch.config.fields import LocalizedName, Schedule
from lanewatch.config.site import Camera, RegisteredVisit, SamplingRate, Site, Zone
from lanewatch.records import Bool, Float64

WIDTH: Final = 960
HEIGHT: Final = 540
LATITUDE: Final = 36.78
LONGITUDE: Final = 126.45
TIME_ZONE: Final = "Asia/Seoul"

LaneRectangle = tuple[float, float, float, float]  # a rectangle in lane coordinates: s from, s to, d from, d to
Polygon = list[tuple[float, float]]

LANE: Final[LaneRectangle] = (-40.0, 40.0, -2.0, 2.0)
_NEAREST_M: Final = 1.0  # metres before the lens; nearer objects are not drawn


@dataclass(frozen=True)
class LaneScene:
    """A camera and its surroundings."""

    height_m: float  # of the camera above the ground
    tilt: float  # radians below the horizon
    focal_px: float
    lane_distance_m: float  # from the camera's foot to the lane's middle, straight on
    lane_angle: float  # radians between the lane and the picture's width
    field: LaneRectangle  # where produce grows
    store: LaneRectangle  # where sacks lie or peppers dry

    @property
    def produce_areas(self) -> dict[str, LaneRectangle]:
        """The produce zones by id."""
        return {"field": self.field, "store": self.store}

    def to_ground(self, positions: Float64) -> Float64:
        """(..., 2) lane coordinates to (..., 2) metres: right and forward of the camera's foot."""
        s, d = positions[..., 0], positions[..., 1]
        cos, sin = math.cos(self.lane_angle), math.sin(self.lane_angle)
        return np.stack([s * cos - d * sin, self.lane_distance_m + s * sin + d * cos], axis=-1)

    def depth(self, points: Float64) -> Float64:
        """(...) metres along the optical axis of (..., 3) points (right, forward, up)."""
        return points[..., 1] * math.cos(self.tilt) + (self.height_m - points[..., 2]) * math.sin(self.tilt)

    def project(self, points: Float64) -> Float64:
        """(..., 3) points to (..., 2) pixels; points behind the lens come out far outside the picture."""
        depth = np.maximum(self.depth(points), _NEAREST_M / 10)
        down = (self.height_m - points[..., 2]) * math.cos(self.tilt) - points[..., 1] * math.sin(self.tilt)
        x = WIDTH / 2 + self.focal_px * points[..., 0] / depth
        y = HEIGHT / 2 + self.focal_px * down / depth
        return np.stack([x, y], axis=-1)

    def boxes(self, positions: Float64, size: Float64) -> tuple[Float64, Float64, Bool]:
        """Boxes of upright cuboids that lie along the lane, from their centres (N, 2) and sizes (N, 3) in metres.

        Returns (N, 4) whole boxes in pixels, (N,) metres from the camera, (N,) whether all is in front of the lens.
        """
        corners = np.array([(a, b, c) for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (0.0, 1.0)])
        solid = corners * size[:, None, :]
        flat = self.to_ground(positions[:, None, :] + solid[..., :2])
        points = np.concatenate([flat, solid[..., 2:]], axis=-1)
        pixels, depth = self.project(points), self.depth(points)
        boxes = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=-1)
        return boxes, depth.mean(axis=1), depth.min(axis=1) > _NEAREST_M

    def outline(self, area: LaneRectangle) -> tuple[tuple[float, float], ...]:
        """The visible part of a rectangle on the ground: corners in fractions of the picture."""
        s0, s1, d0, d1 = area
        corners = np.array([(s0, d0), (s1, d0), (s1, d1), (s0, d1)], np.float64)
        side = np.linspace(0, 1, 40, endpoint=False)[:, None]
        edge = np.concatenate([a + (b - a) * side for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)])
        flat = self.to_ground(edge)
        flat = flat[flat[:, 1] > _NEAREST_M * 2]  # the hull of the rest is the rectangle in front of the lens
        points = self.project(np.concatenate([flat, np.zeros((len(flat), 1))], axis=1)) / (WIDTH, HEIGHT)
        polygon = [(float(x), float(y)) for x, y in points]
        for axis, limit, inside in ((0, 0.0, 1), (0, 1.0, -1), (1, 0.0, 1), (1, 1.0, -1)):
            polygon = _clipped(polygon, axis, limit, inside)
        return _corners(polygon)


def _clipped(polygon: Polygon, axis: int, limit: float, inside: int) -> Polygon:
    """Clips a convex polygon at one side of the picture (Sutherland and Hodgman)."""
    clipped: Polygon = []
    for before, after in zip(polygon[-1:] + polygon[:-1], polygon, strict=True):
        far, near = (before[axis] - limit) * inside, (after[axis] - limit) * inside
        if (far >= 0) != (near >= 0):
            share = far / (far - near)
            clipped.append((before[0] + (after[0] - before[0]) * share, before[1] + (after[1] - before[1]) * share))
        if near >= 0:
            clipped.append(after)
    return clipped


def _corners(polygon: Polygon) -> tuple[tuple[float, float], ...]:
    """Only those points at which the outline turns, as a person would have drawn it."""
    points = np.clip(np.array(polygon), 0, 1)
    before, after = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
    turning = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-9
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in points[turning])


def random_scene(rng: np.random.Generator) -> LaneScene:
    """A random camera on a pole, 5-7 m high and 12-17 m from the lane, which crosses the picture."""
    height, lane_distance = rng.uniform(5.0, 7.0), rng.uniform(12.0, 17.0)
    aimed_at = lane_distance + rng.uniform(2.0, 5.0)
    left = rng.uniform(-10.0, -8.0)
    gap = rng.uniform(1.5, 3.0)
    return LaneScene(
        height_m=float(height),
        tilt=float(math.atan2(height - 1.0, aimed_at)),
        focal_px=float(rng.uniform(640.0, 800.0)),
        lane_distance_m=float(lane_distance),
        lane_angle=float(rng.uniform(-0.35, 0.35)),
        field=(float(left), 2.5, float(rng.uniform(3.8, 4.4)), float(rng.uniform(10.5, 13.0))),
        store=(2.5 + float(gap), 9.0, float(rng.uniform(3.6, 4.2)), 8.5),
    )


def site(
    scene: LaneScene, camera: str, owner_hours: tuple[str, ...], visits: tuple[RegisteredVisit, ...], fps: float
) -> Site:
    """The site file of the camera: zones, the owner's hours, registered visits."""
    owner = f"owner-{camera}"
    names = {
        "field": LocalizedName(ko="고추밭", en="the pepper field"),
        "store": LocalizedName(ko="건조장", en="the drying place"),
    }
    zones = [Zone(id="lane", name=LocalizedName(ko="농로", en="the lane"), kind="lane", polygon=scene.outline(LANE))]
    zones += [
        Zone(id=zone, name=names[zone], kind="produce", polygon=scene.outline(area), owner_hours=owner)
        for zone, area in scene.produce_areas.items()
    ]
    return Site(
        name=LocalizedName(ko="시뮬레이션", en="Simulated lanes"),
        time_zone=TIME_ZONE,
        schedules={owner: Schedule(hours=owner_hours)},
        visits=visits,
        cameras=(
            Camera(
                id=camera,
                name=LocalizedName(ko=f"시뮬레이션 농로 {camera}", en=f"Simulated lane {camera}"),
                url="rtsp://simulated.invalid/lane",
                latitude=LATITUDE,
                longitude=LONGITUDE,
                rate=SamplingRate(active=fps, idle=0.5),
                width=WIDTH,
                zones=tuple(zones),
            ),
        ),
    )
