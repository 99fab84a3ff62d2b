"""Intrusion: somebody is in a zone that is closed, always or during the hours of its schedule.

The definition is KISA's (entering a detection area) and ONVIF's field detector: the foot point inside the polygon. So
that a box that jitters over the border for one frame raises nothing, the foot has to stay for half a second of capture
time, counted from its entry between two records, at whichever rate they come.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import msgspec
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.behaviours.common import zone_dwell
from detectors.behaviours.common.zone_dwell import TOLERANCE_S, ZoneDwell, ZoneDwells
from detectors.observation.observation import Observation
from detectors.thresholds import DwellThresholds, Resolver
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Zone

ZONES = frozenset({"closed"})

ENTERED = 0.5
"""Score of being there by day, the detector's confidence aside: the zone is closed, so nobody has business there."""
LONGER = 0.1
"""More for staying until dispatch is suggested, in proportion."""
BY_HOURS = 0.1
"""More for a zone that is closed at this hour and open at others: one who comes then knows what he does."""


class IntrusionThresholds(DwellThresholds):
    """When being there becomes intrusion."""

    stay_s: float = Field(
        0.5,
        ge=0,
        le=60,
        title="Stay",
        description="Seconds that the foot has to be inside. Raising it raises fewer events at the border, and later.",
    )
    dispatch_s: float = Field(
        30.0,
        ge=1,
        le=3600,
        title="Dispatch after",
        description="Seconds inside after which dispatch is suggested. Raising it suggests it less often.",
    )
    cooldown_s: float = Field(
        3.0,
        ge=0,
        le=3600,
        title="Cool-down",
        description="Seconds after the end in which the same person at the same zone is not raised again.",
    )


class Intrusion:
    """Somebody is in a closed zone. One event for each stay of each person."""

    kind: ClassVar[str] = "intrusion"
    name: ClassVar[LocalizedName] = LocalizedName(ko="침입", en="Intrusion")
    onvif: ClassVar[str] = "RuleEngine/FieldDetector/ObjectsInside"
    kisa: ClassVar[str] = "Intrusion"
    places: ClassVar[frozenset[str]] = ZONES
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"tracks"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = IntrusionThresholds
    Memory: ClassVar[type[msgspec.Struct]] = ZoneDwells

    def __init__(self, limits: Resolver[IntrusionThresholds]) -> None:
        self._limits = limits

    def start(self) -> ZoneDwells:
        """Nobody is anywhere."""
        return ZoneDwells()

    def step(self, memory: ZoneDwells, view: Observation) -> tuple[ZoneDwells, Sequence[Candidate]]:
        """The stays after a record; a claim for each that is long enough."""
        now = zone_dwell.advance(memory.visits, view, ZONES, self._limits)
        if now is memory.visits:
            return memory, ()
        claims = []
        for visit in now:
            limits = self._limits.at(view, visit.zone, visit.label)
            if visit.dwell_s >= limits.stay_s - TOLERANCE_S and visit.label in limits.labels:
                claims.append(_claim(visit, view, limits))
        return ZoneDwells(now), claims


def _claim(visit: ZoneDwell, view: Observation, limits: IntrusionThresholds) -> Candidate:
    severity = 3 if visit.dwell_s >= limits.dispatch_s else 2
    return zone_dwell.dwell_candidate(visit, severity, limits, limits.cooldown_s, lambda: _account(visit, view, limits))


def _account(visit: ZoneDwell, view: Observation, limits: IntrusionThresholds) -> Explanation:
    zone = view.geometry.zone(visit.zone)
    share = min(visit.dwell_s / limits.dispatch_s, 1.0)
    factors = [
        scoring.make_factor("inside", ENTERED, zone=zone.id, kind=zone.kind),
        scoring.make_factor("stay", LONGER * share, seconds=round(visit.dwell_s, 1), threshold_s=limits.stay_s),
        *scoring.common_factors(view.condition, visit.label, visit.confidence),
    ]
    if zone.schedule is not None:
        factors.append(scoring.make_factor("hours", BY_HOURS, schedule=zone.schedule))
    return Explanation(tuple(factors), _sentence(visit, view, zone, limits))


def _sentence(visit: ZoneDwell, view: Observation, zone: Zone, limits: IntrusionThresholds) -> dict[str, str]:
    who_ko, who_en = scoring.subject(visit.label)
    when_ko, when_en = scoring.WHEN[view.condition]
    limit_ko, limit_en = scoring.duration(limits.stay_s)
    here_ko = f"{when_ko} 출입이 금지된 '{zone.name.ko}' 구역에 {who_ko}"
    here_en = f"the closed zone '{zone.name.en}'"
    if visit.dwell_s < 2:
        return {
            "ko": f"{here_ko} 들어옴 (기준 {limit_ko} 이상)",
            "en": f"{who_en} entered {here_en} {when_en} (threshold {limit_en})",
        }
    stay_ko, stay_en = scoring.duration(math.floor(visit.dwell_s + TOLERANCE_S))
    return {
        "ko": f"{here_ko} 들어와 {stay_ko} 동안 머무름 (기준 {limit_ko} 이상)",
        "en": f"{who_en} in {here_en} for {stay_en} {when_en} (threshold {limit_en})",
    }
