"""Produce theft: stop, load, go. Somebody comes by night, or when the crop is ripe, loads and leaves.

It is a composite like those that a site writes for itself, declared in the same language. A vehicle stands by a field,
a drying place or a store, or off the lane; people come out of it, go in and out or stay in the zone; it leaves. Who
comes on foot is judged by how long he stays and how often he comes back. The owner's hours and registered visits keep
it at watch: nobody can see whose peppers they are.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from detectors import thresholds
from detectors.behaviours.sequences.behaviour import SequenceBehaviour, SequenceThresholds
from lanewatch.config.fields import LocalizedName
from lanewatch.config.sequences import EventSequence

COMPOSITE = EventSequence.model_validate(
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
"""Night, and the months from garlic and onions to the last cabbage."""


class TheftThresholds(SequenceThresholds):
    """When stopping, loading and going becomes theft."""

    vehicle_stands_s: float = Field(
        20.0,
        ge=5,
        le=600,
        title="Stop",
        description="Seconds that a vehicle must stand. Raising it watches fewer of those who only stop.",
    )
    on_foot_s: float = Field(
        20.0,
        ge=1,
        le=600,
        title="On foot",
        description="Seconds that somebody without a vehicle must be in the zone. Raising it watches fewer who only "
        "pass through.",
    )
    trips: int = Field(
        2,
        ge=1,
        le=20,
        title="Trips",
        description="How often people of the vehicle must have been in the zone and left it. Raising it alerts later.",
    )
    visits: int = Field(
        2,
        ge=1,
        le=20,
        title="Visits",
        description="How often somebody must have been there for the time of a visit and left. Raising it alerts later "
        "of those on foot.",
    )
    visits_s: float = Field(
        20.0,
        ge=1,
        le=600,
        title="Visit",
        description="Seconds in the zone that count as a visit. Raising it counts fewer who only touch it.",
    )
    stay_s: float = Field(
        60.0,
        ge=5,
        le=3600,
        title="Stay",
        description="Seconds for which somebody must be in the zone, all in all where a vehicle stands. Raising it "
        "alerts later, and less often of those who only pass through.",
    )


class ProduceTheft(SequenceBehaviour):
    """Somebody stops by produce, or comes on foot, loads and leaves. One event that escalates."""

    kind: ClassVar[str] = COMPOSITE.id
    name: ClassVar[LocalizedName] = COMPOSITE.name
    places: ClassVar[frozenset[str]] = frozenset({"produce", "lane"})
    composite: ClassVar[EventSequence] = COMPOSITE
    Thresholds: ClassVar[type[thresholds.Thresholds]] = TheftThresholds
