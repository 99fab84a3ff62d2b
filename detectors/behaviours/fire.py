"""Fire and smoke, by colour, flicker and growth: ranked low until a network that was taught them is plugged in.

What the sampler takes for flames or smoke (``streams.sampling.fire_smoke``) is an event when it has stayed where it is and either
grown or gone on for long, and when the detector has no better name for it: an orange jacket is somebody's, tail
lights are a car's. KISA's ``FireDetection`` counts flames and smoke alike. Under infrared light there is no colour, and
no fire.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import msgspec
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackPoint
from detectors.thresholds import Resolver, Thresholds
from lanewatch.config.fields import LocalizedName
from lanewatch.records import LABELS, UNKNOWN, Box, Flame

REACHED = {"fire": 0.25, "smoke": 0.15}
"""Scores of what has just been noticed: a rule of thumb, so that it stands below what a network has seen."""
GROWN = 0.1
"""More for each doubling of its area, up to twice."""

NAMED = frozenset(LABELS.index(name) for name in ("person", "bicycle", "car", "motorcycle", "bus", "truck"))
SURE = 0.35
"""Score from which a box's name counts."""
COVERED = 0.5
"""Of a flame's box, as much within a named one makes it a part of that."""
AWAY_S = 10.0
"""Flames may be hidden for so long; then it is over."""
_MOST = 8

WORDS = {"fire": ("불꽃", "Flames"), "smoke": ("연기", "Smoke")}


class FireThresholds(Thresholds):
    """When what flickers is a fire."""

    hold_s: float = Field(
        6.0,
        ge=0,
        le=600,
        title="Hold",
        description="Seconds for which flames that grow must be there. Raising it raises fewer and later events.",
    )
    smoke_hold_s: float = Field(
        15.0,
        ge=0,
        le=600,
        title="Hold of smoke",
        description="The same for smoke, which fog and exhaust look like. Raising it raises fewer and later events.",
    )
    growth: float = Field(
        1.5,
        ge=1,
        le=100,
        title="Growth",
        description="Times the area of its first second that it must reach. Raising it raises fewer events.",
    )
    steady_s: float = Field(
        60.0,
        ge=1,
        le=3600,
        title="Steady",
        description="Seconds after which flames count that do not grow. Raising it spares bonfires and lamps.",
    )


class BurningRegion(msgspec.Struct, frozen=True):
    """One place that burns: since when, when seen last, where, and how far it has grown."""

    kind: Literal["fire", "smoke"]
    since: float
    seen_at: float
    box: Box
    grown: float
    flicker: float
    claimed: bool = False


class FireMemory(msgspec.Struct, frozen=True):
    """All of them."""

    places: tuple[BurningRegion, ...] = ()


class Fire:
    """Flames or smoke. One event for each place that burns."""

    kind: ClassVar[str] = "fire"
    name: ClassVar[LocalizedName] = LocalizedName(ko="화재", en="Fire")
    onvif: ClassVar[str] = ""
    kisa: ClassVar[str] = "FireDetection"
    places: ClassVar[frozenset[str]] = frozenset()
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"flames"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = FireThresholds
    Memory: ClassVar[type[msgspec.Struct]] = FireMemory

    def __init__(self, limits: Resolver[FireThresholds]) -> None:
        self._limits = limits

    def start(self) -> FireMemory:
        """Nothing burns."""
        return FireMemory()

    def step(self, memory: FireMemory, view: Observation) -> tuple[FireMemory, Sequence[Candidate]]:
        """The places that burn after a record, and a claim for each that has done so for long enough."""
        flames = view.detections.scene.flames
        if not flames and not memory.places:
            return memory, ()
        limits = self._limits.at(view, "", UNKNOWN)
        now = view.captured_at
        after: list[BurningRegion] = []
        rest = list(memory.places)
        for flame in flames:
            if _explained(flame, view):
                continue
            known = next((one for one in rest if one.since == flame.since and one.kind == flame.kind), None)
            known = known or next((one for one in rest if one.kind == flame.kind and _meet(one.box, flame.box)), None)
            if known is not None:
                rest.remove(known)
            after.append(_seen(known, flame, now, limits))
        after += [one for one in rest if now - one.seen_at <= AWAY_S]
        places = tuple(sorted(after, key=lambda one: one.since)[:_MOST])
        return FireMemory(places), [_claim(one, view, limits) for one in places if one.claimed]


