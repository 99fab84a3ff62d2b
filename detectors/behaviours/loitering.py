"""Loitering: a person stays about in a watched zone for longer than usual business there takes. See docs/behaviours.md.

The stay must be long, and the way must go nowhere. KISA's certification rule takes 10 s in the zone, wherever the way
goes. In operation that matches every second person at a bus stop, hence the defaults.
For neighbouring cameras see ``detectors.correlation.roaming``.
"""

from __future__ import annotations

import math
from functools import cached_property

import msgspec
from msgspec.structs import replace
from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import TOLERANCE_S, BaseBehaviour, Candidate, Explanation, Result, cooldown_field
from detectors.behaviours.common import zone_dwell
from detectors.behaviours.common.explanations import excess, whole_seconds
from detectors.behaviours.common.zone_dwell import ZoneDwell
from detectors.observation.observation import Observation
from detectors.thresholds import DwellThresholds
from lanewatch.config.fields import LocalizedName
from lanewatch.sun import Condition

ZONES = frozenset({"watch", "produce"})

DWELL_SCORE = 0.2
"""Score at the threshold by day in a watched zone, without the detector's confidence."""
STAYING_SCORE = 0.2
"""More for a person who gets nowhere; half of it at ``STAYING_PACE``."""
STAYING_PACE = 0.05
"""Body heights a second: one in 20 s. People who cross a place make .5 and more."""
STEP = 0.5
"""Body heights that are added to the way, since a person who stands also steps about; ``PATIENCE_S`` to the time."""
PATIENCE_S = 30.0
"""On ltd-loitering, .25 to 2 heights with 10 to 60 s give nearly the same order."""
LONGER_SCORE = 0.01
"""More for each multiple of the threshold, up to three. People mark loitering by the way rather than by the time."""
AGAIN_SCORE = 0.05
"""More for each of up to two earlier stays within the hour."""
PRODUCE_SCORE = 0.1
"""More in a produce zone, where there is something to steal."""

AGAIN_S = 3600.0
"""From the end of one loitering stay to the beginning of the next."""
MAX_PAST_STAYS = 64
"""Stays that are remembered at most."""

FIRST_LOOK_S = 10.0
"""From the camera's first picture: what is there so early was not seen to come. At two pictures a second, a detector
that misses a quarter of them confirms a track within six seconds."""
MOVED = 0.5
"""Body heights from its first point that an object at rest never reaches. A box jitters by a tenth."""
SAME_HEIGHT = 0.75
"""Ratio of the heights of a still object and of what is detected at its place later."""
MAX_STILL_OBJECTS = 16

NIGHT_DWELL_S = 20.0
"""At night, if the site file sets no dwell: fewer people have business there."""


class LoiteringThresholds(DwellThresholds):
    """When a dwell is loitering."""

    classes: str = Field("person unknown", title="Classes")
    """Classes to evaluate, separated by blanks; unknown is motion without a class. Vehicles are excluded because they
    park. More classes raise more events."""
    dwell_s: float = Field(30.0, ge=1, le=3600, title="Dwell")
    """Seconds in the zone. Raising it raises fewer and later events."""
    night_dwell_s: float | None = Field(None, ge=1, le=3600, title="Dwell by night")
    """Seconds in the zone while the sun is 6 degrees below the horizon or the camera sees by infrared. If absent, the
    dwell if that is given, else 20. Raising it makes nights more like days."""
    progress: float = Field(0.5, gt=0, le=10, title="Progress")
    """Body heights a second from where the stay began, on average, up to which a person stays about; a walker has .7.
    Raising it includes people who walk slowly through a long zone; at 10 the dwell alone counts, as in KISA's rule."""
    alert_at: float = Field(2.0, ge=1, le=100, title="Alert at")
    """Multiple of the dwell at which it becomes an alert. Raising it keeps events at watch for longer."""
    dispatch_at: float = Field(6.0, ge=1, le=1000, title="Dispatch at")
    """Multiple of the dwell at which dispatch is suggested, if it is also night in a produce zone. Raising it suggests
    it less often."""
    cooldown_s: float = cooldown_field(10.0, "the same person in the same zone")

    @cached_property
    def shortest_s(self) -> float:
        """The shortest dwell that may apply. Below it the sun's elevation need not be computed."""
        return min(self.required_s(condition) for condition in ("day", "dusk", "night"))

    @cached_property
    def at_night(self) -> LoiteringThresholds:
        """The same with the dwell that applies at night, for events."""
        return self.model_copy(update={"dwell_s": self.required_s("night")})

    def required_s(self, condition: Condition) -> float:
        """The dwell that applies by day, at dusk or at night."""
        if condition != "night":
            return self.dwell_s
        if self.night_dwell_s is not None:
            return self.night_dwell_s
        return self.dwell_s if "dwell_s" in self.model_fields_set else NIGHT_DWELL_S


