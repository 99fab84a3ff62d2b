"""Abandoned object: somebody leaves a thing behind, goes away from it, and nobody else is with it.

The definition is that of PETS 2006 and i-LIDS (left luggage: its owner is some metres away for some seconds) and
KISA's Abandonment, with lengths in bodies instead of metres. The thing is a still region of the sampler's, which needs
no detector that knows bags: a place that differs from what it usually looks like and rests.
"""

from __future__ import annotations

import math
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
from lanewatch.records import UNKNOWN

ALONE = 0.3
"""Score of a thing that has just been alone for long enough."""
LONGER = 0.1
"""More for each such time on top, up to three."""
NAMED = 0.2
"""More where the detector calls it a bag."""


class AbandonedObjectThresholds(StationaryObjectThresholds):
    """When a thing that was set down is abandoned."""

    alone_s: float = Field(
        3.0,
        ge=0,
        le=3600,
        title="Alone",
        description="Seconds for which nobody is near it. Raising it raises fewer and later events.",
    )
    away: float = Field(
        1.2,
        ge=0.2,
        le=20,
        title="Away",
        description="Body lengths from it beyond which its owner has left it; PETS 2006 has 2 m. Raising it raises "
        "fewer events, and none where people pass by all the time.",
    )
    added: float = Field(
        -0.4,
        ge=-1,
        le=1,
        title="Came",
        description="How clearly something came rather than went, -1 to 1: by how much it stands out from its "
        "surroundings more than the place did before. Raising it raises fewer events, and none of things that are "
        "as dark as the place they stand in.",
    )
    alert_s: float = Field(
        30.0,
        ge=0,
        le=86400,
        title="Alert after",
        description="Seconds alone after which it is an alert. Raising it keeps events at watch for longer.",
    )


class AbandonedObject:
    """Something was set down and left. One event for each thing, until it is gone."""

    kind: ClassVar[str] = "abandoned_object"
    name: ClassVar[LocalizedName] = LocalizedName(ko="유기물", en="Abandoned object")
    onvif: ClassVar[str] = "RuleEngine/ObjectAbandoned"
    kisa: ClassVar[str] = "Abandonment"
    places: ClassVar[frozenset[str]] = frozenset()
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"still"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = AbandonedObjectThresholds
    Memory: ClassVar[type[msgspec.Struct]] = StationaryObjects

    def __init__(self, limits: Resolver[AbandonedObjectThresholds]) -> None:
        self._limits = limits

    def start(self) -> StationaryObjects:
        """Nothing has come."""
        return StationaryObjects()

    def step(self, memory: StationaryObjects, view: Observation) -> tuple[StationaryObjects, Sequence[Candidate]]:
        """The things after a record; a claim for each that has been left alone for long enough."""
        if not memory.things and not view.detections.scene.still:
            return memory, ()
        after = stationary_objects.advance(memory, view, self._limits.at(view, "", UNKNOWN).away)
        if not after.things:
            return after, ()
        claims, told = [], set()
        for one in after.things:
            zone = view.geometry.at(*one.foot)
            limits = self._limits.at(view, zone, UNKNOWN)
            if one.told or _left(one, view.captured_at, limits):
                claims.append(_claim(one, zone, view, limits))
                told.add(one.number)
        return stationary_objects.mark_reported(after, frozenset(told)), claims


def _left(one: StationaryObject, now: float, limits: AbandonedObjectThresholds) -> bool:
    if one.alone_since is None or one.missed_s or now - one.alone_since < limits.alone_s - TOLERANCE_S:
        return False
    return limits.judges(one) and one.added > limits.added


def _claim(one: StationaryObject, zone: str, view: Observation, limits: AbandonedObjectThresholds) -> Candidate:
    alone_s = _alone_s(one, view)
    name = stationary_objects.detected_class(one, view)
    return Candidate(
        key=one.key,
        zone=zone,
        since=one.since,
        until=one.seen_at,
        tracks=one.tracks,
        born=one.born,
        box=one.box,
        clarity=1.0 if one.alone_since is not None else 0.5,
        severity=2 if alone_s >= limits.alert_s else 1,
        thresholds=limits,
        explain=lambda: _account(one, alone_s, name, view, limits),
        reached=alone_s >= limits.alone_s - TOLERANCE_S,
    )


def _alone_s(one: StationaryObject, view: Observation) -> float:
    return 0.0 if one.alone_since is None else view.captured_at - one.alone_since


def _account(
    one: StationaryObject, alone_s: float, name: str, view: Observation, limits: AbandonedObjectThresholds
) -> Explanation:
    longer = min(max(alone_s / max(limits.alone_s, 1.0) - 1, 0.0), 3.0)
    factors = [
        scoring.make_factor("alone", ALONE + LONGER * longer, seconds=round(alone_s, 1), threshold_s=limits.alone_s),
        scoring.make_factor("night", scoring.NIGHT[view.condition], condition=view.condition),
    ]
    if name:
        factors.append(scoring.make_factor("class", NAMED, label=name))
    when_ko, when_en = scoring.WHEN[view.condition]
    stood_ko, stood_en = scoring.duration(math.floor(view.captured_at - one.since + TOLERANCE_S))
    limit_ko, limit_en = scoring.duration(limits.alone_s)
    what_ko, what_en = scoring.LABEL_NAMES[name] if name else ("물건", "object")
    what_ko = scoring.josa(what_ko, "이", "가")
    sentence = {
        "ko": f"{when_ko} {what_ko} {stood_ko} 동안 주인 없이 놓여 있음 (기준 {limit_ko})",
        "en": f"{what_en[0].upper()}{what_en[1:]} left behind {when_en}, there for {stood_en} "
        f"(threshold {limit_en} with nobody near)",
    }
    return Explanation(tuple(factors), sentence)