def _explained(flame: Flame, view: Observation) -> bool:
    """Whether most of it lies in a box that has a name."""
    left, top, right, bottom = flame.box
    size = max((right - left) * (bottom - top), 1.0)
    record = view.detections
    for label, confidence, box in zip(
        record.labels.tolist(), record.scores.tolist(), record.xyxy.tolist(), strict=True
    ):
        if label not in NAMED or confidence < SURE:
            continue
        across = min(right, box[2]) - max(left, box[0])
        down = min(bottom, box[3]) - max(top, box[1])
        if across > 0 and down > 0 and across * down >= COVERED * size:
            return True
    return False


def _meet(one: Box, other: Box) -> bool:
    return min(one[2], other[2]) > max(one[0], other[0]) and min(one[3], other[3]) > max(one[1], other[1])


def _seen(known: BurningRegion | None, flame: Flame, now: float, limits: FireThresholds) -> BurningRegion:
    since = flame.since if known is None else known.since
    grown = flame.growth if known is None else max(known.grown, flame.growth)
    claimed = (known is not None and known.claimed) or _reached(flame.kind, grown, now - since, limits)
    return BurningRegion(flame.kind, since, now, flame.box, grown, flame.flicker, claimed)


def _reached(kind: str, grown: float, lasted_s: float, limits: FireThresholds) -> bool:
    if kind == "fire" and lasted_s >= limits.steady_s:
        return True
    return grown >= limits.growth and lasted_s >= (limits.hold_s if kind == "fire" else limits.smoke_hold_s)


def _claim(one: BurningRegion, view: Observation, limits: FireThresholds) -> Candidate:
    left, top, right, bottom = one.box

    def account() -> Explanation:
        doublings = min(max(math.log2(max(one.grown, 1.0)), 0.0), 2.0)
        lasted_s = one.seen_at - one.since
        detail = {"seconds": round(lasted_s, 1), "flicker": one.flicker, "kind": one.kind}
        factors = (
            scoring.make_factor("untrained", REACHED[one.kind], **detail),
            scoring.make_factor("growth", GROWN * doublings, times=round(one.grown, 2)),
            scoring.make_factor("night", scoring.NIGHT[view.condition], condition=view.condition),
        )
        return Explanation(factors, _sentence(one, lasted_s, view))

    return Candidate(
        key=f"{one.kind} {round(one.since * 1000)}",
        zone="",
        since=one.since,
        until=one.seen_at,
        tracks=(),
        born=TrackPoint((left + right) / 2, bottom, one.since),
        box=one.box,
        clarity=(right - left) * (bottom - top),
        severity=2 if one.kind == "fire" else 1,
        thresholds=limits,
        explain=account,
        reached=_reached(one.kind, one.grown, one.seen_at - one.since, limits),
    )


def _sentence(one: BurningRegion, lasted_s: float, view: Observation) -> dict[str, str]:
    what_ko, what_en = WORDS[one.kind]
    when_ko, when_en = scoring.WHEN[view.condition]
    for_ko, for_en = scoring.duration(math.floor(lasted_s + 1e-6))
    times = f"{one.grown:.1f}"
    return {
        "ko": f"{when_ko} {what_ko} 의심, {for_ko} 동안 면적 {times}배 (색·깜박임 기준, 학습 모델 없음)",
        "en": f"{what_en} suspected {when_en} for {for_en}, {times} times the area "
        "(by colour and flicker, without a trained model)",
    }
