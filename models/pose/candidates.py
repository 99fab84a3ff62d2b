"""The people whose keypoints are estimated, because their posture is unusual.

The rule for falls needs them: if a box is about as wide as high, the torso shows whether the person bends, sits or lies
along the line of sight. To estimate them for all wide boxes took nine times as long on pets09-s2l1, and found no more
falls. Overlapping people are no candidates either: keypoints did not distinguish fights from walks.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lanewatch.records import PERSON, Bool, Float32, UInt8

UPRIGHT: Final = 0.85
"""Width over height up to which a person stands, walks or sits: a walker has .3 to .5, on a chair it is up to .8."""
LONG: Final = 1.1
"""Width over height from which a person lies, or falls along the line of sight, whatever the keypoints."""
MIN_SCORE: Final = 0.3
"""Lowest score of a box: nine of ten such boxes on pets09-s2l1 are below it, and most of them are second boxes."""
MIN_SIDE: Final = 32.0
"""Pixels, of a box's longer side: smaller people show no keypoints."""
MAX_COUNT: Final = 6
"""Boxes of one frame, the largest: so a crowd costs 50 ms and not a second."""


def unusual_posture(xyxy: Float32, scores: Float32, labels: UInt8) -> Bool:
    """(N,) bool: the people whose keypoints are estimated, of (N, 4) boxes with the detector's scores and labels."""
    width, height = xyxy[:, 2] - xyxy[:, 0], xyxy[:, 3] - xyxy[:, 1]
    requested: Bool = (labels == PERSON) & (scores >= MIN_SCORE) & (width > UPRIGHT * height) & (width < LONG * height)
    if requested.any():
        side = np.maximum(width, height)
        requested &= side >= MIN_SIDE
        rows = np.flatnonzero(requested)
        requested[rows[np.argsort(-side[rows], kind="stable")[MAX_COUNT:]]] = False
    return requested
