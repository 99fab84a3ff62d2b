"""Loitering: somebody stays in a watched zone for longer than one who has business there would.

KISA's certification rule for intelligent CCTV takes 10 s in the zone; in operation that is every second person who
waits for a bus, so the usual values are 30 s by day and 20 s by night. The dwell runs in capture time from the entry
of the foot point on; leaving for a moment, being hidden for a moment and getting a new identity from the tracker do not
end it. Passing by ten times does not add up. Who loitered and comes back to loiter again within the hour, as control
centres have it, is graver: the same look in any zone of the camera. (At neighbouring cameras that is
``detectors.correlation.roaming``.) By infrared everybody looks alike, and nobody is known again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import ClassVar

import msgspec
import numpy as np
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.behaviours.common import zone_dwell
from detectors.behaviours.common.zone_dwell import TOLERANCE_S, ZoneDwell
from detectors.observation.observation import Observation
from detectors.thresholds import DwellThresholds, Resolver
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Zone
from lanewatch.sun import Condition
from models.appearance import similarity

ZONES = frozenset({"watch", "produce"})

REACHED = 0.3
"""Score of one who has just reached the threshold by day in a watched zone, the detector's confidence aside."""
LONGER = 0.1
"""More for each threshold's length on top and for each of up to two earlier stays within the hour, three in all."""
PRODUCE = 0.1
"""More in a produce zone: there is something to take."""

AGAIN_S = 3600.0
"""From the end of one loitering stay to the beginning of the next."""
KEPT = 64
"""Stays that are remembered at most."""

NIGHT_DWELL_S = 20.0
"""By night, where the site says nothing: fewer people have business there."""


class LoiteringThresholds(DwellThresholds):
    """When staying becomes loitering."""

    classes: str = Field(
        "person unknown",
        title="Classes",
        description="What is judged, separated by blanks; unknown is what moves and has no name. Vehicles are left "
        "out: they park. Naming more raises more events.",
    )
    dwell_s: float = Field(
        30.0,
        ge=1,
        le=3600,
        title="Dwell",
        description="Seconds in the zone. Raising it raises fewer and later events.",
    )
    night_dwell_s: float | None = Field(
        None,
        ge=1,
        le=3600,
        title="Dwell by night",
        description="Seconds in the zone while the sun is 6 degrees below the horizon or the camera sees by infrared. "
        "If absent, the dwell where that is given, else 20. Raising it makes nights more like days.",
    )
    alert_at: float = Field(
        2.0,
        ge=1,
        le=100,
        title="Alert at",
        description="Multiple of the dwell at which it becomes an alert. Raising it keeps events at watch for longer.",
    )
    dispatch_at: float = Field(
        6.0,
        ge=1,
        le=1000,
        title="Dispatch at",
        description="Multiple of the dwell at which dispatch is suggested. Raising it suggests it less often.",
    )
    cooldown_s: float = Field(
        10.0,
        ge=0,
        le=3600,
        title="Cool-down",
        description="Seconds after the end in which the same person at the same zone is not raised again.",
    )

    @cached_property
    def least_s(self) -> float:
        """The shortest dwell that may apply, so that the sun is asked for only when it matters."""
        return min(self.needed_s(condition) for condition in ("day", "dusk", "night"))

    @cached_property
    def by_night(self) -> LoiteringThresholds:
        """The same with the dwell that applies by night, as events tell it."""
        return self.model_copy(update={"dwell_s": self.needed_s("night")})

    def needed_s(self, condition: Condition) -> float:
        """The dwell that applies by day, at dusk or by night."""
        if condition != "night":
            return self.dwell_s
        if self.night_dwell_s is not None:
            return self.night_dwell_s
        return self.dwell_s if "dwell_s" in self.model_fields_set else NIGHT_DWELL_S


class PastStay(msgspec.Struct, frozen=True):
    """A stay that is loitering, or was: whose look, until when, and how many went before it within the hour."""

    key: str
    appearance: bytes
    until: float
    earlier: int


class LoiteringMemory(msgspec.Struct, frozen=True):
    """Who is in which zone since when, and who has loitered of late."""

    visits: tuple[ZoneDwell, ...] = ()
    known: tuple[PastStay, ...] = ()

    @property
    def idle(self) -> bool:
        """Nobody is there: who has loitered matters when somebody comes."""
        return not self.visits


