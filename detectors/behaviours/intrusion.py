"""Intrusion: a person is in a zone that is closed, always or during the hours of its schedule.

The definition is KISA's and ONVIF's: the foot point inside the polygon. It must stay for half a second, so a box that
jitters over the border raises nothing.
"""

from __future__ import annotations

from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import TOLERANCE_S, BaseBehaviour, Candidate, Explanation, Result, cooldown_field
from detectors.behaviours.common import zone_dwell
from detectors.behaviours.common.explanations import whole_seconds
from detectors.behaviours.common.zone_dwell import ZoneDwell, ZoneDwells
from detectors.observation.observation import Observation
from detectors.thresholds import DwellThresholds
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Zone

ZONES = frozenset({"closed"})

INSIDE_SCORE = 0.5
"""Score of presence by day, without the detector's confidence: no person has business in a closed zone."""
STAY_SCORE = 0.1
"""More until dispatch is suggested, in proportion to the stay."""
SCHEDULE_SCORE = 0.1
"""More for a zone that is closed at this hour and open at others: a person who comes then does so on purpose."""


class IntrusionThresholds(DwellThresholds):
    """When presence is an intrusion."""

    stay_s: float = Field(0.5, ge=0, le=60, title="Stay")
    """Seconds that the foot point must be inside. Raising it raises fewer events at the border, and later ones."""
    dispatch_s: float = Field(30.0, ge=1, le=3600, title="Dispatch after")
    """Seconds inside after which dispatch is suggested. Raising it suggests it less often."""
    cooldown_s: float = cooldown_field(3.0, "the same person in the same zone")


class Intrusion(BaseBehaviour[IntrusionThresholds, ZoneDwells]):
    """A person is in a closed zone. One event for each stay of each person."""

    kind = "intrusion"
    name = LocalizedName(ko="침입", en="Intrusion")
    onvif = "RuleEngine/FieldDetector/ObjectsInside"
    kisa = "Intrusion"
    places = ZONES
    Thresholds = IntrusionThresholds
    Memory = ZoneDwells

    def step(self, memory: ZoneDwells, observation: Observation) -> Result[ZoneDwells]:
        dwells = zone_dwell.update(memory.dwells, observation, ZONES, self._limits)
        if dwells is memory.dwells:
            return memory, ()
        candidates = []
        for dwell in dwells:
            limits = self._limits.resolve(observation, dwell.zone, dwell.label)
            if dwell.dwell_s >= limits.stay_s - TOLERANCE_S and dwell.label in limits.labels:
                candidates.append(_candidate(dwell, observation, limits))
        return ZoneDwells(dwells), candidates


def _candidate(dwell: ZoneDwell, observation: Observation, limits: IntrusionThresholds) -> Candidate:
    severity = 3 if dwell.dwell_s >= limits.dispatch_s else 2
    return zone_dwell.dwell_candidate(
        dwell, severity, limits, limits.cooldown_s, lambda: _explain(dwell, observation, limits)
    )


def _explain(dwell: ZoneDwell, observation: Observation, limits: IntrusionThresholds) -> Explanation:
    zone = observation.geometry.zone(dwell.zone)
    stay = STAY_SCORE * min(dwell.dwell_s / limits.dispatch_s, 1.0)
    factors = [
        scoring.make_factor("inside", INSIDE_SCORE, zone=zone.id, kind=zone.kind),
        scoring.make_factor("stay", stay, seconds=round(dwell.dwell_s, 1), threshold_s=limits.stay_s),
        *scoring.common_factors(observation.condition, dwell.label, dwell.confidence),
    ]
    if zone.schedule is not None:
        factors.append(scoring.make_factor("hours", SCHEDULE_SCORE, schedule=zone.schedule))
    return Explanation(tuple(factors), _sentence(dwell, observation, zone, limits))


def _sentence(dwell: ZoneDwell, observation: Observation, zone: Zone, limits: IntrusionThresholds) -> dict[str, str]:
    who_ko, who_en = scoring.subject(dwell.label)
    when_ko, when_en = scoring.WHEN[observation.condition]
    limit_ko, limit_en = scoring.duration(limits.stay_s)
    start_ko = f"{when_ko} 출입이 금지된 '{zone.name.ko}' 구역에 {who_ko}"
    where_en = f"the closed zone '{zone.name.en}'"
    if dwell.dwell_s < 2:
        return {
            "ko": f"{start_ko} 들어옴 (기준 {limit_ko} 이상)",
            "en": f"{who_en} entered {where_en} {when_en} (threshold {limit_en})",
        }
    stay_ko, stay_en = whole_seconds(dwell.dwell_s)
    return {
        "ko": f"{start_ko} 들어와 {stay_ko} 동안 머무름 (기준 {limit_ko} 이상)",
        "en": f"{who_en} in {where_en} for {stay_en} {when_en} (threshold {limit_en})",
    }
