"""Removed object: an object that lay in a produce zone for long is gone, and a person was there.

It is ONVIF's ObjectRemoved, in produce zones only: elsewhere what goes away is mostly a person or a parked vehicle.
"""

from __future__ import annotations

from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import TOLERANCE_S, BaseBehaviour, Candidate, Explanation, Result
from detectors.behaviours.common import stationary_objects
from detectors.behaviours.common.explanations import night_factor
from detectors.behaviours.common.stationary_objects import StationaryObject, StationaryObjects
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Zone
from lanewatch.records import UNKNOWN

ZONES = frozenset({"produce"})

REMOVED_SCORE = 0.45
"""Score of a removal from a place where goods lie."""
CLARITY_SCORE = 0.15
"""The most that a clear removal adds."""


class RemovedObjectThresholds(stationary_objects.StationaryObjectThresholds):
    """When a missing object was taken."""

    gone_s: float = Field(5.0, ge=3, le=3600, title="Gone")
    """Seconds for which its place has been bare. Raising it raises fewer and later events."""
    removed: float = Field(0.5, ge=0, le=1, title="Went")
    """How clearly an object went rather than came, 0 to 1: by how much more the place stood out from its surroundings
    before than it does now. Raising it raises fewer events."""


class RemovedObject(BaseBehaviour[RemovedObjectThresholds, StationaryObjects]):
    """An object in a produce zone was taken. One event for each object; it closes as soon as it opens."""

    kind = "removed_object"
    name = LocalizedName(ko="물건 제거", en="Removed object")
    onvif = "RuleEngine/ObjectRemoved"
    places = ZONES
    triggers = frozenset({"still"})
    Thresholds = RemovedObjectThresholds
    Memory = StationaryObjects

    def step(self, memory: StationaryObjects, observation: Observation) -> Result[StationaryObjects]:
        after = stationary_objects.update(memory, observation, stationary_objects.REACH)
        candidates, reported = [], set()
        for thing in after.objects:
            zone = _zone_of(thing, observation)
            if thing.reported or zone is None:
                continue
            limits = self._limits.resolve(observation, zone.id, UNKNOWN)
            if _is_removed(thing, observation.captured_at, limits) and not _was_person(thing, observation):
                candidates.append(_candidate(thing, zone, observation, limits))
                reported.add(thing.number)
        return stationary_objects.mark_reported(after, frozenset(reported)), candidates


def _zone_of(thing: StationaryObject, observation: Observation) -> Zone | None:
    pixel_zones = (
        pixel_zone for pixel_zone in observation.geometry.zones_of(ZONES) if pixel_zone.contains(*thing.foot_point)
    )
    return next((pixel_zone.zone for pixel_zone in pixel_zones if observation.holds(pixel_zone.zone.schedule)), None)


def _is_removed(thing: StationaryObject, now: float, limits: RemovedObjectThresholds) -> bool:
    if thing.unseen_s or now - thing.since < limits.gone_s - TOLERANCE_S:
        return False
    return limits.accepts_size_of(thing) and thing.added <= -limits.removed


def _was_person(thing: StationaryObject, observation: Observation) -> bool:
    """Whether the missing object is a person who stood there when first tracked, and who has walked away."""
    first_points = [track.first_point for track in observation.objects]
    if thing.tracks:
        first_points.append(thing.first_point)
    return any(stationary_objects.was_first_seen_there(thing, point) for point in first_points)


def _candidate(
    thing: StationaryObject, zone: Zone, observation: Observation, limits: RemovedObjectThresholds
) -> Candidate:
    return Candidate(
        key=thing.key,
        zone=zone.id,
        since=thing.since,
        until=observation.captured_at,
        tracks=thing.tracks,
        first_point=thing.first_point,
        box=thing.box,
        clarity=1.0,
        severity=2,
        thresholds=limits,
        explain=lambda: _explain(thing, zone, observation, limits),
        instant=True,
    )


def _explain(
    thing: StationaryObject, zone: Zone, observation: Observation, limits: RemovedObjectThresholds
) -> Explanation:
    factors = (
        scoring.make_factor("gone", REMOVED_SCORE, zone=zone.id, kind=zone.kind, threshold_s=limits.gone_s),
        scoring.make_factor("clear", CLARITY_SCORE * -thing.added, removed=round(-thing.added, 2)),
        night_factor(observation),
    )
    when_ko, when_en = scoring.WHEN[observation.condition]
    limit_ko, limit_en = scoring.duration(limits.gone_s)
    sentence = {
        "ko": f"{when_ko} '{zone.name.ko}' 구역에 있던 물건이 없어짐 (기준 {limit_ko})",
        "en": f"An object is gone from '{zone.name.en}' {when_en} (threshold {limit_en})",
    }
    return Explanation(factors, sentence)
