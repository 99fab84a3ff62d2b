"""Selects the moving regions that are cropped at full resolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lanewatch.records import Box

SMALL_HEIGHT = 1 / 8
"""Fraction of the frame's height. A detector misses lower regions (72 px of 576, or 52 of its 416) in most cases."""
MIN_SIDE = 208  # smallest side of a crop in native pixels: the detector's 416 then doubles its content
MAX_CROPS = 4
CROPS_PER_FRAME = 0.07
"""Average: a crop costs as much as a frame, and a tree in the wind has many parts. Unused add up to ``MAX_CROPS``."""
PERSISTENCE_S = 1.0
MIN_SIGHTINGS = 2
"""A region needs regions near it in this many frames of the last second. Leaves and insects have moved on by then."""
CROPPED_MEMORY_S = 60.0


class CropSelector:
    """Selects one camera's crops. The least recently cropped region comes first."""

    def __init__(self) -> None:
        self._budget = 0.0
        self._recent: list[tuple[float, list[Box]]] = []
        self._cropped: list[tuple[float, Box]] = []

    def select(self, moved: Sequence[Box], size: tuple[int, int], native: tuple[int, int], at: float) -> list[Box]:
        """Squares around small, persistent regions. All boxes are in pixels of the frame.

        ``size`` is (width, height) of the frame, ``native`` of the camera's own picture, ``at`` the capture time.
        """
        limit = SMALL_HEIGHT * size[1]
        small = [box for box in moved if box[3] - box[1] < limit and box[2] - box[0] < 2 * limit]
        self._budget = min(self._budget + CROPS_PER_FRAME, float(MAX_CROPS))
        self._recent = [(then, boxes) for then, boxes in self._recent if 0 <= at - then <= PERSISTENCE_S]
        self._cropped = [(then, box) for then, box in self._cropped if 0 <= at - then <= CROPPED_MEMORY_S]
        persistent = [box for box in small if self._sightings(box) >= MIN_SIGHTINGS]
        self._recent.append((at, small))
        crops: list[Box] = []
        for box in sorted(persistent, key=self._cropped_at):
            if self._budget < 1.0 or len(crops) == MAX_CROPS:
                break
            if not any(_contains(crop, box) for crop in crops):
                self._budget -= 1.0
                self._cropped.append((at, box))
                crops.append(_square(box, size, native))
        return crops

    def _sightings(self, box: Box) -> int:
        return sum(any(_near(box, other) for other in boxes) for _, boxes in self._recent)

    def _cropped_at(self, box: Box) -> float:
        return max((then for then, other in self._cropped if _near(box, other)), default=-np.inf)


def _near(a: Box, b: Box) -> bool:
    """The centres are within one height of the larger box: a walker's way in half a second."""
    reach = max(a[3] - a[1], b[3] - b[1], a[2] - a[0])
    return abs(a[0] + a[2] - b[0] - b[2]) / 2 <= reach and abs(a[1] + a[3] - b[1] - b[3]) / 2 <= reach


def _contains(outer: Box, inner: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def _square(box: Box, size: tuple[int, int], native: tuple[int, int]) -> Box:
    """Three times as high as the region, because often only a person's legs moved."""
    least = MIN_SIDE * size[0] / native[0]
    side = min(max(least, 3 * (box[3] - box[1]), 3 * (box[2] - box[0])), size[0], size[1])
    left = min(max((box[0] + box[2] - side) / 2, 0), size[0] - side)
    top = min(max((box[1] + box[3] - side) / 2, 0), size[1] - side)
    return (round(left), round(top), round(left + side), round(top + side))
