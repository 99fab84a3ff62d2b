"""False people: a post, a bin or a scarecrow that a network classifies as a person, now and then or for hours.

On pets09-s2l1 there are eight such boxes a frame, at half a dozen fixed places. All their scores are low (median .25,
nine in ten below .36). Most lanes have fewer such objects; a simulated camera has .8 on average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from lanewatch.records import PERSON, Float64, UInt8
from streams.simulator.detector import MIN_SCORE, DetectedBoxes
from streams.simulator.scene import HEIGHT, WIDTH

_PLACES: Final = 0.8  # mean number a camera
_FREQUENCY: Final = (0.05, 0.5)  # share of the frames
_SCORE_EXCESS: Final = 0.055  # mean score above the least
_TRANSIENT: Final = 0.004  # mean number a frame of boxes that show for one frame only


@dataclass(frozen=True)
class FalsePositives:
    """The false people of a camera."""

    boxes: Float64  # (P, 4)
    frequency: Float64  # (P,) share of the frames in which each shows
    appearance: UInt8  # (1, 144) of all of them

    @classmethod
    def random(cls, rng: np.random.Generator, appearance: UInt8) -> FalsePositives:
        """Those of a random camera."""
        count = int(rng.poisson(_PLACES))
        return cls(_upright_boxes(count, rng), rng.uniform(*_FREQUENCY, count), appearance)

    def add_to(self, detected: DetectedBoxes, rng: np.random.Generator) -> DetectedBoxes:
        """A frame's boxes, followed by the false ones."""
        shown = self.boxes[rng.random(len(self.frequency)) < self.frequency]
        shown = shown + rng.normal(0, 1.0, shown.shape)
        boxes = np.concatenate([shown, _upright_boxes(int(rng.poisson(_TRANSIENT)), rng)])
        scores = np.minimum(MIN_SCORE + rng.exponential(_SCORE_EXCESS, len(boxes)), 0.6)
        return detected.extended(boxes, scores, PERSON, np.repeat(self.appearance, len(boxes), axis=0))


def _upright_boxes(count: int, rng: np.random.Generator) -> Float64:
    """Boxes of a person's shape anywhere in the lower two thirds of the picture."""
    height = rng.uniform(25, 80, count)
    width = height * rng.uniform(0.3, 0.55, count)
    x, y = rng.uniform(40, WIDTH - 80, count), rng.uniform(HEIGHT / 3, HEIGHT - 5, count)
    return np.clip(np.stack([x, y - height, x + width, y], axis=1), 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
