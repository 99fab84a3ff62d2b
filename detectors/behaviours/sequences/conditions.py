"""The vocabulary of composites: when each of the signs that a step may ask for is seen in a story."""

from __future__ import annotations

from collections.abc import Callable

from detectors.behaviours.sequences.zone_activity import ZoneActivity
from lanewatch.config.sequences import What

Seen = Callable[[ZoneActivity, float, int, list[float], float], bool]
"""Of a story, the seconds that it must last, how often, when the steps before were reached, and now; capture times."""


def _stood(one: ZoneActivity, for_s: float, times: int, reached: list[float], now: float) -> bool:
    return one.stand is not None and one.stand.stood_s >= for_s


def _on_foot(one: ZoneActivity, for_s: float, times: int, reached: list[float], now: float) -> bool:
    return one.standing is None and one.present_s >= for_s


def _people_leave(one: ZoneActivity, for_s: float, times: int, reached: list[float], now: float) -> bool:
    return one.crowd >= times


def _trips(one: ZoneActivity, for_s: float, times: int, reached: list[float], now: float) -> bool:
    return one.trips >= times


def _visits(one: ZoneActivity, for_s: float, times: int, reached: list[float], now: float) -> bool:
    return sum(visit_s >= for_s for visit_s in one.visits) >= times


def _stay(one: ZoneActivity, for_s: float, times: int, reached: list[float], now: float) -> bool:
    return one.stayed_s >= for_s


def _changes(one: ZoneActivity, for_s: float, times: int, reached: list[float], now: float) -> bool:
    return sum(now - thing.at >= for_s for thing in one.things) >= times


def _leaves(one: ZoneActivity, for_s: float, times: int, reached: list[float], now: float) -> bool:
    return one.left_at is not None and bool(reached) and one.left_at >= reached[-1]


def _gone(one: ZoneActivity, for_s: float, times: int, reached: list[float], now: float) -> bool:
    return one.standing is None and now - one.present_at >= for_s


SEEN: dict[What, Seen] = {
    "vehicle_stands": _stood,
    "on_foot": _on_foot,
    "people_leave": _people_leave,
    "trips": _trips,
    "visits": _visits,
    "stay": _stay,
    "thing_changes": _changes,
    "vehicle_leaves": _leaves,
    "people_gone": _gone,
}
"""By the name that the site file has for it."""