class Loitering:
    """Somebody stays in a watched or a produce zone. One event for each stay of each person."""

    kind: ClassVar[str] = "loitering"
    name: ClassVar[LocalizedName] = LocalizedName(ko="배회", en="Loitering")
    onvif: ClassVar[str] = "RuleEngine/LoiteringDetector/ObjectIsLoitering"
    kisa: ClassVar[str] = "Loitering"
    places: ClassVar[frozenset[str]] = ZONES
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"tracks"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = LoiteringThresholds
    Memory: ClassVar[type[msgspec.Struct]] = LoiteringMemory

    def __init__(self, limits: Resolver[LoiteringThresholds]) -> None:
        self._limits = limits

    def start(self) -> LoiteringMemory:
        """Nobody is anywhere."""
        return LoiteringMemory()

    def step(self, memory: LoiteringMemory, view: Observation) -> tuple[LoiteringMemory, Sequence[Candidate]]:
        """The dwells after a record; a claim for each that has reached its threshold."""
        now = zone_dwell.advance(memory.visits, view, ZONES, self._limits)
        known = memory.known
        if known and view.captured_at - known[0].until > AGAIN_S:
            known = tuple(one for one in known if view.captured_at - one.until <= AGAIN_S)
        if now is memory.visits:
            return (memory if known is memory.known else LoiteringMemory(now, known)), ()
        claims = []
        loiter: list[PastStay] = []
        for visit in now:
            limits = self._limits.at(view, visit.zone, visit.label)
            if visit.dwell_s < limits.least_s - TOLERANCE_S or visit.label not in limits.labels:
                continue
            needed_s = limits.needed_s(view.condition)
            if visit.dwell_s >= needed_s - TOLERANCE_S:
                stay = _known(visit, known, view)
                loiter.append(stay)
                claims.append(_claim(visit, view, limits, needed_s, stay.earlier))
        return LoiteringMemory(now, _remembered(known, loiter) if loiter else known), claims


def _known(visit: ZoneDwell, known: tuple[PastStay, ...], view: Observation) -> PastStay:
    """A stay that is loitering now, with how many of the same look went before it."""
    key = f"{visit.zone}/{visit.tracks[0]}/{visit.since:.3f}"
    before = next((one for one in known if one.key == key), None)
    if before is not None:
        return PastStay(key, visit.appearance, visit.until, before.earlier)
    past = [one for one in known if one.until <= visit.since <= one.until + AGAIN_S]
    earlier = 0 if view.light == "infrared" else sum(_alike(one.appearance, visit.appearance) for one in past)
    return PastStay(key, visit.appearance, visit.until, earlier)


def _alike(one: bytes, other: bytes) -> bool:
    if len(one) != len(other) or not one:
        return False
    looks = [np.frombuffer(look, np.uint8)[None] for look in (one, other)]
    return bool(similarity(*looks)[0, 0] >= zone_dwell.ALIKE)


def _remembered(known: tuple[PastStay, ...], loiter: list[PastStay]) -> tuple[PastStay, ...]:
    """The stays with those that go on; by their ends, so that the first one is the first to be forgotten."""
    keys = {one.key for one in loiter}
    return (*(one for one in known if one.key not in keys), *loiter)[-KEPT:]


def _claim(
    visit: ZoneDwell, view: Observation, limits: LoiteringThresholds, needed_s: float, earlier: int
) -> Candidate:
    times = visit.dwell_s / needed_s
    severity = 1 + (times >= limits.alert_at) + (times >= limits.dispatch_at)
    severity = min(severity + (earlier > 0), 3)
    applied = limits if needed_s == limits.dwell_s else limits.by_night
    return zone_dwell.dwell_candidate(
        visit, severity, applied, limits.cooldown_s, lambda: _account(visit, view, needed_s, earlier)
    )


def _account(visit: ZoneDwell, view: Observation, needed_s: float, earlier: int) -> Explanation:
    zone = view.geometry.zone(visit.zone)
    dwell_s = visit.dwell_s
    again = min(earlier, 2)
    longer = min(max(dwell_s / needed_s - 1, 0.0), 3.0 - again)
    factors = [
        scoring.make_factor("dwell", REACHED + LONGER * longer, seconds=round(dwell_s, 1), threshold_s=needed_s),
        *scoring.common_factors(view.condition, visit.label, visit.confidence),
    ]
    if zone.kind == "produce":
        factors.append(scoring.make_factor("place", PRODUCE, zone=zone.id, kind=zone.kind))
    if earlier:
        factors.append(scoring.make_factor("again", LONGER * again, earlier=earlier, within_s=AGAIN_S))
    return Explanation(tuple(factors), _sentence(visit, view, zone, needed_s, earlier))


def _sentence(visit: ZoneDwell, view: Observation, zone: Zone, needed_s: float, earlier: int) -> dict[str, str]:
    who_ko, who_en = scoring.subject(visit.label)
    when_ko, when_en = scoring.WHEN[view.condition]
    dwell_ko, dwell_en = scoring.duration(math.floor(visit.dwell_s + TOLERANCE_S))
    limit_ko, limit_en = scoring.duration(needed_s)
    again_ko = f", 1시간 이내 {earlier + 1}번째" if earlier else ""
    again_en = f", stay {earlier + 1} within the hour" if earlier else ""
    return {
        "ko": f"{when_ko} '{zone.name.ko}' 구역에서 {who_ko} {dwell_ko} 동안 배회 (기준 {limit_ko}{again_ko})",
        "en": f"{who_en} loitering in '{zone.name.en}' for {dwell_en} {when_en} (threshold {limit_en}{again_en})",
    }
