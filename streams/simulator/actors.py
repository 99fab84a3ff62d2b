"""People and vehicles before the camera: their paths in lane coordinates, and how the paths are made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from lanewatch.records import Float64
from streams.simulator.walking import STEP_S, WalkingPaths

LanePoint = tuple[float, float]  # lane coordinates: metres along the lane, metres across it
SIZES_M: Final[dict[str, tuple[float, float, float]]] = {
    "person": (0.55, 0.5, 1.68),
    "truck": (5.1, 1.75, 2.0),
    "van": (5.1, 1.9, 1.95),
    "car": (4.6, 1.85, 1.5),
    "motorcycle": (1.95, 0.7, 1.55),
    "bicycle": (1.7, 0.55, 1.65),
    "cart": (1.4, 0.8, 0.9),
    "dog": (0.8, 0.3, 0.6),
    "cat": (0.45, 0.2, 0.3),
    "deer": (1.0, 0.4, 0.8),
    "sack": (0.8, 0.6, 0.5),
}
"""Length along the lane, width across it, height. A truck carries one ton, a van is a minibus, a deer a water deer."""
BENT_HEIGHT: Final = 0.62  # share of the full height of a person who is bent over to pick
LANE_END_M: Final = 38.0  # vehicles appear and disappear at this distance from the middle of the picture
_SWAY_M: Final = 0.06  # of a person who stands
_BRAKING: Final = 1.6  # metres per second squared


@dataclass(frozen=True)
class Actor:
    """A person, vehicle or animal, present from its first time to its last.

    The same name has the same appearance, such as a driver who gets out of a car and in again.
    """

    name: str
    kind: str  # a key of ``SIZES_M``
    times: Float64  # (N,) seconds, rising
    positions: Float64  # (N, 2) lane coordinates
    height_scale: Float64  # (N,) share of the full height
    active: Float64  # (N,) 1 if the actor moves even while it stays in its place
    permanent: bool = False  # scenery, for which alone the sampler does not sample faster


@dataclass(frozen=True)
class StationaryPeriod:
    """An object that stands still, or a place from which one was removed: the sampler may see a stationary region."""

    kind: str
    position: LanePoint
    start: float
    end: float


@dataclass
class Route:
    """A person's path, built step by step."""

    walking: WalkingPaths
    rng: np.random.Generator
    time: float
    position: LanePoint
    _rows: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._append(self.time, self.position)

    def walk_to(self, position: LanePoint, pace: float = 1.0) -> Route:
        """Walks to a position; a position within 0.3 m is already reached."""
        offset = np.subtract(position, self.position)
        metres = float(np.hypot(*offset))
        if metres < 0.3:
            return self
        along = offset / metres
        path = self.walking.path(metres, pace, self.rng)
        start = np.array(self.position)
        for number, (u, v) in enumerate(path[1:], 1):
            point = start + u * along + v * np.array([-along[1], along[0]])
            self._append(self.time + number * STEP_S, (float(point[0]), float(point[1])))
        self.time += (len(path) - 1) * STEP_S
        self.position = position
        return self

    def stay(self, seconds: float, *, active: bool = False) -> Route:
        """Stays in place; ``active``: bent over and moving to and fro a little."""
        steps = max(int(seconds / STEP_S), 1)
        reach = 0.35 if active else _SWAY_M
        for number in range(1, steps + 1):
            s, d = self.position + self.rng.normal(0, reach, 2)
            height_scale = BENT_HEIGHT if active and number < steps else 1.0
            self._append(self.time + number * seconds / steps, (s, d), height_scale, float(active))
        self.time += seconds
        return self

    def actor(self, name: str, kind: str = "person") -> Actor:
        """The actor that moves along this route."""
        rows = np.array(self._rows)
        return Actor(name, kind, rows[:, 0], rows[:, 1:3], rows[:, 3], rows[:, 4])

    def _append(self, time: float, position: LanePoint, height_scale: float = 1.0, active: float = 0.0) -> None:
        self._rows.append((time, position[0], position[1], height_scale, active))


@dataclass(frozen=True)
class VehicleStop:
    """A vehicle that arrives, stands and leaves."""

    actor: Actor
    stopped_at: float
    leaves_at: float
    position: LanePoint


def arrival_s(position: LanePoint, direction: float, *, pace: float = 7.0) -> float:
    """Seconds that a vehicle needs from the end of the lane until it stands at a position."""
    return float(_braking_profile(abs(position[0] + LANE_END_M * direction), pace)[-1, 0])


def drive_and_stop(
    kind: str, name: str, position: LanePoint, stop_s: float, *, direction: float, start: float = 0.0, pace: float = 7.0
) -> VehicleStop:
    """A vehicle that drives along the lane (direction 1, or -1 against it), stands at a position and drives on.

    ``start`` is when it appears at the end of the lane, ``pace`` its speed in metres a second.
    """
    begin, end = -LANE_END_M * direction, LANE_END_M * direction
    arriving, leaving = (_braking_profile(abs(lane_end - position[0]), pace) for lane_end in (begin, end))
    stopped_at = start + float(arriving[-1, 0])
    leaves_at = stopped_at + stop_s
    gone_at = leaves_at + float(leaving[-1, 0])
    times = np.concatenate([arriving[:, 0] + start, gone_at - leaving[::-1, 0] + 1e-3])
    positions = [
        _pulled_over(begin + np.sign(position[0] - begin) * arriving[:, 1], begin, position),
        _pulled_over(end - np.sign(end - position[0]) * leaving[::-1, 1], end, position),
    ]
    actor = Actor(name, kind, times, np.concatenate(positions), np.ones(len(times)), np.zeros(len(times)))
    return VehicleStop(actor, stopped_at, leaves_at, position)


def drive_through(
    kind: str, name: str, start: float, *, pace: float, direction: float, reach_m: float = LANE_END_M
) -> Actor:
    """A vehicle that drives along the lane without a stop."""
    times = np.array([start, start + 2 * reach_m / pace])
    positions = np.array([(-reach_m * direction, 0.0), (reach_m * direction, 0.0)])
    return Actor(name, kind, times, positions, np.ones(2), np.zeros(2))


def _braking_profile(metres: float, pace: float) -> Float64:
    """(N, 2) seconds and metres driven, on a way that ends at rest."""
    braking_s = min(pace / _BRAKING, (2 * metres / _BRAKING) ** 0.5)
    top = braking_s * _BRAKING
    steady_s = max(metres - top * braking_s / 2, 0.0) / top
    times = np.concatenate([[0.0], steady_s + np.linspace(0, braking_s, 12)])
    remaining = _BRAKING * (times[-1] - times) ** 2 / 2
    driven = np.where(times < steady_s, times * top, metres - remaining)
    rows: Float64 = np.stack([times, driven], axis=1)
    rising: Float64 = rows[np.concatenate([[True], np.diff(times) > 0])]
    return rising


def _pulled_over(s: Float64, lane_end: float, position: LanePoint) -> Float64:
    """(N, 2) positions: the vehicle leaves the lane's middle only within the last eight metres."""
    near = np.clip(1 - np.abs(s - position[0]) / 8.0, 0, 1) * (abs(lane_end - position[0]) > 8.0)
    return np.stack([s, position[1] * near], axis=1)
