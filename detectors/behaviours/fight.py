"""Fight: people who are close to each other change their outlines faster than those who walk, stand or talk.

The measure is *unrest*: how fast the outlines of people within reach of somebody else change, |d ln width| + |d ln
height| a second, compared over a fifth of a second; the median over all of them in the picture, and its mean over a
second. Swinging, wrestling and falling change an outline, a walker's stride hardly does; neither the size of the
picture nor a camera that pans changes the logarithm of a width. Boxes as the detector gives them are compared, and not
tracks: in a brawl nobody is sure enough for the tracker to begin to follow him. A second of evidence passes over
greetings and people who pass each other. KISA's class is Violence; ONVIF has none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import ClassVar

import msgspec
from pydantic import Field

from detectors import score, thresholds
from detectors.behaviour import Account, Claim, Wake
from detectors.followed import Step
from detectors.thresholds import Resolver, Thresholds
from detectors.view import View
from lanewatch.records import PERSON, Box
from lanewatch.site import Name

SPAN_S = 0.2
"""Over which outlines are compared, or over one step of a camera that looks less often: a detector's jitter, which does
not grow with the span, would rule a shorter one."""
EVIDENCE_S = 1.0
"""Unrest is the mean over so long; what was not seen to be unrest in it counts as rest."""
STEP_S = 0.5
"""The longest time between two looks over which outlines are compared: a camera at 2 fps sees no fight's movements."""
ALIKE = 1.6
"""Two are at one place when one's box is at most so many times as long as the other's: else one is far behind."""
SAME = 0.3
"""Intersection over union from which two boxes of successive looks are one person's."""
LEAST = 4.0
"""Pixels, of a box's shorter side: the outline of anybody smaller is all jitter."""
MOST = 48
"""Boxes that are compared, the surest first, so that a crowd costs no more than two milliseconds."""
ON = 0.5
"""An event goes on while unrest is at least this share of the threshold: fights have pauses."""

REACHED = 0.35
"""Score of unrest that has just reached the threshold by day, the detector's confidence aside."""
WILDER = 0.3
"""More at twice the threshold, in proportion."""
SLACK_S = 0.01


class FightThresholds(Thresholds):
    """When people's movement is a fight."""

    unrest: float = Field(
        2.0,
        ge=0.1,
        le=20,
        title="Unrest",
        description="Change of the outlines of people close to each other, logarithms of width and height a second. "
        "Raising it raises fewer events of busy places, and misses fights.",
    )
    within: float = Field(
        1.0,
        ge=0.2,
        le=5,
        title="Within",
        description="Body heights between two who may fight. Raising it judges people who only walk side by side.",
    )
    cooldown_s: float = Field(
        10.0, ge=0, le=3600, title="Cool-down", description="Seconds after the end in which it is not raised again."
    )


class Look(msgspec.Struct, frozen=True):
    """Where people were at a look."""

    at: float
    boxes: tuple[Box, ...]


class Sample(msgspec.Struct, frozen=True):
    """The unrest that a look showed, and the seconds since the look before."""

    at: float
    unrest: float
    lasted_s: float


class Brawl(msgspec.Struct, frozen=True):
    """A fight that goes on."""

    since: float
    zone: str
    first: Step
    box: Box


class FightMemory(msgspec.Struct, frozen=True):
    """The last fraction of a second's outlines, the last second's unrest, and the fight, where there is one."""

    looks: tuple[Look, ...] = ()
    samples: tuple[Sample, ...] = ()
    brawl: Brawl | None = None


