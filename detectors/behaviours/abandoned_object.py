"""Abandoned object: a person leaves an object behind and goes away, and no other person is near it.

The definition is that of PETS 2006 and i-LIDS, with body lengths instead of metres. See docs/behaviours.md.
"""

from __future__ import annotations

from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import TOLERANCE_S, BaseBehaviour, Candidate, Explanation, Result
from detectors.behaviours.common import stationary_objects
from detectors.behaviours.common.explanations import excess, night_factor, whole_seconds
from detectors.behaviours.common.stationary_objects import StationaryObject, StationaryObjects
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName
from lanewatch.records import UNKNOWN

ALONE_SCORE = 0.3
"""Score at the threshold."""
LONGER_SCORE = 0.1
"""More for each multiple of the threshold, up to three."""
CLASS_SCORE = 0.2
"""More if the detector classifies it as luggage."""


class AbandonedObjectThresholds(stationary_objects.StationaryObjectThresholds):
    """When an object that was set down is abandoned."""

    alone_s: float = Field(3.0, ge=0, le=3600, title="Alone")
    """Seconds without a person near it. Raising it raises fewer and later events."""
    away: float = Field(1.2, ge=0.2, le=20, title="Away")
    """Body lengths from it beyond which its owner has left it; PETS 2006 has 2 m. Raising it raises fewer events, and
    none where people pass by all the time."""
    added: float = Field(-0.4, ge=-1, le=1, title="Came")
    """How clearly an object came rather than went, -1 to 1: by how much more it stands out from its surroundings than
    the place did before. Raising it raises fewer events, and none of objects as dark as their surroundings."""
    alert_s: float = Field(30.0, ge=0, le=86400, title="Alert after")
    """Seconds alone after which it is an alert. Raising it keeps events at watch for longer."""


class AbandonedObject(BaseBehaviour[AbandonedObjectThresholds, StationaryObjects]):
    """An object was set down and left. One event for each object, until it is gone."""

    kind = "abandoned_object"
    name = LocalizedName(ko="유기물", en="Abandoned object")
    onvif = "RuleEngine/ObjectAbandoned"
    kisa = "Abandonment"
    triggers = frozenset({"still"})
    Thresholds = AbandonedObjectThresholds
    Memory = StationaryObjects

    def step(self, memory: StationaryObjects, observation: Observation) -> Result[StationaryObjects]:
        owner_distance = self._limits.resolve(observation, "", UNKNOWN).away
        after = stationary_objects.update(memory, observation, owner_distance)
        candidates, reported = [], set()
        for thing in after.objects:
            zone = observation.geometry.zone_at(*thing.foot_point)
            limits = self._limits.resolve(observation, zone, UNKNOWN)
            if thing.reported or _is_abandoned(thing, observation.captured_at, limits):
                candidates.append(_candidate(thing, zone, observation, limits))
                reported.add(thing.number)
        return stationary_objects.mark_reported(after, frozenset(reported)), candidates


def _is_abandoned(thing: StationaryObject, now: float, limits: AbandonedObjectThresholds) -> bool:
    if thing.alone_since is None or thing.unseen_s or now - thing.alone_since < limits.alone_s - TOLERANCE_S:
        return False
    if thing.tracks and stationary_objects.was_first_seen_there(thing, thing.first_point):
        return False
    return limits.accepts_size_of(thing) and thing.added > limits.added


def _candidate(
    thing: StationaryObject, zone: str, observation: Observation, limits: AbandonedObjectThresholds
) -> Candidate:
    alone_s = 0.0 if thing.alone_since is None else observation.captured_at - thing.alone_since
    name = stationary_objects.detected_class(thing, observation)
    return Candidate(
        key=thing.key,
        zone=zone,
        since=thing.since,
        until=thing.last_seen_at,
        tracks=thing.tracks,
        first_point=thing.first_point,
        box=thing.box,
        clarity=1.0 if thing.alone_since is not None else 0.5,
        severity=2 if alone_s >= limits.alert_s else 1,
        thresholds=limits,
        explain=lambda: _explain(thing, alone_s, name, observation, limits),
        thresholds_met=alone_s >= limits.alone_s - TOLERANCE_S,
    )


def _explain(
    thing: StationaryObject, alone_s: float, name: str, observation: Observation, limits: AbandonedObjectThresholds
) -> Explanation:
    score = ALONE_SCORE + LONGER_SCORE * excess(alone_s, max(limits.alone_s, 1.0))
    factors = [
        scoring.make_factor("alone", score, seconds=round(alone_s, 1), threshold_s=limits.alone_s),
        night_factor(observation),
    ]
    if name:
        factors.append(scoring.make_factor("class", CLASS_SCORE, label=name))
    when_ko, when_en = scoring.WHEN[observation.condition]
    stay_ko, stay_en = whole_seconds(observation.captured_at - thing.since)
    limit_ko, limit_en = scoring.duration(limits.alone_s)
    name_ko, name_en = scoring.LABEL_NAMES[name] if name else ("물건", "object")
    sentence = {
        "ko": f"{when_ko} {scoring.josa(name_ko, '이', '가')} {stay_ko} 동안 주인 없이 놓여 있음 (기준 {limit_ko})",
        "en": f"{name_en[0].upper()}{name_en[1:]} left behind {when_en}, there for {stay_en} "
        f"(threshold {limit_en} without a person near)",
    }
    return Explanation(tuple(factors), sentence)
