"""Motion that is not a person or vehicle: insects at the lens, cobwebs, rain, headlights.

The records hold it as the sampler's motion boxes, without a class. Its true distribution is unknown. Sizes and rates
are estimates from such pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from lanewatch.records import Float64
from streams.simulator.detector import clip_to_image
from streams.simulator.scene import HEIGHT, WIDTH


@dataclass(frozen=True)
class NuisanceMotion:
    """A period with one kind of nuisance motion; its strength is 0-1."""

    kind: str
    start: float
    end: float
    strength: float

    def boxes(self, time: float, rng: np.random.Generator) -> Float64:
        """(N, 4) motion boxes of the sampler at an instant."""
        return _KINDS[self.kind](self, time, rng)

    @property
    def floods_picture(self) -> bool:
        """Whether the whole picture becomes lighter, so that the sampler learns its background anew."""
        return self.kind == "headlights" and self.strength > 0.8


def _boxes(centre: Float64, width: Float64, height: Float64) -> Float64:
    half = np.stack([width, height], axis=1) / 2
    return clip_to_image(np.concatenate([centre - half, centre + half], axis=1), (WIDTH, HEIGHT))


def _insects(insects: NuisanceMotion, time: float, rng: np.random.Generator) -> Float64:
    """One or several, at new places each time: they cross the picture within a frame or two."""
    count = int(rng.poisson(1.0 + 1.5 * insects.strength))
    side = rng.uniform(14, 40 + 110 * insects.strength, count)
    centre = rng.uniform((0, 0), (WIDTH, HEIGHT), (count, 2))
    return _boxes(centre, side, side * rng.uniform(0.4, 1.6, count))


def _web(web: NuisanceMotion, time: float, rng: np.random.Generator) -> Float64:
    """A long box that swings in one place and is not always visible."""
    if rng.random() > 0.35 + 0.4 * web.strength:
        return np.zeros((0, 4))
    place = np.array([[WIDTH * (0.15 + 0.7 * web.strength), HEIGHT * 0.3]])
    swing = np.array([[np.sin(time * 1.3) * 18, np.sin(time * 0.7) * 9]])
    return _boxes(place + swing + rng.normal(0, 3, (1, 2)), rng.uniform(30, 80, 1), rng.uniform(60, 170, 1))


def _rain(rain: NuisanceMotion, time: float, rng: np.random.Generator) -> Float64:
    """Many small upright streaks anywhere."""
    count = int(rng.poisson(2 + 10 * rain.strength))
    height = rng.uniform(12, 60, count)
    return _boxes(rng.uniform((0, 0), (WIDTH, HEIGHT), (count, 2)), height * rng.uniform(0.15, 0.6, count), height)


def _headlights(lights: NuisanceMotion, time: float, rng: np.random.Generator) -> Float64:
    """A patch of light on the ground ahead of its vehicle."""
    share = (time - lights.start) / max(lights.end - lights.start, 1e-6)
    centre = np.array([[WIDTH * (share if lights.strength > 0.5 else 1 - share), HEIGHT * 0.6]])
    width = np.array([WIDTH * (0.2 + 0.3 * lights.strength)])
    return _boxes(centre + rng.normal(0, 10, (1, 2)), width, width * 0.3)


_KINDS: Final[dict[str, Callable[[NuisanceMotion, float, np.random.Generator], Float64]]] = {
    "insects": _insects,
    "web": _web,
    "rain": _rain,
    "headlights": _headlights,
}
