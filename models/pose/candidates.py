"""Which people look odd by themselves, so that it is worth asking where their joints are.

A fall may need them: of one who is about as wide as high the torso tells whether he bends, sits or lies along the line
of sight. A narrower box stands or sits, and a longer one lies, whatever its joints: asking of all that are wide cost
nine times as much on pets09-s2l1, where nobody lies, and found no fall more. Two who are on top of each other aren't
asked either: joints didn't tell fights from walks.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lanewatch.records import PERSON, Bool, Float32, UInt8

UPRIGHT: Final = 0.85
"""Width over height up to which somebody stands, walks or sits; a walker has .3 to .5, one on a chair up to .8."""

LONG: Final = 1.1
"""Width over height from which he is low whatever his joints say: he lies, or falls along the line of sight."""

FAINT: Final = 0.3
"""Score from which such a box is somebody's: nine of ten on pets09-s2l1 are below it, most of them second boxes."""

LEAST: Final = 32.0
"""Pixels, of a box's longer side: of anybody smaller no joint can be seen."""

MOST: Final = 6
"""Boxes of one frame, so that a crowd costs 50 ms and not a second: the largest."""


def unusual_posture(xyxy: Float32, scores: Float32, labels: UInt8) -> Bool:
    """(N,) bool: the people whose joints are worth asking for.

    Args:
        xyxy: (N, 4), pixels.
        scores: (N,) of the detector.
        labels: (N,) indices into ``records.LABELS``; none but people are odd.
    """
    width, height = xyxy[:, 2] - xyxy[:, 0], xyxy[:, 3] - xyxy[:, 1]
    asked: Bool = (labels == PERSON) & (scores >= FAINT) & (width > UPRIGHT * height) & (width < LONG * height)
    if asked.any():
        side = np.maximum(width, height)
        asked &= side >= LEAST
        rows = np.flatnonzero(asked)
        asked[rows[np.argsort(-side[rows], kind="stable")[MOST:]]] = False
    return asked
