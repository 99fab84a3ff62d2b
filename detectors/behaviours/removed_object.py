"""Removed object: what lay in a produce zone for long is gone, and somebody was there.

ONVIF's ObjectRemoved: a place looked otherwise for as long as the camera has known it, has changed, rests, and is now
as plain as its surroundings. It is judged in produce zones (a field, a drying place, a store) only: elsewhere what goes
away is mostly somebody who stood there, or a parked vehicle, and what is worth taking lies where people know it does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.behaviours.common import stationary_objects
from detectors.behaviours.common.stationary_objects import (
    StationaryObject,
    StationaryObjects,
    StationaryObjectThresholds,
)
from detectors.behaviours.common.zone_dwell import TOLERANCE_S
from detectors.observation.observation import Observation
from detectors.thresholds import Resolver
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Zone
from lanewatch.records import UNKNOWN

ZONES = frozenset({"produce"})

GONE = 0.45
"""Score of something gone from where things lie that are worth taking."""
CLEAR = 0.15
"""The most that the clarity of its being gone adds."""


class RemovedObjectThresholds(StationaryObjectThresholds):
    """When what is gone was taken."""

    gone_s: float = Field(
        5.0,
        ge=3,
        le=3600,
        title="Gone",
        description="Seconds for which its place has been bare. Raising it raises fewer and later events.",
    )
    removed: float = Field(
        0.5,
        ge=0,
        le=1,
        title="Went",
        description="How clearly something went rather than came, 0 to 1: by how much the place stood out from its "
        "surroundings before more than it does now. Raising it raises fewer events.",
    )


class RemovedObject:
    """Something that lay in a produce zone was taken. One event for each thing; it is over when it is raised."""

    kind: ClassVar[str] = "removed_object"
    name: ClassVar[LocalizedName] = LocalizedName(ko="물건 제거", en="Removed object")
    onvif: ClassVar[str] = "RuleEngine/ObjectRemoved"
    kisa: ClassVar[str] = ""
    places: ClassVar[frozenset[str]] = ZONES
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"still"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = RemovedObjectThresholds
    Memory: ClassVar[type[msgspec.Struct]] = StationaryObjects

    def __init__(self, limits: Resolver[RemovedObjectThresholds]) -> None:
        self._limits = limits

    def start(self) -> StationaryObjects:
        """Nothing is gone."""
        return StationaryObjects()

    def step(self, memory: StationaryObjects, view: Observation) -> tuple[StationaryObjects, Sequence[Candidate]]:
        """The places that have changed after a record; a claim once for each from which something was taken."""
        if not memory.things and not view.detections.scene.still:
            return memory, ()
        after = stationary_objects.advance(memory, view, stationary_objects.REACH)
        claims, told = [], set()
        for one in after.things:
            zone = _zone(one, view)
            if one.told or zone is None:
                continue
            limits = self._limits.at(view, zone.id, UNKNOWN)
            if _taken(one, view.captured_at, limits) and not _stood(one, view):
                claims.append(_claim(one, zone, view, limits))
                told.add(one.number)
        return stationary_objects.mark_reported(after, frozenset(told)), claims


def _zone(one: StationaryObject, view: Observation) -> Zone | None:
    areas = (area for area in view.geometry.areas_of(ZONES) if area.contains(*one.foot))
    return next((area.zone for area in areas if view.holds(area.zone.schedule)), None)


def _taken(one: StationaryObject, now: float, limits: RemovedObjectThresholds) -> bool:
    if one.missed_s or now - one.since < limits.gone_s - TOLERANCE_S:
        return False
    return limits.judges(one) and one.added <= -limits.removed


def _stood(one: StationaryObject, view: Observation) -> bool:
    """Whether what is gone is somebody who was found standing there: nobody took him."""
    left, top, right, bottom = one.box
    slack = stationary_objects.BESIDE * one.body
    births = [(who.born.x, who.born.y) for who in view.objects] + [(one.born.x, one.born.y)] * bool(one.tracks)
    return any(left - slack <= x <= right + slack and top - slack <= y <= bottom + slack for x, y in births)


def _claim(one: StationaryObject, zone: Zone, view: Observation, limits: RemovedObjectThresholds) -> Candidate:
    return Candidate(
        key=one.key,
        zone=zone.id,
        since=one.since,
        until=view.captured_at,
        tracks=one.tracks,
        born=one.born,
        box=one.box,
        clarity=1.0,
        severity=2,
        thresholds=limits,
        explain=lambda: _account(one, zone, view, limits),
        instant=True,
    )


def _account(one: StationaryObject, zone: Zone, view: Observation, limits: RemovedObjectThresholds) -> Explanation:
    factors = [
        scoring.make_factor("gone", GONE, zone=zone.id, kind=zone.kind, threshold_s=limits.gone_s),
        scoring.make_factor("clear", CLEAR * -one.added, removed=round(-one.added, 2)),
        scoring.make_factor("night", scoring.NIGHT[view.condition], condition=view.condition),
    ]
    when_ko, when_en = scoring.WHEN[view.condition]
    limit_ko, limit_en = scoring.duration(limits.gone_s)
    sentence = {
        "ko": f"{when_ko} '{zone.name.ko}' 구역에 있던 물건이 없어짐 (기준 {limit_ko})",
        "en": f"An object is gone from '{zone.name.en}' {when_en} (threshold {limit_en})",
    }
    return Explanation(tuple(factors), sentence)
