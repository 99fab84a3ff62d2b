"""Who holds whom: two people who came from apart, met at one place, and stay in it.

Who passes another is through in a third of a second, and who stands and talks keeps half his size to a whole from the
other. Lengths are sizes, the root of the larger box's area: seen from above a box's height says nothing. The boxes of
the detector are compared, those that the tracker has taken for somebody: its own are smoothed. Found in CAVIAR's two
fights, and in none of its nine other clips.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import msgspec

from detectors.view import View
from lanewatch.records import PERSON, Box

APART = 1.0
"""Sizes between the middles of two who aren't one: boxes of one person, and people who came together, never were."""
HELD = 0.4
"""Sizes between the middles of two who hold each other: they are in one place."""
HELD_S = 0.8
"""For which they must, and over which their unrest is the mean."""
SPAN_S = 0.2
"""Over which people are compared, or over one step of a camera that looks less often. What changed in less counts as a
change of so long: a detector's jitter does not grow with the span, and would be more unrest the shorter it is."""
STEP_S = 0.5
"""The longest time between two looks over which outlines are compared."""
MOST = 16
"""People of a look, the surest first, so that a crowd costs no more than a tenth of a millisecond."""
SLACK_S = 0.01


class Look(NamedTuple):
    """The boxes of two at a look."""

    at: float
    one: Box
    other: Box


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
        since: They have been in one place, at every look that showed both; None where they are not.
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
        return sum(one.unrest * one.lasted_s for one in self.done) / HELD_S

    @property
    def box(self) -> Box:
        """Around both, as they were seen last."""
        (a, b, c, d), (left, top, right, bottom) = self.looks[-1][1:]
        return min(a, left), min(b, top), max(c, right), max(d, bottom)


class Clinches(msgspec.Struct, frozen=True):
    """The tracks of who has been seen and is still followed, and who is near whom."""

    known: tuple[int, ...] = ()
    near: tuple[Near, ...] = ()

    def wildest(self, now: float) -> Near | None:
        """Of those who hold each other, and were both seen within ``HELD_S``, those with the most unrest."""
        held = [one for one in self.near if one.unrest and now - one.looks[-1].at <= HELD_S]
        return max(held, key=lambda one: one.unrest, default=None)


def follow(clinches: Clinches, view: View) -> Clinches:
    """Who is near whom after a record; the very same where nobody came, went or is near another."""
    if not view.looked or not (view.followed or clinches.known):
        return clinches
    shown = _shown(view)
    alive = {one.id for one in view.followed}
    before = {one.pair: one for one in clinches.near if alive.issuperset(one.pair)}
    for (a, one), (b, other) in itertools.combinations(shown, 2):
        pair, apart = (a, b), _apart(one, other)
        if apart > APART:
            before.pop(pair, None)
            continue
        past = before.get(pair) or Near(pair, came=a in clinches.known and b in clinches.known)
        before[pair] = _looked(past, Look(view.captured_at, one, other), apart) if past.came else past
    known = tuple(sorted(alive.intersection(clinches.known).union(track for track, _ in shown)))
    return Clinches(known, tuple(before.values()))


def outline(before: Box, after: Box) -> float:
    """How much an outline has changed, |d ln width| + |d ln height|."""
    (a, b, c, d), (left, top, right, bottom) = before, after
    return abs(math.log((right - left) / (c - a))) + abs(math.log((bottom - top) / (d - b)))


def _shown(view: View) -> list[tuple[int, Box]]:
    """The boxes of people in a record, as the detector gave them, by their tracks."""
    people = [one for one in view.followed if one.credible and one.label == PERSON and one.detection >= 0]
    if len(people) > MOST:
        people = sorted(people, key=lambda one: -one.score)[:MOST]
    boxes = view.detections.xyxy.tolist()
    found = sorted((one.id, boxes[one.detection]) for one in people)
    return [(track, (a, b, c, d)) for track, (a, b, c, d) in found if c - a >= 1 and d - b >= 1]


def _apart(one: Box, other: Box) -> float:
    """Sizes between the middles of two boxes."""
    (a, b, c, d), (left, top, right, bottom) = one, other
    size = math.sqrt(max((c - a) * (d - b), (right - left) * (bottom - top)))
    return math.hypot(a + c - left - right, b + d - top - bottom) / 2 / size


def _looked(near: Near, look: Look, apart: float) -> Near:
    since = None if apart > HELD else look.at if near.since is None else near.since
    looks = tuple(one for one in near.looks if look.at - one.at <= SPAN_S + SLACK_S) or near.looks[-1:]
    done = tuple(one for one in near.done if look.at - one.at < HELD_S - SLACK_S) if since is not None else ()
    if since is not None and looks and look.at - looks[-1].at <= STEP_S:
        past = looks[0]
        changed = (outline(past.one, look.one) + outline(past.other, look.other)) / 2
        unrest = changed / max(look.at - past.at, SPAN_S)
        done = (*done, Change(look.at, unrest, look.at - near.looks[-1].at))
    kept = tuple(one for one in looks if look.at - one.at < SPAN_S - SLACK_S)
    return Near(near.pair, near.came, since, (*kept, look), done)
