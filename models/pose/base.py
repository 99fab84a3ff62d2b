"""What a pose estimator is: a picture and people's boxes in, their joints out."""

from __future__ import annotations

from typing import Final, Protocol

from lanewatch.records import Float32, Image

POINTS: Final = 17
SHOULDERS: Final = (5, 6)
HIPS: Final = (11, 12)
ANKLES: Final = (15, 16)
"""Rows of the points that are asked for; the person's left before the right."""


class PoseEstimator(Protocol):
    """A picture and people's boxes in, their joints out; may be called from several threads at once."""

    @property
    def name(self) -> str:
        """Which network it is."""
        ...

    def __call__(self, image: Image, boxes: Float32) -> Float32:
        """The joints of the person in each box.

        Args:
            image: (H, W, 3) uint8, BGR.
            boxes: (N, 4) xyxy, pixels of the image.

        Returns:
            (N, 17, 3) float32: x and y in pixels of the image, and a score in [0, 1]; points that the estimator only
            guesses, such as those out of the picture, have low scores.
        """
        ...