class LoiteringStay(msgspec.Struct, frozen=True):
    """A present or past loitering stay: its appearance, its end, and the number of such stays before it."""

    key: str
    appearance: bytes
    until: float
    earlier: int


class StillObject(msgspec.Struct, frozen=True):
    """What was there at the first look and has not moved since, such as a scarecrow.

    It may be a person who stands, so it is watched once: ``stay`` is the key of the stay that was an event, "" if none.
    """

    x: float  # its foot point, pixels; y likewise
    y: float
    height: float
    stay: str = ""


class LoiteringMemory(msgspec.Struct, frozen=True):
    """The present dwells, the loitering stays of the last hour, and the still objects."""

    dwells: tuple[ZoneDwell, ...] = ()
    stays: tuple[LoiteringStay, ...] = ()
    still_objects: tuple[StillObject, ...] = ()

    @property
    def idle(self) -> bool:
        """No person is in a zone. Past stays matter when a person comes."""
        return not self.dwells


class Loitering(BaseBehaviour[LoiteringThresholds, LoiteringMemory]):
    """A person stays in a watched or a produce zone. One event for each stay of each person."""

    kind = "loitering"
    name = LocalizedName(ko="배회", en="Loitering")
    onvif = "RuleEngine/LoiteringDetector/ObjectIsLoitering"
    kisa = "Loitering"
    places = ZONES
    Thresholds = LoiteringThresholds
    Memory = LoiteringMemory

    def step(self, memory: LoiteringMemory, observation: Observation) -> Result[LoiteringMemory]:
        dwells = zone_dwell.update(memory.dwells, observation, ZONES, self._limits)
        stays = memory.stays
        if stays and observation.captured_at - stays[0].until > AGAIN_S:
            stays = tuple(stay for stay in stays if observation.captured_at - stay.until <= AGAIN_S)
        if dwells is memory.dwells:
            return (memory if stays is memory.stays else LoiteringMemory(dwells, stays, memory.still_objects)), ()
        still_objects = _update_still_objects(memory.still_objects, dwells, observation.began_at)
        candidates = []
        present: list[LoiteringStay] = []
        for dwell in dwells:
            limits = self._limits.resolve(observation, dwell.zone, dwell.label)
            if dwell.dwell_s < limits.shortest_s - TOLERANCE_S or dwell.label not in limits.labels:
                continue
            required_s = limits.required_s(observation.condition)
            if dwell.dwell_s < required_s - TOLERANCE_S:
                continue
            stay = _loitering_stay(dwell, stays, observation)
            if _progress(dwell) > limits.progress and all(known.key != stay.key for known in stays):
                continue
            still_object = next(
                (still_object for still_object in still_objects if _is_still_object(dwell, still_object)), None
            )
            if still_object is not None and still_object.stay not in ("", stay.key):
                continue
            candidate = _candidate(dwell, observation, limits, required_s, stay.earlier)
            if still_object is not None:
                candidate = candidate._replace(severity=1)
                still_objects = tuple(
                    replace(item, stay=stay.key) if item is still_object else item for item in still_objects
                )
            present.append(stay)
            candidates.append(candidate)
        stays = _remember(stays, present) if present else stays
        return LoiteringMemory(dwells, stays, still_objects), candidates


def _update_still_objects(
    still_objects: tuple[StillObject, ...], dwells: tuple[ZoneDwell, ...], began_at: float | None
) -> tuple[StillObject, ...]:
    """The still objects that have not moved, and the new ones of the first look."""
    if began_at is None:
        return still_objects
    for dwell in dwells:
        if dwell.first_point.at <= began_at + FIRST_LOOK_S:
            still_object = StillObject(dwell.first_point.x, dwell.first_point.y, dwell.height)
            if dwell.farthest > MOVED:
                still_objects = tuple(
                    item for item in still_objects if (item.x, item.y) != (still_object.x, still_object.y)
                )
            elif not any(_is_still_object(dwell, item) for item in still_objects):
                still_objects = (*still_objects, still_object)[-MAX_STILL_OBJECTS:]
    return still_objects


