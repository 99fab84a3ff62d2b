"""The conditions that a step of a sequence may wait for, and when an activity meets them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from detectors.behaviours.sequences.zone_activity import ZoneActivity
from lanewatch.config.sequences import What


class Requirement(NamedTuple):
    """How long and how often a condition must be met, when the earlier steps were reached, and the present time."""

    for_s: float
    times: int
    step_times: list[float]
    now: float


CHECKS: dict[What, Callable[[ZoneActivity, Requirement], bool]] = {
    "vehicle_stands": lambda activity, needed: (
        activity.vehicle is not None and activity.vehicle.stopped_s >= needed.for_s
    ),
    "on_foot": lambda activity, needed: activity.present_vehicle is None and activity.present_s >= needed.for_s,
    "people_leave": lambda activity, needed: activity.occupant_count >= needed.times,
    "trips": lambda activity, needed: activity.trips >= needed.times,
    "visits": lambda activity, needed: sum(visit_s >= needed.for_s for visit_s in activity.visits_s) >= needed.times,
    "stay": lambda activity, needed: activity.stayed_s >= needed.for_s,
    "thing_changes": lambda activity, needed: (
        sum(needed.now - change.at >= needed.for_s for change in activity.changes) >= needed.times
    ),
    "vehicle_leaves": lambda activity, needed: (
        activity.left_at is not None and bool(needed.step_times) and activity.left_at >= needed.step_times[-1]
    ),
    "people_gone": lambda activity, needed: (
        activity.present_vehicle is None and needed.now - activity.last_present_at >= needed.for_s
    ),
}
"""By the condition's name in the site file."""
