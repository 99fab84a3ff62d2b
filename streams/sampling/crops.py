"""Which of what moved is worth a second look at full resolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lanewatch.records import Box

SMALL = 1 / 8
"""Of the frame's height: what is lower than this (72 px of 576) comes out under 52 px high in a detector's square of
416, and is missed more often than found."""

SIDE = 208
"""Native pixels of a crop at least: the detector's 416 then doubles what is in it."""

MOST = 4
SHARE = 0.07
"""Crops a frame on average: a crop costs the detector as much as a frame, and a tree in the wind has many small parts.
Unspent ones add up to ``MOST``."""

SEEN_S = 1.0
SEEN_LOOKS = 2
"""A region is cropped when there was one beside it in this many looks within the last second: leaves and insects are
elsewhere by then."""


class CropSelector:
    """Chooses one camera's crops. What was cropped least lately comes first."""

    def __init__(self) -> None:
        self._budget = 0.0
        self._seen: list[tuple[float, list[Box]]] = []
        self._done: list[tuple[float, Box]] = []

    def choose(self, moved: Sequence[Box], size: tuple[int, int], native: tuple[int, int], at: float) -> list[Box]:
        """Squares around what is small and persists, xyxy in pixels of the frame.

        Args:
            moved: boxes in pixels of the frame.
            size: (width, height) of the frame.
            native: (width, height) of the camera's own picture.
            at: capture time, seconds.
        """
        small = [box for box in moved if box[3] - box[1] < SMALL * size[1] and box[2] - box[0] < 2 * SMALL * size[1]]
        self._budget = min(self._budget + SHARE, float(MOST))
        self._seen = [(then, boxes) for then, boxes in self._seen if 0 <= at - then <= SEEN_S]
        self._done = [(then, box) for then, box in self._done if 0 <= at - then <= 60.0]
        lasting = [box for box in small if self._looks(box) >= SEEN_LOOKS]
        self._seen.append((at, small))
        chosen: list[Box] = []
        for box in sorted(lasting, key=self._cropped_at):
            if self._budget < 1.0 or len(chosen) == MOST:
                break
            if not any(_contains(other, box) for other in chosen):
                self._budget -= 1.0
                self._done.append((at, box))
                chosen.append(_square(box, size, native))
        return chosen

    def _looks(self, box: Box) -> int:
        return sum(any(_near(box, other) for other in boxes) for _, boxes in self._seen)

    def _cropped_at(self, box: Box) -> float:
        return max((then for then, other in self._done if _near(box, other)), default=-np.inf)


def _near(a: Box, b: Box) -> bool:
    """Their centres are within one height of the larger: what walks goes that far in half a second."""
    reach = max(a[3] - a[1], b[3] - b[1], a[2] - a[0])
    return abs(a[0] + a[2] - b[0] - b[2]) / 2 <= reach and abs(a[1] + a[3] - b[1] - b[3]) / 2 <= reach


def _contains(outer: Box, inner: Box) -> bool:
    return outer[0] <= inner[0] and outer[1] <= inner[1] and outer[2] >= inner[2] and outer[3] >= inner[3]


def _square(box: Box, size: tuple[int, int], native: tuple[int, int]) -> Box:
    """Three times as high as the region, as the moved part of a person is often only its legs."""
    least = SIDE * size[0] / native[0]
    side = min(max(least, 3 * (box[3] - box[1]), 3 * (box[2] - box[0])), size[0], size[1])
    left = min(max((box[0] + box[2] - side) / 2, 0), size[0] - side)
    top = min(max((box[1] + box[3] - side) / 2, 0), size[1] - side)
    return (round(left), round(top), round(left + side), round(top + side))
