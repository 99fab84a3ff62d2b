"""A rural lane as a camera sees it: a pinhole above flat ground, a lane, a field beside it, a place where sacks lie.

Things stand in lane coordinates: ``s`` metres along the lane from the picture's middle, ``d`` metres across it, away
from the camera. The lane is 4 m wide, then comes a verge, then the field.
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

Area = tuple[float, float, float, float]
"""A rectangle in lane coordinates: s from, s to, d from, d to."""

LANE: Final[Area] = (-40.0, 40.0, -2.0, 2.0)
_NEAR: Final = 1.0  # metres before the lens, within which nothing is drawn


@dataclass(frozen=True)
class LaneScene:
    """One camera's place.

    Attributes:
        high_m: The camera above the ground.
        tilt: Radians below the horizon.
        focal: Pixels.
        away_m: From the camera's foot to the lane's middle, straight on.
        turn: Radians by which the lane is turned against the picture's width.
        field: Where produce grows.
        store: Where sacks lie or peppers dry.
    """

    high_m: float
    tilt: float
    focal: float
    away_m: float
    turn: float
    field: Area
    store: Area

    @property
    def places(self) -> dict[str, Area]:
        """The produce zones by id."""
        return {"field": self.field, "store": self.store}

    def ground(self, spots: Float64) -> Float64:
        """(..., 2) lane coordinates to (..., 2) metres: right and forward of the camera's foot."""
        s, d = spots[..., 0], spots[..., 1]
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        return np.stack([s * cos - d * sin, self.away_m + s * sin + d * cos], axis=-1)

    def depth(self, points: Float64) -> Float64:
        """(...) metres along the optical axis of (..., 3) points (right, forward, up)."""
        return points[..., 1] * math.cos(self.tilt) + (self.high_m - points[..., 2]) * math.sin(self.tilt)

    def project(self, points: Float64) -> Float64:
        """(..., 3) points to (..., 2) pixels; what is behind the lens comes out far outside the picture."""
        depth = np.maximum(self.depth(points), _NEAR / 10)
        down = (self.high_m - points[..., 2]) * math.cos(self.tilt) - points[..., 1] * math.sin(self.tilt)
        x = WIDTH / 2 + self.focal * points[..., 0] / depth
        y = HEIGHT / 2 + self.focal * down / depth
        return np.stack([x, y], axis=-1)

    def boxes(self, spots: Float64, size: Float64) -> tuple[Float64, Float64, Bool]:
        """Boxes of upright cuboids that lie along the lane.

        Args:
            spots: (N, 2) lane coordinates of their middles.
            size: (N, 3) metres: along the lane, across, high.

        Returns:
            (N, 4) whole boxes in pixels, (N,) metres from the camera, (N,) whether all of it is before the lens.
        """
        corners = np.array([(a, b, c) for a in (-0.5, 0.5) for b in (-0.5, 0.5) for c in (0.0, 1.0)])
        solid = corners * size[:, None, :]
        flat = self.ground(spots[:, None, :] + solid[..., :2])
        points = np.concatenate([flat, solid[..., 2:]], axis=-1)
        pixels = self.project(points)
        depth = self.depth(points)
        boxes = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=-1)
        return boxes, depth.mean(axis=1), depth.min(axis=1) > _NEAR

    def outline(self, area: Area) -> tuple[tuple[float, float], ...]:
        """What of a rectangle on the ground is in the picture, corners in fractions of it."""
        s0, s1, d0, d1 = area
        corners = np.array([(s0, d0), (s1, d0), (s1, d1), (s0, d1)], np.float64)
        side = np.linspace(0, 1, 40, endpoint=False)[:, None]
        edge = np.concatenate([a + (b - a) * side for a, b in zip(corners, np.roll(corners, -1, 0), strict=True)])
        flat = self.ground(edge)
        flat = flat[flat[:, 1] > _NEAR * 2]  # the hull of what remains is the rectangle before the lens
        points = self.project(np.concatenate([flat, np.zeros((len(flat), 1))], axis=1)) / (WIDTH, HEIGHT)
        polygon = [(float(x), float(y)) for x, y in points]
        for axis, limit, keep in ((0, 0.0, 1), (0, 1.0, -1), (1, 0.0, 1), (1, 1.0, -1)):
            polygon = _clipped(polygon, axis, limit, keep)
        return _rounded(polygon)


def _clipped(polygon: list[tuple[float, float]], axis: int, limit: float, keep: int) -> list[tuple[float, float]]:
    """Sutherland and Hodgman's clipping of a convex polygon by one side of the picture."""
    kept: list[tuple[float, float]] = []
    for before, after in zip(polygon[-1:] + polygon[:-1], polygon, strict=True):
        far, near = (before[axis] - limit) * keep, (after[axis] - limit) * keep
        if (far >= 0) != (near >= 0):
            share = far / (far - near)
            kept.append((before[0] + (after[0] - before[0]) * share, before[1] + (after[1] - before[1]) * share))
        if near >= 0:
            kept.append(after)
    return kept


def _rounded(polygon: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """The corners that a person would have drawn: those at which the outline turns."""
    points = np.clip(np.array(polygon), 0, 1)
    before, after = points - np.roll(points, 1, 0), np.roll(points, -1, 0) - points
    turning = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-9
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in points[turning])


def draw(rng: np.random.Generator) -> LaneScene:
    """Any one camera at a lane: 5-7 m up on a pole, 12-17 m from the lane, which crosses the picture."""
    high, away = rng.uniform(5.0, 7.0), rng.uniform(12.0, 17.0)
    looks_at = away + rng.uniform(2.0, 5.0)
    left = rng.uniform(-10.0, -8.0)
    gap = rng.uniform(1.5, 3.0)
    return LaneScene(
        high_m=float(high),
        tilt=float(math.atan2(high - 1.0, looks_at)),
        focal=float(rng.uniform(640.0, 800.0)),
        away_m=float(away),
        turn=float(rng.uniform(-0.35, 0.35)),
        field=(float(left), 2.5, float(rng.uniform(3.8, 4.4)), float(rng.uniform(10.5, 13.0))),
        store=(2.5 + float(gap), 9.0, float(rng.uniform(3.6, 4.2)), 8.5),
    )


def site(
    scene: LaneScene, camera: str, owner_hours: tuple[str, ...], visits: tuple[RegisteredVisit, ...], fps: float
) -> Site:
    """What a city would have drawn and written down for the camera: zones, the owner's hours, registered visits."""
    owner = f"owner-{camera}"
    names = {
        "field": LocalizedName(ko="고추밭", en="the pepper field"),
        "store": LocalizedName(ko="건조장", en="the drying place"),
    }
    zones = [Zone(id="lane", name=LocalizedName(ko="농로", en="the lane"), kind="lane", polygon=scene.outline(LANE))]
    zones += [
        Zone(id=place, name=names[place], kind="produce", polygon=scene.outline(area), owner_hours=owner)
        for place, area in scene.places.items()
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
