"""The UTC sampling grid: two samplers of one camera give the same slots, whichever frames they caught."""

from __future__ import annotations

import math

TOLERANCE = 0.01
"""Of an interval: a picture this little early still stands for the instant, so that rounding moves none."""


def index_of(captured_at: float, fps: float) -> int:
    """Which instant of the grid a capture time stands for."""
    return math.floor(captured_at * fps + TOLERANCE)


def slot_of(captured_at: float, fps: float) -> int:
    """That instant, whole milliseconds since the Unix epoch."""
    return round(index_of(captured_at, fps) / fps * 1000)
