"""What moved and has no name, as the detect worker would have put it into a record."""

from __future__ import annotations

from typing import Final

import numpy as np

from lanewatch.records import UNKNOWN, Float64, UInt8
from streams.simulator.detector import NamedBoxes

SCORE: Final = 0.15
COVERED: Final = 0.3
HIDES: Final = 12.0
LARGEST: Final = 0.1
SMALLEST: Final = 1 / 48
FLATTEST: Final = 4.0
MOST: Final = 8
"""The detect worker's rule for what moved: which of it is plausible, and which has a name already."""


def merged(moved: Float64, look: UInt8) -> tuple[Float64, UInt8]:
    """What overlaps moves as one region, with the look of its first."""
    boxes = moved.tolist()
    rows = list(range(len(boxes)))
    done: list[list[float]] = []
    kept: list[int] = []
    while boxes:
        box, row = boxes.pop(0), rows.pop(0)
        other = next((index for index, one in enumerate(boxes) if _touch(box, one)), None)
        if other is None:
            done.append(box)
            kept.append(row)
        else:
            one = boxes[other]
            boxes[other] = [*map(min, box[:2], one[:2]), *map(max, box[2:], one[2:])]
            rows[other] = min(row, rows[other])
    return np.array(done).reshape(-1, 4), look[kept]


def _touch(a: list[float], b: list[float]) -> bool:
    return min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])


def add(named: NamedBoxes, moved: Float64, look: UInt8, size: tuple[int, int]) -> NamedBoxes:
    """The named boxes, and after them what moved and has no name."""
    if not len(moved):
        return named
    sides = moved[:, 2:] - moved[:, :2]
    area, short, long = sides.prod(axis=1), sides.min(axis=1), sides.max(axis=1)
    plausible = (short >= SMALLEST * size[1]) & (long <= FLATTEST * short) & (area <= LARGEST * size[0] * size[1])
    rows = np.flatnonzero(plausible & ~_covered(moved, area, named.xyxy))
    rows = rows[np.argsort(-area[rows], kind="stable")][:MOST]
    return NamedBoxes(
        np.concatenate([named.xyxy, moved[rows]]),
        np.concatenate([named.scores, np.full(len(rows), SCORE)]),
        np.concatenate([named.labels, np.full(len(rows), UNKNOWN, np.uint8)]),
        np.concatenate([named.appearance, look[rows]]),
    )


def _covered(moved: Float64, area: Float64, named: Float64) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    own = (named[:, 2:] - named[:, :2]).prod(axis=1)
    low = np.maximum(moved[:, None, :2], named[None, :, :2])
    high = np.minimum(moved[:, None, 2:], named[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    covers = shared >= COVERED * np.maximum(np.minimum(area[:, None], own[None]), 1e-9)
    hit: np.ndarray[tuple[int, ...], np.dtype[np.bool_]] = (covers & (own[None] <= HIDES * area[:, None])).any(axis=1)
    return hit
