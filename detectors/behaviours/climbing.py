"""Climbing: a person climbs over a fence or wall.

A line of ``kind: fence`` is drawn where the fence stands on the ground. A person who climbs it crosses the line, and on
the way the feet rise in the picture. The feet of a person who walks along the fence do not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import BaseBehaviour, Candidate, Explanation, Result
from detectors.observation.camera_geometry import PixelLine
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from detectors.thresholds import MovingObjectThresholds
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Line

CLIMB_SCORE = 0.6
"""Score by day, without the detector's confidence: no person climbs a fence by chance."""
AT_FENCE = 1.5
"""Body heights from the fence within which a person is at it."""
MAX_CLIMB_S = 15.0
"""Seconds that a climb may take."""
ON_GROUND = 0.15
"""Body heights by which feet on the ground seem to rise: jitter, and a few steps."""
MAX_UNSEEN_S = 5.0
"""A track that is unobserved for longer does not return under its id."""


class ClimbingThresholds(MovingObjectThresholds):
    """When crossing a fence is climbing."""

    classes: str = Field("person unknown", title="Classes")
    """Classes to evaluate, separated by blanks; unknown is motion without a class. More classes raise more events."""
    rise: float = Field(0.4, ge=0.1, le=3, title="Rise")
    """Body heights by which the feet rise in the picture, and by which a person must get clear of the fence on its
    other side. Raising it excludes low walls."""


class FenceContact(msgspec.Struct, frozen=True):
    """A person at a fence, whose feet were last on the ground at ``began_at``.

    ``rise``, body heights, is the most by which they have been above ``lowest``, y in pixels. ``direction`` is that in
    which the fence's line was crossed, 0 if it was not.
    """

    fence: str
    track: int
    last_seen_at: float
    began_at: float
    lowest: float
    rise: float = 0.0
    direction: int = 0


class ClimbingMemory(msgspec.Struct, frozen=True):
    contacts: tuple[FenceContact, ...] = ()


class Climbing(BaseBehaviour[ClimbingThresholds, ClimbingMemory]):
    """A person climbs over a fence. One event for each climb; it closes as soon as it opens."""

    kind = "climbing"
    name = LocalizedName(ko="월담", en="Climbing")
    places = frozenset({"fence"})
    Thresholds = ClimbingThresholds
    Memory = ClimbingMemory

    def step(self, memory: ClimbingMemory, observation: Observation) -> Result[ClimbingMemory]:
        if not observation.has_frame:
            return memory, ()
        now = observation.captured_at
        contacts = {(c.fence, c.track): c for c in memory.contacts if now - c.last_seen_at <= MAX_UNSEEN_S}
        candidates: list[Candidate] = []
        for fence in observation.geometry.fences:
            if not observation.holds(fence.line.schedule):
                continue
            for track in observation.objects:
                if track.seen and track.credible:
                    candidates += self._evaluate(fence, track, contacts, observation)
        after = tuple(contacts.values())
        return (memory if after == memory.contacts else ClimbingMemory(after)), candidates

    def _evaluate(
        self,
        fence: PixelLine,
        track: TrackedObject,
        contacts: dict[tuple[str, int], FenceContact],
        observation: Observation,
    ) -> Sequence[Candidate]:
        """Updates ``contacts`` with one track at one fence, and reports a completed climb."""
        line = fence.line
        key = (line.id, track.id)
        if key not in contacts and _is_far(fence, track):
            return ()
        limits = self._limits.resolve(observation, line.id, track.label)
        contact = _updated(fence, track, contacts.pop(key, None), observation.captured_at)
        if contact is None or track.label not in limits.labels:
            return ()
        clear = contact.direction and fence.distance(track) >= limits.rise * track.height
        if not clear or contact.rise < limits.rise:
            contacts[key] = contact
            return ()
        candidate = Candidate.from_track(  # a climb back is a new contact
            track,
            line.id,
            since=contact.began_at,
            until=observation.captured_at,
            severity=2,
            thresholds=limits,
            explain=lambda: _explain(line, contact, track, observation, limits),
            instant=True,
        )
        return (candidate,)


def _updated(fence: PixelLine, track: TrackedObject, before: FenceContact | None, now: float) -> FenceContact | None:
    """The contact of a person with a fence after this record; None if the person is not at it."""
    crossed = fence.crossed(track)
    if not crossed and _distance(fence, track) > AT_FENCE * track.height:
        return None
    if before is None or now - before.began_at > MAX_CLIMB_S:
        before = FenceContact(fence.line.id, track.id, now, track.before.at, max(track.y, track.before.y))
    lowest = max(before.lowest, track.y)
    rise = max(before.rise, (lowest - track.y) / track.height)
    direction = before.direction
    if crossed:  # a crossing back cancels the first one
        direction = 0 if crossed == -direction else crossed
    began_at = now if rise < ON_GROUND and not direction else before.began_at
    return FenceContact(before.fence, before.track, now, began_at, lowest, rise, direction)


def _is_far(fence: PixelLine, track: TrackedObject) -> bool:
    """Whether a person certainly is not at a fence, and was not before. A cheap test that suffices for most people."""
    reach, before = AT_FENCE * track.height, track.before
    return (
        max(track.x, before.x) < fence.left - reach
        or min(track.x, before.x) > fence.right + reach
        or max(track.y, before.y) < fence.top - reach
        or min(track.y, before.y) > fence.bottom + reach
    )


def _distance(fence: PixelLine, track: TrackedObject) -> float:
    """The distance of a person's foot point from the fence, pixels."""
    x0, y0, dx, dy = fence.segment
    share = min(max(((track.x - x0) * dx + (track.y - y0) * dy) / (dx * dx + dy * dy), 0.0), 1.0)
    return math.hypot(track.x - x0 - share * dx, track.y - y0 - share * dy)


def _explain(
    line: Line, contact: FenceContact, track: TrackedObject, observation: Observation, limits: ClimbingThresholds
) -> Explanation:
    factors = (
        scoring.make_factor("climbing", CLIMB_SCORE, fence=line.id, rise=round(contact.rise, 2), threshold=limits.rise),
        *scoring.common_factors(observation.condition, track.label, track.score),
    )
    who_ko, who_en = scoring.subject(track.label)
    when_ko, when_en = scoring.WHEN[observation.condition]
    sentence = {
        "ko": f"{when_ko} {who_ko} '{line.name.ko}' 담을 넘음 (발이 키의 {contact.rise:.1f}배 높이로 오름, "
        f"기준 {limits.rise:g}배)",
        "en": f"{who_en} climbed over the fence '{line.name.en}' {when_en} (the feet rose by {contact.rise:.1f} body "
        f"heights, threshold {limits.rise:g})",
    }
    return Explanation(factors, sentence)
