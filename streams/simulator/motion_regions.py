"""Motion without a class, as boxes of class ``unknown`` in a record: the detect worker's rule.

A test holds it to ``detectors.detect_stage``, which this package may not import.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lanewatch.boxes import areas, intersections
from lanewatch.records import UNKNOWN, Bool, Float64, UInt8
from streams.simulator.detector import DetectedBoxes

SCORE: Final = 0.15
COVERED: Final = 0.3
MAX_DETECTION_SIZE: Final = 12.0
"""A detection covers a region if it shares this much of the smaller one, and is at most this many times as large."""
MAX_AREA: Final = 0.1
MIN_SIDE: Final = 1 / 48
MAX_ASPECT: Final = 4.0
MAX_REGIONS: Final = 8
"""A region has at most this share of the picture's area, at least this share of its height, and at most this aspect
ratio. A frame has at most this many regions."""


def merge_overlapping(moved: Float64, appearance: UInt8) -> tuple[Float64, UInt8]:
    """Merges regions that overlap; a merged region has the appearance of its first."""
    regions = [(box, row) for row, box in enumerate(moved.tolist())]
    merged = []
    while regions:
        box, row = regions.pop(0)
        index = next((index for index, (other, _) in enumerate(regions) if _overlap(box, other)), None)
        if index is None:
            merged.append((box, row))
        else:
            other, other_row = regions[index]
            regions[index] = [*map(min, box[:2], other[:2]), *map(max, box[2:], other[2:])], min(row, other_row)
    return np.array([box for box, _ in merged]).reshape(-1, 4), appearance[[row for _, row in merged]]


def _overlap(a: list[float], b: list[float]) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def add_unknown(detected: DetectedBoxes, moved: Float64, appearance: UInt8, size: tuple[int, int]) -> DetectedBoxes:
    """The detected boxes, followed by the plausible motion regions that none of them covers."""
    sides = moved[:, 2:] - moved[:, :2]
    area, short, long = sides.prod(axis=1), sides.min(axis=1), sides.max(axis=1)
    plausible = (short >= MIN_SIDE * size[1]) & (long <= MAX_ASPECT * short) & (area <= MAX_AREA * size[0] * size[1])
    rows = np.flatnonzero(plausible & ~_covered(moved, area, detected.xyxy))
    rows = rows[np.argsort(-area[rows], kind="stable")][:MAX_REGIONS]
    return detected.extended(moved[rows], np.full(len(rows), SCORE), UNKNOWN, appearance[rows])


def _covered(moved: Float64, area: Float64, detected: Float64) -> Bool:
    detected_area = areas(detected)
    smaller = np.maximum(np.minimum(area[:, None], detected_area[None]), 1e-9)
    covers = intersections(moved, detected) >= COVERED * smaller
    small = detected_area[None] <= MAX_DETECTION_SIZE * area[:, None]
    return np.asarray((covers & small).any(axis=1), bool)
