"""The protocol of pose estimators: a picture and people's boxes in, their keypoints out."""

from __future__ import annotations

from typing import Final, Protocol

from lanewatch.records import Float32, Image

POINTS: Final = 17
SHOULDERS: Final = (5, 6)
HIPS: Final = (11, 12)
ANKLES: Final = (15, 16)
"""Rows of the keypoints that behaviours use; the person's left before the right."""


class PoseEstimator(Protocol):
    """A picture and people's boxes in, their keypoints out. Thread-safe."""

    @property
    def name(self) -> str:
        """The network's name."""
        ...

    def __call__(self, image: Image, boxes: Float32) -> Float32:
        """(N, 17, 3) float32, the keypoints of the person in each of (N, 4) boxes: x, y (pixels) and a score in [0, 1].

        Keypoints that are only guessed, such as those outside of the picture, have low scores.
        """
        ...
