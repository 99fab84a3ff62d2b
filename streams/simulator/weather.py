"""What moves in the picture and is nobody: insects before the lens, spiders' webs, rain, headlights.

It comes as boxes of what moved, the sampler's own, without a name. Nothing is known of their true distribution; sizes
and rates are such as one sees in such pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from lanewatch.records import Float64
from streams.simulator.scene import HEIGHT, WIDTH

Size = tuple[float, float]


@dataclass(frozen=True)
class Weather:
    """From when until when, what of it, and how strong (0-1)."""

    kind: str
    since: float
    until: float
    strength: float

    def after(self, seconds: float) -> Weather:
        """The same, later."""
        return replace(self, since=self.since + seconds, until=self.until + seconds)

    def moved(self, at: float, rng: np.random.Generator) -> Float64:
        """(N, 4) what the sampler sees move at an instant."""
        return _KINDS[self.kind](self, at, rng)

    @property
    def dazzles(self) -> bool:
        """The picture as a whole becomes lighter, so that the sampler learns its background anew."""
        return self.kind == "headlights" and self.strength > 0.8


def _boxes(middle: Float64, width: Float64, height: Float64) -> Float64:
    half = np.stack([width, height], axis=1) / 2
    boxes = np.concatenate([middle - half, middle + half], axis=1)
    inside: Float64 = np.clip(boxes, 0, np.array([WIDTH, HEIGHT] * 2, np.float64))
    return inside


def _insects(one: Weather, at: float, rng: np.random.Generator) -> Float64:
    """One or some, each time somewhere else: they cross the picture within a frame or two."""
    count = int(rng.poisson(1.0 + 1.5 * one.strength))
    side = rng.uniform(14, 40 + 110 * one.strength, count)
    middle = rng.uniform((0, 0), (WIDTH, HEIGHT), (count, 2))
    return _boxes(middle, side, side * rng.uniform(0.4, 1.6, count))


def _web(one: Weather, at: float, rng: np.random.Generator) -> Float64:
    """Swings in one place: a long box that comes and goes."""
    if rng.random() > 0.35 + 0.4 * one.strength:
        return np.zeros((0, 4))
    place = np.array([[WIDTH * (0.15 + 0.7 * one.strength), HEIGHT * 0.3]])
    swing = np.array([[np.sin(at * 1.3) * 18, np.sin(at * 0.7) * 9]])
    return _boxes(place + swing + rng.normal(0, 3, (1, 2)), rng.uniform(30, 80, 1), rng.uniform(60, 170, 1))


def _rain(one: Weather, at: float, rng: np.random.Generator) -> Float64:
    """Streaks anywhere, many, small and upright."""
    count = int(rng.poisson(2 + 10 * one.strength))
    tall = rng.uniform(12, 60, count)
    return _boxes(rng.uniform((0, 0), (WIDTH, HEIGHT), (count, 2)), tall * rng.uniform(0.15, 0.6, count), tall)


def _headlights(one: Weather, at: float, rng: np.random.Generator) -> Float64:
    """A patch of light that comes along the ground before its vehicle does."""
    share = (at - one.since) / max(one.until - one.since, 1e-6)
    middle = np.array([[WIDTH * (share if one.strength > 0.5 else 1 - share), HEIGHT * 0.6]])
    wide = np.array([WIDTH * (0.2 + 0.3 * one.strength)])
    return _boxes(middle + rng.normal(0, 10, (1, 2)), wide, wide * 0.3)


_KINDS: Final[dict[str, Callable[[Weather, float, np.random.Generator], Float64]]] = {
    "insects": _insects,
    "web": _web,
    "rain": _rain,
    "headlights": _headlights,
}
