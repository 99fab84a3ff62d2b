"""Who holds whom: two people who came from apart, met at one place, and stay in it.

Who passes another is through in a third of a second, and who stands and talks keeps half his size to a whole from the
other. Lengths are sizes, the root of the larger box's area: seen from above a box's height says nothing. The boxes of
the detector are compared, those that the tracker has taken for somebody: its own are smoothed. Found in CAVIAR's two
fights, and in none of its nine other clips.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from lanewatch.records import PERSON, Box

APART = 1.0
"""Sizes between the middles of two who aren't one: boxes of one person, and people who came together, never were."""
HELD = 0.4
"""Sizes between the middles of two who hold each other: they are in one place."""
SURE = 0.5
"""Detector score that both need at each look while they hold each other. The box of a person half behind another one
has .2 to .4 (the demo's clip) and changes by the detector's jitter alone."""
HELD_S = 0.8
"""For which they must, and over which their unrest is the mean."""
SPAN_S = 0.4
"""Over which people are compared, or over one step of a camera that looks less often. What changed in less counts as a
change of so long. A detector's jitter does not grow with the span, what people do does: over .2 s two who stand half
behind each other reach .85 by it (the demo's clip), who fight at five looks a second .76; over .4 s .42 and .60."""
STEP_S = 0.5
"""The longest time between two looks over which outlines are compared."""
FAR = 2.0
"""Body heights from which two are not measured: no size is as long."""
MOST = 16
"""People of a look, the surest first, so that a crowd costs no more than a tenth of a millisecond."""
SLACK_S = 0.01


class Look(NamedTuple):
    """The boxes of two at a look; ``held`` where both are sure and in one place."""

    at: float
    one: Box
    other: Box
    held: bool


class Change(NamedTuple):
    """What the outlines of two changed, logarithms a second, and since how long ago."""

    at: float
    unrest: float
    lasted_s: float


class Near(msgspec.Struct, frozen=True):
    """Two who are no further from each other than ``APART``.

    Attributes:
        pair: Their tracks, the older first.
        came: They came from apart.
        since: They have been in one place and sure, at every look that showed both; None where they are not.
        looks: Of the last ``SPAN_S``.
        done: In the last ``HELD_S`` that they held each other.
    """

    pair: tuple[int, int]
    came: bool
    since: float | None = None
    looks: tuple[Look, ...] = ()
    done: tuple[Change, ...] = ()

    @property
    def unrest(self) -> float:
        """Change of their outlines, |d ln width| + |d ln height| a second; 0 until they have held long enough."""
        if self.since is None or self.looks[-1].at - self.since < HELD_S - SLACK_S:
            return 0.0
        lasted_s = sum(one.lasted_s for one in self.done)
        return sum(one.unrest * one.lasted_s for one in self.done) / max(HELD_S, lasted_s)

    @property
    def box(self) -> Box:
        """Around both, as they were seen last."""
        (a, b, c, d), (left, top, right, bottom) = self.looks[-1][1:3]
        return min(a, left), min(b, top), max(c, right), max(d, bottom)


class Clinches(msgspec.Struct, frozen=True):
    """The tracks of who has been seen and is still followed, and who is near whom."""

    known: tuple[int, ...] = ()
    near: tuple[Near, ...] = ()

    def wildest(self, now: float) -> Near | None:
        """Of those who hold each other, and were both seen within ``HELD_S``, those with the most unrest."""
        held = [one for one in self.near if one.unrest and now - one.looks[-1].at <= HELD_S]
        return max(held, key=lambda one: one.unrest, default=None)


def follow(clinches: Clinches, view: Observation) -> Clinches:
    """Who is near whom after a record; the very same where nobody came, went or is near another."""
    if not view.has_frame or not (view.objects or clinches.known):
        return clinches
    alive = [one.id for one in view.objects]
    people = [one for one in view.objects if one.label == PERSON and one.credible and one.detection >= 0]
    if len(people) > MOST:
        people = sorted(people, key=lambda one: -one.score)[:MOST]
    before = {one.pair: one for one in clinches.near if one.pair[0] in alive and one.pair[1] in alive}
    for number, one in enumerate(people):
        for other in people[:number]:
            far = _far(one, other)
            if far and not before:
                continue
            first, second = (one, other) if one.id < other.id else (other, one)
            pair, look = (first.id, second.id), None if far else _look(view, first, second)
            if look is None:
                before.pop(pair, None)
                continue
            near = before.get(pair) or Near(pair, pair[0] in clinches.known and pair[1] in clinches.known)
            before[pair] = _looked(near, look) if near.came else near
    shown = [one.id for one in people]
    known = tuple([track for track in alive if track in shown or track in clinches.known])
    if known == clinches.known and not before and not clinches.near:
        return clinches
    return Clinches(known, tuple(before.values()))


def outline(before: Box, after: Box) -> float:
    """How much an outline has changed, |d ln width| + |d ln height|."""
    (a, b, c, d), (left, top, right, bottom) = before, after
    return abs(math.log((right - left) / (c - a))) + abs(math.log((bottom - top) / (d - b)))


def _far(one: TrackedObject, other: TrackedObject) -> bool:
    """Whether two are so far from each other that there is no need to measure it."""
    reach = FAR * (one.height if one.height > other.height else other.height)
    return abs(one.x - other.x) > reach or abs(one.y - other.y) > reach


def _look(view: Observation, one: TrackedObject, other: TrackedObject) -> Look | None:
    """The boxes of two, the older's first, if they are near each other."""
    boxes = view.detections.xyxy[[one.detection, other.detection]].tolist()
    (a, b, c, d), (left, top, right, bottom) = boxes
    sides = c - a, d - b, right - left, bottom - top
    if min(sides) < 1:
        return None
    size = math.sqrt(max(sides[0] * sides[1], sides[2] * sides[3]))
    apart = math.hypot(a + c - left - right, b + d - top - bottom) / 2 / size
    if apart > APART:
        return None
    held = apart <= HELD and min(one.score, other.score) >= SURE
    return Look(view.captured_at, (a, b, c, d), (left, top, right, bottom), held)


def _looked(near: Near, look: Look) -> Near:
    since = None if not look.held else look.at if near.since is None else near.since
    looks = tuple(one for one in near.looks if look.at - one.at <= SPAN_S + SLACK_S) or near.looks[-1:]
    done = tuple(one for one in near.done if look.at - one.at < HELD_S - SLACK_S) if since is not None else ()
    if since is not None and looks and look.at - looks[-1].at <= STEP_S:
        past = looks[0]
        changed = (outline(past.one, look.one) + outline(past.other, look.other)) / 2
        unrest = changed / max(look.at - past.at, SPAN_S)
        done = (*done, Change(look.at, unrest, look.at - near.looks[-1].at))
    kept = tuple(one for one in looks if look.at - one.at < SPAN_S - SLACK_S)
    return Near(near.pair, near.came, since, (*kept, look), done)
