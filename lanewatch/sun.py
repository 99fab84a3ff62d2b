"""Where the sun stands over a camera, and what that makes of the hour: day, dusk or night."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

Condition = Literal["day", "dusk", "night"]

CIVIL_TWILIGHT = -6.0
"""Degrees at which civil twilight ends: below it one can't make out people without a lamp."""


def elevation(latitude: float, longitude: float, captured_at: float) -> float:
    """The height of the sun's centre over a place, degrees, without refraction (as civil twilight is defined).

    It is computed once a minute, for the minute's beginning, because a watcher asks at every step; the sun moves
    .25 degrees in that time at most.

    Args:
        latitude: degrees north.
        longitude: degrees east.
        captured_at: seconds since the Unix epoch, UTC.
    """
    return _elevation(latitude, longitude, int(captured_at // 60))


@lru_cache(maxsize=8192)
def _elevation(latitude: float, longitude: float, minute: int) -> float:
    from astral import Observer, sun

    at = datetime.fromtimestamp(minute * 60, UTC)
    return float(sun.elevation(Observer(latitude, longitude), at, with_refraction=False))


def condition(degrees: float) -> Condition:
    """Day above 0 degrees, dusk (or dawn) down to -6, night below."""
    if degrees > 0:
        return "day"
    return "dusk" if degrees >= CIVIL_TWILIGHT else "night"
