"""Which people look odd by themselves, so that it is worth asking where their joints are.

A fall needs joints: somebody is wider than one who stands, and his torso tells whether he bends, sits or lies. Two who
are on top of each other were asked too, for fights, which joints did not tell apart from walks; it cost a third of the
pipeline's throughput on pets09-s2l1, where people meet and stand together.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lanewatch.records import PERSON, Bool, Float32, UInt8
from models.overlap import of_smaller

WIDE: Final = 0.75
"""Width over height from which somebody may bend, sit or lie. A walker's box has .3 to .5, at full stride .6."""

FAINT: Final = 0.25
"""Score from which a wide box is somebody's: below it are two thirds of the wide boxes on pets09-s2l1, where nobody
lies, and of who lies still most looks are above it."""

SECOND: Final = 0.5
"""A wide box that shares so much with a clear upright one is a second box of the same walker: a quarter of those
on pets09-s2l1."""

CLEAR: Final = 0.35
"""Score from which an upright box is somebody; below it, it is mostly a second box of the same person."""

LEAST: Final = 32.0
"""Pixels, of a box's longer side: of anybody smaller no joint can be seen."""

MOST: Final = 6
"""Boxes of one frame, so that a crowd costs 50 ms and not a second: the largest."""


def odd(xyxy: Float32, scores: Float32, labels: UInt8) -> Bool:
    """(N,) bool: the people whose joints are worth asking for.

    Args:
        xyxy: (N, 4), pixels.
        scores: (N,) of the detector.
        labels: (N,) indices into ``records.LABELS``; none but people are odd.
    """
    asked = np.zeros(len(xyxy), np.bool_)
    sides = xyxy[:, 2:] - xyxy[:, :2]
    large = (labels == PERSON) & (sides.max(axis=1, initial=0) >= LEAST)
    if not large.any():
        return asked
    wide = large & (scores >= FAINT) & (sides[:, 0] >= WIDE * sides[:, 1])
    clear = large & (scores >= CLEAR)
    wide &= ~_second(xyxy, wide, clear & ~wide)
    rows = np.flatnonzero(wide)
    asked[rows[np.argsort(-sides[rows].max(axis=1), kind="stable")[:MOST]]] = True
    return asked


def _second(xyxy: Float32, wide: Bool, upright: Bool) -> Bool:
    """Which of the wide boxes are second boxes of somebody upright."""
    second = np.zeros(len(xyxy), np.bool_)
    rows = np.flatnonzero(wide)
    if len(rows) and upright.any():
        second[rows] = (of_smaller(xyxy[rows], xyxy[upright]) >= SECOND).any(axis=1)
    return second
