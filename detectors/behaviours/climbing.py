"""Climbing: somebody gets over a fence or wall.

A line of the site with ``kind: fence`` is drawn where the fence stands on the ground, its gates left out. Who climbs
it crosses that line, gets clear of it on the other side, and on the way the feet go up: in the picture they rise by
.4 body heights or more, which nobody does who walks along it. It is the act before an intrusion, which KISA's class of
that name counts from the entry into the area on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import msgspec
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.observation.camera_geometry import PixelLine
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from detectors.thresholds import MovingObjectThresholds, Resolver
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Line

CLIMBED = 0.6
"""Score of getting over a fence by day, the detector's confidence aside: nobody does so by chance."""
NEAR = 1.5
"""Body heights from the fence within which somebody is at it."""
WITHIN_S = 15.0
"""Seconds that getting over it may take."""
GROUND = 0.15
"""Body heights by which feet on the ground seem to rise: jitter, and a few steps."""
UNSEEN_S = 5.0
"""Unseen for so long, a track will not come back under its id."""


class ClimbingThresholds(MovingObjectThresholds):
    """When getting over a fence counts."""

    classes: str = Field(
        "person unknown",
        title="Classes",
        description="What is judged, separated by blanks; unknown is what moves and has no name. Naming more raises "
        "more events.",
    )
    rise: float = Field(
        0.4,
        ge=0.1,
        le=3,
        title="Rise",
        description="Body heights by which the feet go up in the picture, and by which somebody must get clear of the "
        "fence on its other side. Raising it leaves low walls out.",
    )


class FenceContact(msgspec.Struct, frozen=True):
    """Somebody at a fence.

    Attributes:
        began_at: When the feet were last on the ground.
        lowest: The lowest place of the feet, y in pixels.
        rise: The most by which they have been above it, body heights.
        way: Which way the fence's line was crossed, 0 for not yet.
    """

    fence: str
    track: int
    seen_at: float
    began_at: float
    lowest: float
    rise: float = 0.0
    way: int = 0


class ClimbingMemory(msgspec.Struct, frozen=True):
    """Who is at a fence."""

    climbers: tuple[FenceContact, ...] = ()


class Climbing:
    """Somebody climbs over a fence. One event each time; it is over when it is raised."""

    kind: ClassVar[str] = "climbing"
    name: ClassVar[LocalizedName] = LocalizedName(ko="월담", en="Climbing")
    onvif: ClassVar[str] = ""
    kisa: ClassVar[str] = ""
    places: ClassVar[frozenset[str]] = frozenset({"fence"})
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"tracks"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = ClimbingThresholds
    Memory: ClassVar[type[msgspec.Struct]] = ClimbingMemory

    def __init__(self, limits: Resolver[ClimbingThresholds]) -> None:
        self._limits = limits

    def start(self) -> ClimbingMemory:
        """Nobody is at a fence."""
        return ClimbingMemory()

    def step(self, memory: ClimbingMemory, view: Observation) -> tuple[ClimbingMemory, Sequence[Candidate]]:
        """Who gets over a fence at this record."""
        if not view.has_frame:
            return memory, ()
        now: dict[tuple[str, int], FenceContact] = {}
        for old in memory.climbers:
            if view.captured_at - old.seen_at <= UNSEEN_S:
                now[old.fence, old.track] = old
        claims: list[Candidate] = []
        for fence in view.geometry.fences:
            if not view.holds(fence.line.schedule):
                continue
            for one in view.objects:
                if one.seen and one.credible:
                    claims += self._watch(fence, one, now, view)
        after = tuple(now.values())
        return (memory if after == memory.climbers else ClimbingMemory(after)), claims

    def _watch(
        self, fence: PixelLine, one: TrackedObject, now: dict[tuple[str, int], FenceContact], view: Observation
    ) -> Sequence[Candidate]:
        place = (fence.line.id, one.id)
        if place not in now and _far(fence, one):
            return ()
        limits = self._limits.at(view, fence.line.id, one.label)
        climber = _further(fence, one, now.pop(place, None), view.captured_at)
        if climber is None or one.label not in limits.labels:
            return ()
        clear = climber.way and fence.distance(one) >= limits.rise * one.height
        if clear and climber.rise >= limits.rise:  # he is over; whoever wants back is seen anew
            return (_claim(fence.line, climber, one, view, limits),)
        now[place] = climber
        return ()


def _further(fence: PixelLine, one: TrackedObject, before: FenceContact | None, now: float) -> FenceContact | None:
    """What is known of somebody at a fence after this record; None for one who is not at it."""
    way = fence.crossed(one)
    if not way and _apart(fence, one) > NEAR * one.height:
        return None
    if before is None or now - before.began_at > WITHIN_S:
        before = FenceContact(fence.line.id, one.id, now, one.before.at, max(one.y, one.before.y))
    lowest = max(before.lowest, one.y)
    rise = max(before.rise, (lowest - one.y) / one.height)
    came = before.way if not way else 0 if way == -before.way else way
    began_at = now if rise < GROUND and not came else before.began_at
    return FenceContact(before.fence, before.track, now, began_at, lowest, rise, came)


def _far(fence: PixelLine, one: TrackedObject) -> bool:
    """Whether somebody is certainly not at a fence, and was not at the look before: without a root, for most."""
    reach, before = NEAR * one.height, one.before
    return (
        max(one.x, before.x) < fence.left - reach
        or min(one.x, before.x) > fence.right + reach
        or max(one.y, before.y) < fence.top - reach
        or min(one.y, before.y) > fence.bottom + reach
    )


def _apart(fence: PixelLine, one: TrackedObject) -> float:
    """How far somebody's foot is from the fence, pixels."""
    x0, y0, dx, dy = fence.segment
    share = min(max(((one.x - x0) * dx + (one.y - y0) * dy) / (dx * dx + dy * dy), 0.0), 1.0)
    return math.hypot(one.x - x0 - share * dx, one.y - y0 - share * dy)


def _claim(
    line: Line, climber: FenceContact, one: TrackedObject, view: Observation, limits: ClimbingThresholds
) -> Candidate:
    return Candidate(
        key=f"{line.id}/{one.id}",
        zone=line.id,
        since=climber.began_at,
        until=view.captured_at,
        tracks=(one.id,),
        born=one.born,
        box=one.box,
        clarity=one.score * one.height,
        severity=2,
        thresholds=limits,
        explain=lambda: _account(line, climber, one, view, limits),
        instant=True,
    )


def _account(
    line: Line, climber: FenceContact, one: TrackedObject, view: Observation, limits: ClimbingThresholds
) -> Explanation:
    factors = (
        scoring.make_factor("climbing", CLIMBED, fence=line.id, rise=round(climber.rise, 2), threshold=limits.rise),
        *scoring.common_factors(view.condition, one.label, one.score),
    )
    who_ko, who_en = scoring.subject(one.label)
    when_ko, when_en = scoring.WHEN[view.condition]
    sentence = {
        "ko": f"{when_ko} {who_ko} '{line.name.ko}' 담을 넘음 (발이 키의 {climber.rise:.1f}배 높이로 오름, "
        f"기준 {limits.rise:g}배)",
        "en": f"{who_en} climbed over the fence '{line.name.en}' {when_en} (the feet rose by {climber.rise:.1f} body "
        f"heights, threshold {limits.rise:g})",
    }
    return Explanation(factors, sentence)
