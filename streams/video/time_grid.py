"""The UTC sampling grid: two samplers of one camera give the same slots, even from different pictures."""

from __future__ import annotations

import math

TOLERANCE = 0.01  # fraction of an interval by which a picture may be early: rounding must not change its slot


def slot_index(captured_at: float, fps: float) -> int:
    """The number of the grid's instant for a capture time."""
    return math.floor(captured_at * fps + TOLERANCE)


def slot_ms(captured_at: float, fps: float) -> int:
    """The grid's instant for a capture time, whole milliseconds since the Unix epoch."""
    return round(slot_index(captured_at, fps) / fps * 1000)