def _is_still_object(dwell: ZoneDwell, still_object: StillObject) -> bool:
    """Whether a stay is of a still object: it began there, has never moved, and is as high."""
    point = dwell.first_point
    low, high = sorted((dwell.height, still_object.height))
    there = math.hypot(point.x - still_object.x, point.y - still_object.y) <= MOVED * still_object.height
    return there and dwell.farthest <= MOVED and low >= SAME_HEIGHT * high


def _progress(dwell: ZoneDwell) -> float:
    """Body heights a second from where the stay began to where the person is."""
    return dwell.displacement / max(dwell.dwell_s, 1.0)


def _loitering_stay(dwell: ZoneDwell, stays: tuple[LoiteringStay, ...], observation: Observation) -> LoiteringStay:
    """The stay of a dwell, with the number of earlier stays of the same appearance."""
    key = f"{dwell.zone}/{dwell.tracks[0]}/{dwell.since:.3f}"
    known = next((stay for stay in stays if stay.key == key), None)
    if known is not None:
        earlier = known.earlier
    elif observation.light == "infrared":
        earlier = 0
    else:
        past = [stay for stay in stays if stay.until <= dwell.since <= stay.until + AGAIN_S]
        earlier = sum(zone_dwell.are_similar(stay.appearance, dwell.appearance) for stay in past)
    return LoiteringStay(key, dwell.appearance, dwell.until, earlier)


def _remember(stays: tuple[LoiteringStay, ...], present: list[LoiteringStay]) -> tuple[LoiteringStay, ...]:
    """Past and present stays in the order of their ends, so that the oldest is the first to be removed."""
    keys = {stay.key for stay in present}
    return (*(stay for stay in stays if stay.key not in keys), *present)[-MAX_PAST_STAYS:]


def _candidate(
    dwell: ZoneDwell, observation: Observation, limits: LoiteringThresholds, required_s: float, earlier: int
) -> Candidate:
    times = dwell.dwell_s / required_s
    severity = 1 + (times >= limits.alert_at) + (earlier > 0)
    # Dispatch needs a second kind of evidence: another stay within the hour, or produce by night.
    zone = observation.geometry.zone(dwell.zone)
    if times >= limits.dispatch_at and zone.kind == "produce" and observation.condition == "night":
        severity = 3
    applied = limits if required_s == limits.dwell_s else limits.at_night
    return zone_dwell.dwell_candidate(
        dwell,
        min(severity, 3),
        applied,
        limits.cooldown_s,
        lambda: _explain(dwell, observation, required_s, earlier),
    )


def _explain(dwell: ZoneDwell, observation: Observation, required_s: float, earlier: int) -> Explanation:
    zone = observation.geometry.zone(dwell.zone)
    again = min(earlier, 2)
    score = DWELL_SCORE + LONGER_SCORE * excess(dwell.dwell_s, required_s)
    pace = (dwell.displacement + STEP) / (dwell.dwell_s + PATIENCE_S)
    staying = STAYING_SCORE / (1 + pace / STAYING_PACE)
    factors = [
        scoring.make_factor("dwell", score, seconds=round(dwell.dwell_s, 1), threshold_s=required_s),
        scoring.make_factor("staying", staying, heights=round(dwell.displacement, 1)),
        *scoring.common_factors(observation.condition, dwell.label, dwell.confidence),
    ]
    if zone.kind == "produce":
        factors.append(scoring.make_factor("place", PRODUCE_SCORE, zone=zone.id, kind=zone.kind))
    if earlier:
        factors.append(scoring.make_factor("again", AGAIN_SCORE * again, earlier=earlier, within_s=AGAIN_S))
    who_ko, who_en = scoring.subject(dwell.label)
    when_ko, when_en = scoring.WHEN[observation.condition]
    dwell_ko, dwell_en = whole_seconds(dwell.dwell_s)
    limit_ko, limit_en = scoring.duration(required_s)
    again_ko = f", 1시간 이내 {earlier + 1}번째" if earlier else ""
    again_en = f", stay {earlier + 1} within the hour" if earlier else ""
    sentence = {
        "ko": f"{when_ko} '{zone.name.ko}' 구역에서 {who_ko} {dwell_ko} 동안 배회 (기준 {limit_ko}{again_ko})",
        "en": f"{who_en} loitering in '{zone.name.en}' for {dwell_en} {when_en} (threshold {limit_en}{again_en})",
    }
    return Explanation(tuple(factors), sentence)
