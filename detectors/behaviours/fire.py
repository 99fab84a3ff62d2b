"""Fire and smoke by colour, flicker and growth. It ranks low until a trained network replaces it.

It is on only at a site that names it: of eight minutes of harmless clips, three were taken for smoke.

The sampler reports regions that may be flames or smoke (``streams.sampling.fire_smoke``). One in the box of a detected
object is no fire: an orange jacket belongs to a person, tail lights to a car.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec
from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import BaseBehaviour, Candidate, Explanation, Result
from detectors.behaviours.common.explanations import night_factor, whole_seconds
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackPoint
from detectors.thresholds import Thresholds
from lanewatch import boxes
from lanewatch.config.fields import LocalizedName
from lanewatch.records import LABELS, UNKNOWN, Box, Flame

SCORES = {"fire": 0.25, "smoke": 0.15}
"""Scores at the thresholds. As it is a rule of thumb, they are below those of what a network has detected."""
GROWTH_SCORE = 0.1
"""More for each doubling of its area, up to twice."""

OBJECT_LABELS = frozenset(LABELS.index(name) for name in ("person", "bicycle", "car", "motorcycle", "bus", "truck"))
MIN_CONFIDENCE = 0.35
"""Detector score from which a box explains a flame."""
MIN_OVERLAP = 0.5
"""Share of a flame's box within an object's box from which it belongs to that object."""
MAX_UNSEEN_S = 10.0
"""Flames may be occluded for so long."""
MAX_REGIONS = 8

NAMES = {"fire": ("불꽃", "Flames"), "smoke": ("연기", "Smoke")}


class FireThresholds(Thresholds):
    """When possible flames or smoke are an event."""

    hold_s: float = Field(6.0, ge=0, le=600, title="Hold")
    """Seconds for which growing flames must be present. Raising it raises fewer and later events."""
    smoke_hold_s: float = Field(15.0, ge=0, le=600, title="Hold of smoke")
    """The same for smoke, which fog and exhaust look like. Raising it raises fewer and later events."""
    growth: float = Field(1.5, ge=1, le=100, title="Growth")
    """Multiple of the area in its first second that it must reach. Raising it raises fewer events."""
    steady_s: float = Field(60.0, ge=1, le=3600, title="Steady")
    """Seconds after which flames count that do not grow. Raising it excludes bonfires and lamps."""


class BurningRegion(msgspec.Struct, frozen=True):
    """A region with possible flames or smoke, its last observation and its largest growth."""

    kind: Literal["fire", "smoke"]
    since: float
    last_seen_at: float
    box: Box
    growth: float
    flicker: float
    reported: bool = False

    @property
    def lasted_s(self) -> float:
        """Seconds from the first to the last observation."""
        return self.last_seen_at - self.since

    def meets(self, limits: FireThresholds) -> bool:
        """Whether it has lasted and grown enough."""
        if self.kind == "fire" and self.lasted_s >= limits.steady_s:
            return True
        hold_s = limits.hold_s if self.kind == "fire" else limits.smoke_hold_s
        return self.growth >= limits.growth and self.lasted_s >= hold_s


class FireMemory(msgspec.Struct, frozen=True):
    regions: tuple[BurningRegion, ...] = ()


class Fire(BaseBehaviour[FireThresholds, FireMemory]):
    """Flames or smoke. One event for each burning region."""

    kind = "fire"
    name = LocalizedName(ko="화재", en="Fire")
    kisa = "FireDetection"
    by_default = False
    triggers = frozenset({"flames"})
    Thresholds = FireThresholds
    Memory = FireMemory

    def step(self, memory: FireMemory, observation: Observation) -> Result[FireMemory]:
        flames = observation.detections.scene.flames
        if not flames and not memory.regions:
            return memory, ()
        limits = self._limits.resolve(observation, "", UNKNOWN)
        now = observation.captured_at
        unmatched = list(memory.regions)
        after: list[BurningRegion] = []
        for flame in flames:
            if _is_part_of_object(flame, observation):
                continue
            before = _match(flame, unmatched)
            if before is not None:
                unmatched.remove(before)
            after.append(_updated(before, flame, now, limits))
        after += [region for region in unmatched if now - region.last_seen_at <= MAX_UNSEEN_S]
        regions = tuple(sorted(after, key=lambda region: region.since)[:MAX_REGIONS])
        candidates = [_candidate(region, observation, limits) for region in regions if region.reported]
        return FireMemory(regions), candidates


def _is_part_of_object(flame: Flame, observation: Observation) -> bool:
    """Whether most of a flame lies in the box of a detected object."""
    left, top, right, bottom = flame.box
    needed = MIN_OVERLAP * max((right - left) * (bottom - top), 1.0)
    record = observation.detections
    rows = zip(record.labels.tolist(), record.scores.tolist(), record.xyxy.tolist(), strict=True)
    return any(
        label in OBJECT_LABELS and score >= MIN_CONFIDENCE and boxes.intersection(flame.box, box) >= needed
        for label, score, box in rows
    )


def _match(flame: Flame, regions: list[BurningRegion]) -> BurningRegion | None:
    """The region that the sampler reported before under the same start time, else the first one that it touches."""
    same_kind = [region for region in regions if region.kind == flame.kind]
    known = next((region for region in same_kind if region.since == flame.since), None)
    return known or next((region for region in same_kind if boxes.intersection(region.box, flame.box) > 0), None)


def _updated(before: BurningRegion | None, flame: Flame, now: float, limits: FireThresholds) -> BurningRegion:
    since = flame.since if before is None else before.since
    growth = flame.growth if before is None else max(before.growth, flame.growth)
    region = BurningRegion(flame.kind, since, now, flame.box, growth, flame.flicker)
    reported = (before is not None and before.reported) or region.meets(limits)
    return msgspec.structs.replace(region, reported=reported)


def _candidate(region: BurningRegion, observation: Observation, limits: FireThresholds) -> Candidate:
    left, top, right, bottom = region.box
    return Candidate(
        key=f"{region.kind} {round(region.since * 1000)}",
        zone="",
        since=region.since,
        until=region.last_seen_at,
        tracks=(),
        first_point=TrackPoint((left + right) / 2, bottom, region.since),
        box=region.box,
        clarity=(right - left) * (bottom - top),
        severity=2 if region.kind == "fire" else 1,
        thresholds=limits,
        explain=lambda: _explain(region, observation),
        thresholds_met=region.meets(limits),
    )


def _explain(region: BurningRegion, observation: Observation) -> Explanation:
    lasted_s = round(region.lasted_s, 1)
    doublings = min(max(math.log2(max(region.growth, 1.0)), 0.0), 2.0)
    factors = (
        scoring.make_factor(
            "untrained", SCORES[region.kind], seconds=lasted_s, flicker=region.flicker, kind=region.kind
        ),
        scoring.make_factor("growth", GROWTH_SCORE * doublings, times=round(region.growth, 2)),
        night_factor(observation),
    )
    name_ko, name_en = NAMES[region.kind]
    when_ko, when_en = scoring.WHEN[observation.condition]
    lasted_ko, lasted_en = whole_seconds(region.lasted_s)
    sentence = {
        "ko": f"{when_ko} {name_ko} 의심, {lasted_ko} 동안 면적 {region.growth:.1f}배 (색·깜박임 기준, 학습 모델 없음)",
        "en": f"{name_en} suspected {when_en} for {lasted_en}, {region.growth:.1f} times the area "
        "(by colour and flicker, without a trained model)",
    }
    return Explanation(factors, sentence)
