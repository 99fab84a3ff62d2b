"""What appeared and stays: a bag set down, a car parked, a sack gone from the heap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lanewatch.records import Box, StillRegion, UInt8
from streams.masks import Masks, Polygon

EVERY_S = 1.0
STAYS_S = 3.0
DIFFERS = 20
RESTS = 12
"""Grey levels: the fast average differs from the slow one by more than ``DIFFERS``, the picture from the fast one by
less than ``RESTS``, for ``STAYS_S``. On ABODA's bag these find it and nothing else."""

LARGEST = 0.1
"""Of the picture: beyond it is the light. What size means at a place, the watcher knows, not the sampler."""

_SAME = 0.5  # intersection over union with which a region is the one seen before
_SPOT = np.ones((3, 3), np.uint8)
_LEAST_PIXELS = 24
_MOST = 16
_MISSED_S = 2.0  # somebody may pass in front of it


@dataclass
class _Candidate:
    box: tuple[int, int, int, int]
    since: float
    seen_at: float


class Still:
    """Follows one camera's still regions over the gate's pictures, at most every ``EVERY_S``.

    ``keep`` is where the slow average may go on learning, (h, w) 255: under a region it is frozen, or the bag would be
    background within a minute.
    """

    def __init__(self, polygons: Sequence[Polygon] = ()) -> None:
        self._masks = Masks(polygons, margin=3)
        self.keep: UInt8 | None = None
        self._candidates: list[_Candidate] = []
        self._next = 0.0

    def look(self, small: UInt8, fast: UInt8, slow: UInt8, captured_at: float, scale: float) -> tuple[StillRegion, ...]:
        """The regions that have stayed long enough, boxes times ``scale``."""
        if captured_at >= self._next or captured_at < self._next - 2 * EVERY_S:
            self._next = captured_at + EVERY_S
            self._match(_found(small, fast, slow, self._masks), captured_at)
            self._freeze(small.shape)
        return tuple(
            StillRegion(_scaled(candidate.box, scale), candidate.since)
            for candidate in self._candidates
            if candidate.seen_at - candidate.since >= STAYS_S
        )

    def reset(self) -> None:
        """Forgets all: the background was learned anew."""
        self._candidates, self.keep, self._next = [], None, 0.0

    def _match(self, boxes: list[tuple[int, int, int, int]], captured_at: float) -> None:
        unmatched = boxes
        for candidate in self._candidates:
            same = [box for box in unmatched if _overlap(box, candidate.box) >= _SAME]
            if same:
                candidate.box, candidate.seen_at = same[0], captured_at
                unmatched = [box for box in unmatched if box is not same[0]]
        kept = [candidate for candidate in self._candidates if captured_at - candidate.seen_at <= _MISSED_S]
        new = [_Candidate(box, captured_at, captured_at) for box in unmatched]
        self._candidates = (kept + new)[:_MOST]

    def _freeze(self, shape: tuple[int, ...]) -> None:
        if not self._candidates:
            self.keep = None
            return
        keep = np.full(shape, 255, np.uint8)
        for candidate in self._candidates:
            left, top, right, bottom = candidate.box
            keep[top:bottom, left:right] = 0
        self.keep = keep


def _found(small: UInt8, fast: UInt8, slow: UInt8, masks: Masks) -> list[tuple[int, int, int, int]]:
    apart = cv2.threshold(cv2.absdiff(fast, slow), DIFFERS, 255, cv2.THRESH_BINARY)[1]
    if not cv2.countNonZero(apart):
        return []
    rests = cv2.threshold(cv2.absdiff(small, fast), RESTS - 1, 255, cv2.THRESH_BINARY_INV)[1]
    both = np.asarray(cv2.morphologyEx(cv2.bitwise_and(apart, rests), cv2.MORPH_OPEN, _SPOT), np.uint8)
    masks.apply(both)
    boxes = []
    for outline in cv2.findContours(both, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
        left, top, width, height = cv2.boundingRect(outline)
        if cv2.contourArea(outline) >= _LEAST_PIXELS and width * height <= LARGEST * small.size:
            boxes.append((left, top, left + width, top + height))
    return boxes


def _overlap(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def _scaled(box: tuple[int, int, int, int], scale: float) -> Box:
    return (box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale)
