"""False people: a post, a bin, a scarecrow that a network takes for somebody, now and then or for hours.

On pets09-s2l1 such things give eight boxes a frame at half a dozen fixed places, all with low scores (median .25, nine
in ten below .36). Most lanes have less in them; one that has any is drawn with one or two.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lanewatch.records import PERSON, Float64, UInt8
from streams.simulator.detector import LEAST, NamedBoxes
from streams.simulator.scene import HEIGHT, WIDTH

_PLACES: Final = 0.8  # a camera, on average
_SHOWN: Final = (0.05, 0.5)  # of the frames
_ABOVE: Final = 0.055  # mean of the score above the least
_ONCE: Final = 0.004  # a frame, boxes anywhere for one frame


@dataclass(frozen=True)
class FalsePositives:
    """The places of one camera: boxes (P, 4), how often each shows, and what they look like."""

    boxes: Float64
    shown: Float64
    appearance: UInt8

    @classmethod
    def draw(cls, rng: np.random.Generator, look: UInt8) -> FalsePositives:
        """Any camera's."""
        count = int(rng.poisson(_PLACES))
        return cls(_upright(count, rng), rng.uniform(*_SHOWN, count), look)

    def add(self, named: NamedBoxes, rng: np.random.Generator) -> NamedBoxes:
        """One frame's boxes with the false ones after them."""
        here = self.boxes[rng.random(len(self.shown)) < self.shown]
        boxes = np.concatenate([here + rng.normal(0, 1.0, here.shape), _upright(int(rng.poisson(_ONCE)), rng)])
        if not len(boxes):
            return named
        scores = np.minimum(LEAST + rng.exponential(_ABOVE, len(boxes)), 0.6)
        return NamedBoxes(
            np.concatenate([named.xyxy, boxes]),
            np.concatenate([named.scores, scores]),
            np.concatenate([named.labels, np.full(len(boxes), PERSON, np.uint8)]),
            np.concatenate([named.appearance, np.repeat(self.appearance, len(boxes), axis=0)]),
        )


def _upright(count: int, rng: np.random.Generator) -> Float64:
    """Boxes of a person's shape anywhere in the picture's lower two thirds."""
    tall = rng.uniform(25, 80, count)
    wide = tall * rng.uniform(0.3, 0.55, count)
    x, y = rng.uniform(40, WIDTH - 80, count), rng.uniform(HEIGHT / 3, HEIGHT - 5, count)
    return np.clip(np.stack([x, y - tall, x + wide, y], axis=1), 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
