"""Who and what moves before the camera: paths in lane coordinates, and how people and vehicles come to follow them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from lanewatch.records import Float64
from streams.simulator.walking import STEP_S, WalkingPaths

Spot = tuple[float, float]
"""Lane coordinates: metres along the lane, metres across it."""

SIZES: Final[dict[str, tuple[float, float, float]]] = {
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
"""Metres along the lane, across it, and high: a one-ton truck, a minibus, ..., a water deer, a sack of peppers."""
BUSY: Final = 0.62
"""Of one's height while picking, bent over."""
_SWAY: Final = 0.06  # metres that one who stands sways
_BRAKE: Final = 1.6  # metres per second squared


@dataclass(frozen=True)
class Actor:
    """One thing with a look of its own, there from its first time to its last.

    Attributes:
        who: The same name is the same look: somebody who gets out of a car and in again.
        kind: A key of ``SIZES``.
        times: (N,) seconds, rising.
        spots: (N, 2) lane coordinates then.
        tall: (N,) of the full height.
        busy: (N,) moves even where it stays in its place.
        lasts: Scenery: it alone makes nobody look.
    """

    who: str
    kind: str
    times: Float64
    spots: Float64
    tall: Float64
    busy: Float64
    lasts: bool = False

    def after(self, seconds: float, who: str) -> Actor:
        """The same, later, under another name."""
        return replace(self, times=self.times + seconds, who=who)


@dataclass(frozen=True)
class ParkedPeriod:
    """Something that has come to rest, or is gone from where it was: the sampler may see a region that stays."""

    kind: str
    spot: Spot
    since: float
    until: float


@dataclass
class Route:
    """A person's way, put together step by step."""

    gaits: WalkingPaths
    rng: np.random.Generator
    at: float
    spot: Spot
    _rows: list[tuple[float, float, float, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._row(self.at, self.spot)

    def to(self, spot: Spot, pace: float = 1.0) -> Route:
        """Walks there."""
        away = np.subtract(spot, self.spot)
        metres = float(np.hypot(*away))
        if metres < 0.3:
            return self
        along = away / metres
        way = self.gaits.steps(metres, pace, self.rng)
        begin = np.array(self.spot)
        for number, (u, v) in enumerate(way[1:], 1):
            here = begin + u * along + v * np.array([-along[1], along[0]])
            self._row(self.at + number * STEP_S, (float(here[0]), float(here[1])))
        self.at += (len(way) - 1) * STEP_S
        self.spot = spot
        return self

    def stay(self, seconds: float, *, busy: bool = False) -> Route:
        """Stays; ``busy``: bent over, and moving a little to and fro."""
        steps = max(int(seconds / STEP_S), 1)
        reach = 0.35 if busy else _SWAY
        for number in range(1, steps + 1):
            s, d = self.spot + self.rng.normal(0, reach, 2)
            tall = BUSY if busy and number < steps else 1.0
            self._row(self.at + number * seconds / steps, (s, d), tall, float(busy))
        self.at += seconds
        return self

    def done(self, who: str, kind: str = "person") -> Actor:
        """Whom it makes."""
        rows = np.array(self._rows)
        return Actor(who, kind, rows[:, 0], rows[:, 1:3], rows[:, 3], rows[:, 4])

    def _row(self, at: float, spot: Spot, tall: float = 1.0, busy: float = 0.0) -> None:
        self._rows.append((at, spot[0], spot[1], tall, busy))


@dataclass(frozen=True)
class Stop:
    """A vehicle that comes, stands and goes."""

    actor: Actor
    stands: float
    leaves: float
    spot: Spot
    gone: float


def drive(
    kind: str,
    who: str,
    at: float,
    spot: Spot,
    stands_s: float,
    *,
    begin: float = -38.0,
    end: float = 38.0,
    pace: float = 7.0,
) -> Stop:
    """Comes along the lane, stands at a spot, goes on.

    Args:
        kind: of vehicle.
        who: its name.
        at: when it comes into being, far off.
        spot: where it stands, lane coordinates.
        stands_s: for so long.
        begin: where along the lane it comes from,
        end: and goes to.
        pace: metres a second.
    """
    sign = np.sign(spot[0] - begin)
    came = _roll(abs(spot[0] - begin), pace)
    times = [came[:, 0] + at]
    spots = [_drift(begin + sign * came[:, 1], begin, spot)]
    stands = at + float(came[-1, 0])
    leaves = stands + stands_s
    went = _roll(abs(end - spot[0]), pace)
    gone = leaves + float(went[-1, 0])
    times.append(gone - went[::-1, 0] + 1e-3)
    turn = np.sign(end - spot[0])
    spots.append(_drift(end - turn * went[::-1, 1], end, spot))
    all_times = np.concatenate(times)
    ones = np.ones(len(all_times))
    actor = Actor(who, kind, all_times, np.concatenate(spots), ones, ones * 0)
    return Stop(actor, stands, leaves, spot, gone)


def drive_by(kind: str, who: str, at: float, *, pace: float, begin: float = -38.0, end: float = 38.0) -> Actor:
    """Goes along the lane without a stop."""
    seconds = abs(end - begin) / pace
    times = np.array([at, at + seconds])
    spots = np.array([(begin, 0.0), (end, 0.0)])
    return Actor(who, kind, times, spots, np.ones(2), np.zeros(2))


def _roll(metres: float, pace: float) -> Float64:
    """(N, 2) seconds and metres gone on a way that ends at rest."""
    braking = min(pace / _BRAKE, (2 * metres / _BRAKE) ** 0.5)
    top = braking * _BRAKE
    steady = max(metres - top * braking / 2, 0.0) / top
    times = np.concatenate([[0.0], steady + np.linspace(0, braking, 12)])
    left = _BRAKE * (times[-1] - times) ** 2 / 2
    gone = np.where(times < steady, times * top, metres - left)
    rows: Float64 = np.stack([times, gone], axis=1)
    rising: Float64 = rows[np.concatenate([[True], np.diff(times) > 0])]
    return rising


def _drift(s: Float64, far: float, spot: Spot) -> Float64:
    """It leaves the lane's middle only within the last eight metres."""
    near = np.clip(1 - np.abs(s - spot[0]) / 8.0, 0, 1) * (abs(far - spot[0]) > 8.0)
    return np.stack([s, spot[1] * near], axis=1)
