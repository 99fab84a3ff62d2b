"""What the candidates and explanations of several behaviours have in common."""

from __future__ import annotations

import math
from collections.abc import Callable

from detectors import scoring
from detectors.behaviours.base import TOLERANCE_S, Candidate, Explanation
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from detectors.thresholds import Thresholds
from lanewatch.records import Factor


def track_candidate(
    track: TrackedObject,
    *,
    key: str,
    zone: str,
    since: float,
    until: float,
    severity: int,
    thresholds: Thresholds,
    explain: Callable[[], Explanation],
    thresholds_met: bool = True,
    instant: bool = False,
    cooldown_s: float = 0.0,
) -> Candidate:
    """A candidate of one track, with its first point, its box, and the clarity of its detection."""
    return Candidate(
        key=key,
        zone=zone,
        since=since,
        until=until,
        tracks=(track.id,),
        first_point=track.born,
        box=track.box,
        clarity=track.score * track.height,
        severity=severity,
        thresholds=thresholds,
        explain=explain,
        thresholds_met=thresholds_met,
        instant=instant,
        cooldown_s=cooldown_s,
    )


def excess(value: float, threshold: float, most: float = 3.0) -> float:
    """By how many thresholds a value exceeds its threshold, between 0 and ``most``."""
    return min(max(value / threshold - 1, 0.0), most)


def night_factor(observation: Observation) -> Factor:
    """The part of a score that depends on the light."""
    return scoring.make_factor("night", scoring.NIGHT[observation.condition], condition=observation.condition)


def whole_seconds(seconds: float) -> tuple[str, str]:
    """A duration for a sentence in Korean and English, whole seconds, rounded down."""
    return scoring.duration(math.floor(seconds + TOLERANCE_S))