class Fight:
    """People fight. One event at a camera at a time, whoever joins in."""

    kind: ClassVar[str] = "fight"
    name: ClassVar[Name] = Name(ko="싸움", en="Fight")
    onvif: ClassVar[str] = ""
    kisa: ClassVar[str] = "Violence"
    places: ClassVar[frozenset[str]] = frozenset()
    wakes: ClassVar[frozenset[Wake]] = frozenset({"boxes"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = FightThresholds
    Memory: ClassVar[type[msgspec.Struct]] = FightMemory

    def __init__(self, limits: Resolver[FightThresholds]) -> None:
        self._limits = limits

    def start(self) -> FightMemory:
        """Nobody is near anybody."""
        return FightMemory()

    def step(self, memory: FightMemory, view: View) -> tuple[FightMemory, Sequence[Claim]]:
        """The unrest after a record; a claim while it is a fight's."""
        people = outlines(view) if view.looked else []
        limits = self._limits.at(view, "", PERSON)
        close = near(people, limits.within)
        if not close and not memory.looks and not memory.samples:
            return memory, ()
        now = view.captured_at
        fastest, samples = _sampled(memory, people, close, now)
        if not close and not any(one.unrest for one in samples):
            return FightMemory(), ()
        looks = memory.looks
        if view.looked:
            looks = (*(one for one in looks if now - one.at < SPAN_S - SLACK_S), Look(now, tuple(people)))
        level = mean(samples)
        brawl = memory.brawl
        if brawl is None and fastest is not None:
            first = Step((fastest[0] + fastest[2]) / 2, fastest[3], now)
            begun = min((one.at - one.lasted_s for one in samples if one.unrest), default=now)
            brawl = Brawl(begun, view.ground.at(first.x, first.y), first, fastest)
            limits = self._limits.at(view, brawl.zone, PERSON)
            if level < limits.unrest:
                brawl = None
        elif brawl is not None:
            limits = self._limits.at(view, brawl.zone, PERSON)
            if fastest is not None:
                brawl = msgspec.structs.replace(brawl, box=fastest)
            if level < ON * limits.unrest:
                brawl = None
        after = FightMemory(looks, samples, brawl)
        return after, () if brawl is None else (_claim(brawl, level, view, limits),)


def outlines(view: View) -> list[Box]:
    """The boxes of people in a record, the surest first."""
    record = view.detections
    if len(record.scores) < 2:
        return []
    rows = [row for row, label in enumerate(record.labels.tolist()) if label == PERSON]
    if len(rows) > MOST:
        scores = record.scores.tolist()
        rows = sorted(rows, key=lambda row: -scores[row])[:MOST]
    boxes = record.xyxy.tolist()
    return [(a, b, c, d) for a, b, c, d in (boxes[row] for row in rows) if c - a >= LEAST and d - b >= LEAST]


def near(people: Sequence[Box], within: float) -> set[int]:
    """Which of the boxes have another one within so many body heights. A body's height is its box's longer side."""
    close: set[int] = set()
    for i, (left, top, right, bottom) in enumerate(people):
        x, y, long = left + right, top + bottom, max(right - left, bottom - top)
        for j in range(i):
            a, b, c, d = people[j]
            other = max(c - a, d - b)
            longer, shorter = (long, other) if long > other else (other, long)
            # Twice the distance between the middles, since x and y are sums of two edges
            if longer <= ALIKE * shorter and math.hypot(x - a - c, y - b - d) < 2 * within * longer:
                close.add(i)
                close.add(j)
    return close


def unrest(before: Sequence[Box], people: Sequence[Box], close: set[int]) -> dict[int, float]:
    """How much the outlines of those who are close have changed, |d ln width| + |d ln height|, by their number.

    Boxes are one person's where they overlap most, best first; who was not there before has no change.
    """
    pairs = []
    for i, one in enumerate(before):
        for j, other in enumerate(people):
            overlap = _iou(one, other)
            if overlap > SAME:
                pairs.append((overlap, i, j))
    pairs.sort(reverse=True)
    taken: set[int] = set()
    changed: dict[int, float] = {}
    for _, i, j in pairs:
        if i in taken or j in changed:
            continue
        taken.add(i)
        (a, b, c, d), (left, top, right, bottom) = before[i], people[j]
        changed[j] = abs(math.log((right - left) / (c - a))) + abs(math.log((bottom - top) / (d - b)))
    return {j: change for j, change in changed.items() if j in close}


def mean(samples: Sequence[Sample]) -> float:
    """The unrest over the last second."""
    return sum(one.unrest * one.lasted_s for one in samples) / EVIDENCE_S


def _sampled(
    memory: FightMemory, people: Sequence[Box], close: set[int], now: float
) -> tuple[Box | None, tuple[Sample, ...]]:
    """Who changes fastest, and the last second's samples with this look's."""
    samples = tuple(one for one in memory.samples if now - one.at < EVIDENCE_S - SLACK_S)
    if not memory.looks or not people:
        return None, samples
    last = memory.looks[-1]
    past = next((one for one in memory.looks if now - one.at <= SPAN_S + SLACK_S), last)
    if now - last.at > STEP_S:
        return None, samples
    changed = unrest(past.boxes, people, close)
    if not changed:
        return None, (*samples, Sample(now, 0.0, now - last.at))
    value = median(changed.values()) / (now - past.at)
    fastest = max(changed, key=lambda row: changed[row])
    return people[fastest], (*samples, Sample(now, value, now - last.at))


def _iou(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    both = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return shared / (both - shared)


def _claim(brawl: Brawl, level: float, view: View, limits: FightThresholds) -> Claim:
    left, top, right, bottom = brawl.box
    there = [one for one in view.followed if one.label == PERSON and _iou(one.box, brawl.box) > SAME]
    return Claim(
        key="fight",
        zone=brawl.zone,
        since=brawl.since,
        until=view.captured_at,
        tracks=tuple(one.id for one in there),
        born=brawl.first,
        box=brawl.box,
        clarity=level * max(right - left, bottom - top),
        severity=2,
        thresholds=limits,
        account=lambda: _account(brawl, level, view, limits),
        cooldown_s=limits.cooldown_s,
    )


def _account(brawl: Brawl, level: float, view: View, limits: FightThresholds) -> Account:
    confidence = float(view.detections.scores.max()) if len(view.detections) else 0.0
    wilder = min(max(level / limits.unrest - 1.0, 0.0), 1.0)
    factors = (
        score.part(
            "unrest",
            REACHED + WILDER * wilder,
            unrest=round(level, 2),
            threshold=limits.unrest,
            seconds=round(view.captured_at - brawl.since, 1),
        ),
        *score.circumstances(view.condition, PERSON, confidence),
    )
    when_ko, when_en = score.WHEN[view.condition]
    return Account(
        factors,
        {
            "ko": f"{when_ko} 가까이 있는 사람들이 격하게 움직임: 싸움 의심 "
            f"(격렬도 {level:.1f}, 기준 {limits.unrest:g})",
            "en": f"People close to each other move violently {when_en}: a fight, it seems "
            f"(unrest {level:.1f}, threshold {limits.unrest:g})",
        },
    )
