"""Parts that the explanations of several behaviours share."""

from __future__ import annotations

import math

from detectors import scoring
from detectors.behaviours.base import TOLERANCE_S
from detectors.observation.observation import Observation
from lanewatch.records import Factor


def excess(value: float, threshold: float, most: float = 3.0) -> float:
    """By how many thresholds a value exceeds its threshold, between 0 and ``most``."""
    return min(max(value / threshold - 1, 0.0), most)


def night_factor(observation: Observation) -> Factor:
    """The part of a score that depends on the light."""
    return scoring.make_factor("night", scoring.NIGHT[observation.condition], condition=observation.condition)


def whole_seconds(seconds: float) -> tuple[str, str]:
    """A duration for a sentence in Korean and English, whole seconds, rounded down."""
    return scoring.duration(math.floor(seconds + TOLERANCE_S))
