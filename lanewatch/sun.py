"""The sun's elevation at a camera, and day, dusk or night by it."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal

Condition = Literal["day", "dusk", "night"]

CIVIL_TWILIGHT = -6.0
"""Degrees at which civil twilight ends: below it people are not visible without a lamp."""


def elevation(latitude: float, longitude: float, captured_at: float) -> float:
    """The elevation of the sun's centre at degrees north and east, in degrees, without refraction.

    It is computed once a minute, for the minute's beginning, because the watch stage needs it at every record. The sun
    moves by at most .25 degrees in that time.
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
