"""Fight: people who are close to each other move and change their outlines faster than those who walk, stand or talk.

The measure is *unrest*: how fast the outlines of people within reach of somebody else change, |d ln width| + |d ln
height|, and how fast those people move against everybody else in the picture, body heights, both a second; compared
over a fifth of a second; the median over all of them in the picture, and its mean over a second. Swinging, wrestling
and falling change an outline and throw people about, a walker's stride hardly does; neither the size of the picture
nor a camera that pans changes the logarithm of a width, and what all move alike is the camera's. Boxes as the detector
gives them are compared, and not tracks: in a brawl nobody is sure enough for the tracker to begin to follow him. A
second of evidence passes over greetings and people who pass each other. Two who are followed, come from apart and stay
in one place (``detectors.behaviours.fight.close_contact``) need less unrest. An event says "possible fight" and is of severity 1. KISA's
class is Violence; ONVIF has none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from statistics import median
from typing import ClassVar, NamedTuple

import msgspec
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.behaviours.fight.close_contact import Clinches, follow, outline
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackPoint
from detectors.thresholds import Resolver, Thresholds
from lanewatch.config.fields import LocalizedName
from lanewatch.records import PERSON, Box

EVIDENCE_S = 1.0
"""Unrest is the mean over so long; what was not seen to be unrest in it counts as rest."""
LOOKS = 10
"""And over so many looks, where a camera looks less often: of fewer, a detector's jitter alone makes a fight. At 2 to 4
fps, pets09-s2l1 and aboda-video4 reach 2.0 in a second's looks and 1.4 in ten."""
SPAN_S = 0.2
"""Over which people are compared, or over one step of a camera that looks less often; what changed in less counts as a
change of so long, or a detector's jitter would be more unrest the shorter the span."""
STEP_S = 0.5
"""The longest time between two looks over which people are compared: a camera at 2 fps sees no fight's movements."""
ALIKE = 1.6
"""Two are at one place when one's box is at most so many times as long as the other's: else one is far behind."""
SAME = 0.3
"""Intersection over union from which two boxes of successive looks are one person's."""
LEAST = 4.0
"""Pixels, of a box's shorter side: the outline of anybody smaller is all jitter."""
MOST = 48
"""Boxes that are compared, the surest first, so that a crowd costs no more than a millisecond."""
ON = 0.5
"""An event goes on while unrest is at least this share of the threshold: fights have pauses."""

REACHED = 0.35
"""Score of unrest that has just reached the threshold by day, the detector's confidence aside."""
WILDER = 0.3
"""More at twice the threshold, in proportion."""
SLACK_S = 0.01
WILD = ("가까이 있는 사람들이 격하게 움직임", "People close to each other move violently")
CLINCHED = ("두 사람이 맞붙어 격하게 움직임", "Two people hold each other and move violently")


