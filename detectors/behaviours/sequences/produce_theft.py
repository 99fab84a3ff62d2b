"""Produce theft: stop, load, leave, as a sequence in the language of the site file. See docs/behaviours.md."""

from __future__ import annotations

from pydantic import Field

from detectors.behaviours.sequences.behaviour import SequenceBehaviour, SequenceThresholds
from lanewatch.config.sequences import EventSequence

SEQUENCE = EventSequence.model_validate(
    {
        "id": "produce_theft",
        "name": {"ko": "농산물 도난 의심", "en": "Suspected produce theft"},
        "when": [{"sun": "night"}, {"months": [6, 7, 8, 9, 10, 11]}],
        "steps": [
            {
                "what": "vehicle_stands",
                "where": ["produce", "off_lane"],
                "for_s": 20,
                "near": 1.5,
                "otherwise": [{"what": "on_foot", "where": ["produce"], "for_s": 20}],
                "severity": 1,
                "score": 0.2,
            },
            {
                "what": "trips",
                "times": 2,
                "otherwise": [{"what": "stay", "for_s": 60}, {"what": "visits", "times": 2, "for_s": 20}],
                "within_s": 3600,
                "severity": 2,
                "score": 0.25,
            },
            {
                "what": "vehicle_leaves",
                "otherwise": [{"what": "people_gone", "for_s": 30}],
                "within_s": 3600,
                "severity": 3,
                "score": 0.15,
            },
        ],
        "raisers": [{"what": "thing_changes", "where": ["produce"], "for_s": 10, "severity": 2, "score": 0.1}],
        "lowerers": [
            {"what": "owner_hours", "at_most": 1, "score": -0.2},
            {"what": "registered_visit", "at_most": 1, "score": -0.2},
        ],
    }
)
"""``when``: at night, and in the months from garlic and onions to the last cabbage."""


class TheftThresholds(SequenceThresholds):
    """When stopping, loading and leaving is a suspected theft."""

    vehicle_stands_s: float = Field(20.0, ge=5, le=600, title="Stop")
    """Seconds that a vehicle must stand. Raising it excludes vehicles that only stop."""
    on_foot_s: float = Field(20.0, ge=1, le=600, title="On foot")
    """Seconds that a person without a vehicle must be in the zone. Raising it excludes people who only pass through."""
    trips: int = Field(2, ge=1, le=20, title="Trips")
    """How often people of the vehicle must have been in the zone and left it. Raising it alerts later."""
    visits: int = Field(2, ge=1, le=20, title="Visits")
    """How often a person must have been there for the time of a visit and left. Raising it alerts later of people on
    foot."""
    visits_s: float = Field(20.0, ge=1, le=600, title="Visit")
    """Seconds in the zone that count as a visit. Raising it excludes people who only touch it."""
    stay_s: float = Field(60.0, ge=5, le=3600, title="Stay")
    """Seconds of presence in the zone, in total while a vehicle stands. Raising it alerts later, and less often of
    people who only pass through."""


class ProduceTheft(SequenceBehaviour):
    """A vehicle or a person comes to produce, loads and leaves. One event with rising severity."""

    kind = SEQUENCE.id
    name = SEQUENCE.name
    places = frozenset({"produce", "lane"})
    sequence = SEQUENCE
    Thresholds = TheftThresholds