class FightThresholds(Thresholds):
    """When people's movement may be a fight.

    The usual ``unrest`` is 1.3 times the largest value on footage without fights under all networks, 1.73: the demo's
    clip by the int8 network on AVX2. The usual ``clinched`` needs no such factor: two sure boxes in one place for long
    enough are not in that footage.
    """

    unrest: float = Field(
        2.3,
        ge=0.1,
        le=20,
        title="Unrest",
        description="Movement of people close to each other: their outlines' change, logarithms of width and height, "
        "and their own way, body heights, a second. Raising it raises fewer events of busy places, and misses fights.",
    )
    clinched: float = Field(
        0.5,
        ge=0.1,
        le=20,
        title="Unrest of a clinch",
        description="Change of the outlines of two who came from apart and are in one place, logarithms of width and "
        "height a second. Raising it raises fewer events of people who embrace, and misses fights.",
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


class Sign(NamedTuple):
    """What speaks for a fight at a record: unrest of two who hold each other or of all, since when, and whose."""

    held: bool
    unrest: float
    since: float
    box: Box | None

    def share(self, limits: FightThresholds) -> float:
        """Of the unrest that it takes: a fight from 1 on."""
        return self.unrest / (limits.clinched if self.held else limits.unrest)


class Brawl(msgspec.Struct, frozen=True):
    """A fight that goes on. ``strongest`` is the sign since its opening with the largest share of its threshold."""

    since: float
    zone: str
    first: TrackPoint
    box: Box
    strongest: Sign


class FightMemory(msgspec.Struct, frozen=True):
    """The last fraction of a second's outlines, the last second's unrest, who holds whom, and the fight, if any."""

    looks: tuple[Look, ...] = ()
    samples: tuple[Sample, ...] = ()
    clinches: Clinches = Clinches()
    brawl: Brawl | None = None


class Fight:
    """People fight. One event at a camera at a time, whoever joins in."""

    kind: ClassVar[str] = "fight"
    name: ClassVar[LocalizedName] = LocalizedName(ko="싸움 의심", en="Possible fight")
    onvif: ClassVar[str] = ""
    kisa: ClassVar[str] = "Violence"
    places: ClassVar[frozenset[str]] = frozenset()
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"boxes"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = FightThresholds
    Memory: ClassVar[type[msgspec.Struct]] = FightMemory

    def __init__(self, limits: Resolver[FightThresholds]) -> None:
        self._limits = limits

    def start(self) -> FightMemory:
        """Nobody is near anybody."""
        return FightMemory()

    def step(self, memory: FightMemory, view: Observation) -> tuple[FightMemory, Sequence[Candidate]]:
        """The unrest after a record; a claim while it is a fight's."""
        clinches = follow(memory.clinches, view)
        fastest, looks, samples = self._looked(memory, view)
        if not looks and not clinches.near:
            unchanged = clinches is memory.clinches and not (memory.looks or memory.samples or memory.brawl)
            return memory if unchanged else FightMemory(clinches=clinches), ()
        brawl, signs = memory.brawl, _signs(samples, fastest, clinches, view.captured_at)
        if brawl is None:
            found = [self._begun(sign, view) for sign in signs if sign.box is not None]
            brawl = next((one for one in found if one is not None), None)
        if brawl is None:
            return FightMemory(looks, samples, clinches), ()
        limits = self._limits.at(view, brawl.zone, PERSON)
        sign = max(signs, key=lambda one: one.share(limits), default=None)
        if sign is None or sign.share(limits) < ON:
            return FightMemory(looks, samples, clinches), ()
        if sign.box is not None:
            brawl = msgspec.structs.replace(brawl, box=sign.box)
        if sign.share(limits) > brawl.strongest.share(limits):
            brawl = msgspec.structs.replace(brawl, strongest=sign)
        return FightMemory(looks, samples, clinches, brawl), (_claim(brawl, sign, view, limits),)

    def _looked(
        self, memory: FightMemory, view: Observation
    ) -> tuple[Box | None, tuple[Look, ...], tuple[Sample, ...]]:
        """Who changes fastest, and the looks and samples after a record; none where nobody is near anybody."""
        people = outlines(view) if view.has_frame else []
        close = near(people, self._limits.at(view, "", PERSON).within)
        if not close and not memory.looks and not memory.samples:
            return None, (), ()
        now = view.captured_at
        fastest, samples = _sampled(memory, people, close, now)
        if not close and not any(one.unrest for one in samples):
            return None, (), ()
        looks = memory.looks
        if view.has_frame:
            looks = (*(one for one in looks if now - one.at < SPAN_S - SLACK_S), Look(now, tuple(people)))
        return fastest, looks, samples

    def _begun(self, sign: Sign, view: Observation) -> Brawl | None:
        """The fight that a sign's box shows by the thresholds of its place, if any."""
        left, _, right, bottom = sign.box or (0, 0, 0, 0)
        first = TrackPoint((left + right) / 2, bottom, view.captured_at)
        zone = view.geometry.at(first.x, first.y)
        if sign.box is None or sign.share(self._limits.at(view, zone, PERSON)) < 1:
            return None
        return Brawl(sign.since, zone, first, sign.box, sign)


def outlines(view: Observation) -> list[Box]:
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
    # Twice the middles, since x and y are sums of two edges
    bodies = [(a + c, b + d, max(c - a, d - b)) for a, b, c, d in people]
    for i, (x, y, long) in enumerate(bodies):
        known = i in close
        for j in range(i):
            if known and j in close:
                continue
            other_x, other_y, other = bodies[j]
            longer, shorter = (long, other) if long > other else (other, long)
            if longer <= ALIKE * shorter and math.hypot(x - other_x, y - other_y) < 2 * within * longer:
                known = True
                close.add(i)
                close.add(j)
    return close


def unrest(before: Sequence[Box], people: Sequence[Box], close: set[int]) -> dict[int, float]:
    """How much those who are close have changed and moved, by their number.

    |d ln width| + |d ln height| + the way of the middle against the median of everybody's, body heights. Boxes are one
    person's where they overlap most, best first; who was not there before has neither changed nor moved.
    """
    changed: dict[int, tuple[float, float, float, float]] = {}
    for i, j in _same(before, people):
        (a, b, c, d), (left, top, right, bottom) = before[i], people[j]
        height = math.sqrt(max(c - a, d - b) * max(right - left, bottom - top))
        changed[j] = (outline(before[i], people[j]), (left + right - a - c) / 2, (top + bottom - b - d) / 2, height)
    found = [j for j in changed if j in close]
    if not found:
        return {}
    all_x, all_y = (median(one[axis] for one in changed.values()) for axis in (1, 2))
    return {
        j: change + math.hypot(x - all_x, y - all_y) / long
        for j, (change, x, y, long) in ((j, changed[j]) for j in found)
    }


def mean(samples: Sequence[Sample]) -> float:
    """The unrest over the last second, or the last looks."""
    return sum(one.unrest * one.lasted_s for one in samples) / _evidence_s(samples)


def _evidence_s(samples: Sequence[Sample]) -> float:
    """Over how long unrest is the mean at a camera that looks as often as it has."""
    if not samples:
        return EVIDENCE_S
    return max(EVIDENCE_S, LOOKS * sum(one.lasted_s for one in samples) / len(samples))


def _sampled(
    memory: FightMemory, people: Sequence[Box], close: set[int], now: float
) -> tuple[Box | None, tuple[Sample, ...]]:
    """Who changes fastest, and the last second's samples with this look's."""
    kept_s = _evidence_s(memory.samples) - SLACK_S
    samples = tuple(one for one in memory.samples if now - one.at < kept_s)
    if not memory.looks or not people:
        return None, samples
    last = memory.looks[-1]
    past = next((one for one in memory.looks if now - one.at <= SPAN_S + SLACK_S), last)
    if now - last.at > STEP_S:
        return None, samples
    changed = unrest(past.boxes, people, close)
    if not changed:
        return None, (*samples, Sample(now, 0.0, now - last.at))
    value = median(changed.values()) / max(now - past.at, SPAN_S)
    fastest = max(changed, key=lambda row: changed[row])
    return people[fastest], (*samples, Sample(now, value, now - last.at))


def _signs(samples: Sequence[Sample], fastest: Box | None, clinches: Clinches, now: float) -> list[Sign]:
    level, held = mean(samples), clinches.wildest(now) if clinches.near else None
    signs = []
    if level:
        begun = min((one.at - one.lasted_s for one in samples if one.unrest), default=now)
        signs.append(Sign(False, level, begun, fastest))
    if held is not None and held.since is not None:
        signs.append(Sign(True, held.unrest, held.since, held.box))
    return signs


def _same(before: Sequence[Box], people: Sequence[Box]) -> Iterator[tuple[int, int]]:
    """Which box was which, best first."""
    pairs = []
    for i, one in enumerate(before):
        left, top, right, bottom = one
        for j, other in enumerate(people):
            # Most boxes are far from each other: no call for those
            if other[0] < right and other[2] > left and other[1] < bottom and other[3] > top:
                overlap = _iou(one, other)
                if overlap > SAME:
                    pairs.append((overlap, i, j))
    pairs.sort(reverse=True)
    taken: set[int] = set()
    given: set[int] = set()
    for _, i, j in pairs:
        if i not in taken and j not in given:
            taken.add(i)
            given.add(j)
            yield i, j


def _iou(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    both = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return shared / (both - shared)


def _claim(brawl: Brawl, sign: Sign, view: Observation, limits: FightThresholds) -> Candidate:
    left, top, right, bottom = brawl.box
    there = [one for one in view.objects if one.label == PERSON and _iou(one.box, brawl.box) > SAME]
    return Candidate(
        key="fight",
        zone=brawl.zone,
        since=brawl.since,
        until=view.captured_at,
        tracks=tuple(one.id for one in there),
        born=brawl.first,
        box=brawl.box,
        clarity=sign.unrest * max(right - left, bottom - top),
        severity=1,
        thresholds=limits,
        explain=lambda: _account(brawl, view, limits),
        reached=brawl.strongest.share(limits) >= 1,
        cooldown_s=limits.cooldown_s,
    )


def _account(brawl: Brawl, view: Observation, limits: FightThresholds) -> Explanation:
    sign = brawl.strongest
    confidence = float(view.detections.scores.max()) if len(view.detections) else 0.0
    wilder = min(max(sign.share(limits) - 1.0, 0.0), 1.0)
    needed = limits.clinched if sign.held else limits.unrest
    factors = (
        scoring.make_factor(
            "unrest",
            REACHED + WILDER * wilder,
            unrest=round(sign.unrest, 2),
            threshold=needed,
            seconds=round(view.captured_at - brawl.since, 1),
        ),
        *scoring.common_factors(view.condition, PERSON, confidence),
    )
    when_ko, when_en = scoring.WHEN[view.condition]
    who_ko, who_en = CLINCHED if sign.held else WILD
    return Explanation(
        factors,
        {
            "ko": f"{when_ko} {who_ko}: 싸움 의심 (격렬도 {sign.unrest:.2f}, 기준 {needed:g})",
            "en": f"{who_en} {when_en}: possible fight (unrest {sign.unrest:.2f}, threshold {needed:g})",
        },
    )
