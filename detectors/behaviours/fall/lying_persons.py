"""Who went down: upright a moment ago, low and long now, and still there.

It works on a record's boxes and not on tracks: who lies is seen with scores of .2 to .3 and in one look of three, which
no tracker follows without following a lot besides, and his box leaves the one that he had while he stood.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from detectors.observation.observation import Observation
from lanewatch.records import LABELS, PERSON, Bool, Box, Float32
from models.pose.base import HIPS, SHOULDERS
from models.pose.candidates import LONG, MIN_SIDE, UPRIGHT

LYING = frozenset(LABELS.index(name) for name in ("person", "cat", "dog"))
"""What one who lies is taken for: detectors that have seen few people lie see an animal of that length."""
LEANS = 55.0
"""Degrees between torso and plumb line from which one who is as wide as high lies, and doesn't sit or bend."""
SURE = 0.25
"""Mean score of shoulders and hips from which that angle is one."""
SLIM = 0.75
"""Width over height up to which somebody stands or walks; one on a chair has up to .8, and who is as wide before a
camera that looks from above, or leaves over the lower edge of the picture, changes his shape with every step."""
SUNK = 0.35
"""Of the height that he had: how far the head has come down at least."""
SHORT = 0.4
"""Of the height that he had: how long who lies is at least, also with his feet towards the camera; less is a thing, or
what stood was none of his size."""
REACH = 0.75
"""Of the height that he had: how far beside or before his feet he may lie; three times that is one fall."""
BEHIND = 0.3
"""Of the height that he had: how far above his feet on the picture, which is behind them or on a bed."""
PLACE = 0.5
"""Of his length: how far from where he was first seen down he may be seen later."""
RISEN = 0.5
"""Share of an upright box that lies over a low one, or the other way round, from which that one is no more down."""
PACE = 1.5
"""Body heights a second that he may have walked on from where he stood."""
SETTLED_S = 0.7
"""What has been at a place for so long hasn't just come there: in that time a walker leaves his own box."""
SAME = 0.8
"""Of the height that he had: an upright box that is lower is a part of him who lies, or somebody else."""
CLEAR = 0.3
"""Score from which an upright box says that somebody is up."""
UP = 0.45
"""Score from which one over somebody who is down says that he has got up: in one who lies a detector often sees
somebody upright as well, and isn't sure of it."""
LOOKS = 3
"""Looks at which he must have been seen low."""
FORGET_S = 6.0
"""Seconds for which one who is down may not be seen; longer than a hand over the lens, and false boxes that come and go
at one place are the same false box."""
MOST = 24
"""Of the upright, and of the low, that are remembered: the latest."""


class UprightPerson(msgspec.Struct, frozen=True):
    """Somebody upright: when, his box, and the track that it was, -1 where none was."""

    at: float
    box: Box
    track: int


class LyingPerson(msgspec.Struct, frozen=True):
    """Somebody low.

    Attributes:
        since: The first look at it.
        until: The last one.
        looks: How many there were.
        box: At the last one.
        place: At the first one: who gets on from there is not down.
        stood: How he stood before; None where nobody stood there: it was low all along.
        label: Of the box.
        score: Of the last box.
    """

    since: float
    until: float
    looks: int
    box: Box
    place: Box
    stood: UprightPerson | None
    label: int
    score: float


class PersonBox(NamedTuple):
    """One box of a record, its track, -1 where it has none, and that one's birth."""

    box: Box
    label: int
    score: float
    track: int
    born_at: float


class PersonRows(NamedTuple):
    """Rows of a record: those of somebody who is upright, and of somebody who is low and not behind one who isn't."""

    upright: list[int]
    low: list[int]


def split_by_posture(view: Observation) -> PersonRows:
    """Who is upright in a record, and who is low."""
    record = view.detections
    boxes, labels, scores = record.xyxy.tolist(), record.labels.tolist(), record.scores.tolist()
    lies = (
        set()
        if record.pose_requested is None or record.keypoints is None
        else _lying(record.pose_requested, record.keypoints)
    )
    upright, low = [], []
    for row, ((left, top, right, bottom), label) in enumerate(zip(boxes, labels, strict=True)):
        width, height = right - left, bottom - top
        if label == PERSON and width <= UPRIGHT * height:
            upright.append(row)
        if row in lies or (label in LYING and width >= LONG * height):
            low.append(row)
    if low:
        clear = [boxes[row] for row in upright if scores[row] >= CLEAR]
        low = [row for row in low if all(_share(boxes[row], box) < RISEN for box in clear)]
    return PersonRows(upright, low)


def _lying(asked: Bool, keypoints: Float32) -> set[int]:
    """The rows of (N,) that were asked for joints and whose torsos lie by them."""
    rows = np.flatnonzero(asked)
    return set(rows[_lean(keypoints[rows])].tolist())


def _lean(joints: Float32) -> Bool:
    """(N,) whether the torsos of (N, 17, 3) joints lie."""
    across, along = np.abs(joints[:, HIPS, :2].mean(axis=1) - joints[:, SHOULDERS, :2].mean(axis=1)).T
    sure = joints[:, (*SHOULDERS, *HIPS), 2].mean(axis=1) >= SURE
    lean: Bool = sure & (np.degrees(np.arctan2(across, along)) >= LEANS)
    return lean


def person_boxes(view: Observation, rows: Sequence[int]) -> list[PersonBox]:
    """Those boxes of a record, the surest first."""
    if not rows:
        return []
    record = view.detections
    tracks = {one.detection: one for one in view.objects}
    found = []
    for row in rows:
        track = tracks.get(row)
        whose = (-1, view.captured_at) if track is None else (track.id, track.born.at)
        box = tuple(record.xyxy[row].tolist())
        found.append(PersonBox(box, int(record.labels[row]), float(record.scores[row]), *whose))
    return sorted(found, key=lambda one: -one.score)


def remember_upright(
    stood: tuple[UprightPerson, ...], upright: Sequence[PersonBox], now: float, fall_s: float
) -> tuple[UprightPerson, ...]:
    """Who was upright in the last ``fall_s`` seconds; boxes within somebody's surer one are a part of him."""
    kept = [one for one in stood if 0 <= now - one.at <= fall_s]
    sure = upright[:MOST]
    for number, one in enumerate(sure):
        if all(_share(one.box, surer.box) < RISEN for surer in sure[:number]):
            kept.append(UprightPerson(now, one.box, one.track))
    return tuple(kept[-MOST:])


def update_lying(
    downs: tuple[LyingPerson, ...],
    low: Sequence[PersonBox],
    upright: Sequence[PersonBox],
    stood: Sequence[UprightPerson],
    now: float,
    fall_s: float,
) -> tuple[LyingPerson, ...]:
    """Who is low after a look: those from before who are so still or aren't seen, and those who have become so."""
    upright = [one for one in upright if one.score >= CLEAR]
    up = [one for one in upright if one.score >= UP]
    result = []
    for down in downs:
        if now - down.until > FORGET_S or _covered(down.box, up):
            continue
        near = [one for one in low if _is_there(one.box, down.place)]
        low = [one for one in low if one not in near]
        if near:
            # One who is half down may come down further
            again = down.stood is None and now - down.since <= fall_s
            begun = _begin(near[0], stood, upright, now, fall_s) if again else None
            down = _still(down, near[0], now) if begun is None or begun.stood is None else begun
        if down.stood is not None and any(_walked_on(down.stood, one, stood, now) for one in upright):
            down = msgspec.structs.replace(down, stood=None)
        result.append(down)
    result += [_begin(one, stood, upright, now, fall_s) for one in low]
    return tuple(sorted(result, key=lambda one: one.until)[-MOST:])


def _covered(box: Box, upright: Iterable[PersonBox]) -> bool:
    return any(_share(box, one.box) >= RISEN for one in upright)


def _walked_on(before: UprightPerson, one: PersonBox, stood: Iterable[UprightPerson], now: float) -> bool:
    """Whether somebody upright is, or may be, the one who stood there before."""
    if one.track >= 0 and one.track == before.track:
        return True
    if one.track >= 0 and one.born_at < before.at:
        return False  # he was there as well
    height = before.box[3] - before.box[1]
    if one.box[3] - one.box[1] < SAME * height:
        return False
    feet = (one.box[0] + one.box[2] - before.box[0] - before.box[2]) / 2, one.box[3] - before.box[3]
    if math.hypot(*feet) > PACE * (now - before.at) * height:
        return False
    # Who was there as well, or something that looks like somebody
    settled = (other.box for other in stood if now - other.at >= SETTLED_S)
    return _share(one.box, before.box) >= RISEN or all(_share(one.box, box) < RISEN for box in settled)


def _still(down: LyingPerson, one: PersonBox, now: float) -> LyingPerson:
    return LyingPerson(down.since, now, down.looks + 1, one.box, down.place, down.stood, down.label, one.score)


def same_person(down: LyingPerson, other: LyingPerson) -> bool:
    """Whether two who are down are parts of one, or one who crawls: one stood where he reaches both."""
    reach = max((one.stood.box[3] - one.stood.box[1] for one in (down, other) if one.stood is not None), default=0.0)
    return _apart(down.place, other.place) <= 3 * REACH * reach


def _begin(
    one: PersonBox, stood: Sequence[UprightPerson], upright: Sequence[PersonBox], now: float, fall_s: float
) -> LyingPerson:
    before = [other for other in stood if 0 < now - other.at <= fall_s and _fell(other.box, one.box)]
    if not any(_is_slim(other.box) for other in before):
        before = []
    for walker in upright:
        left = [other for other in before if not _walked_on(other, walker, stood, now)]
        # One with a track takes away himself alone; of one without, nobody knows which of them he was
        before = left if walker.track >= 0 or len(left) == len(before) else []
    return LyingPerson(now, now, 1, one.box, one.box, before[-1] if before else None, one.label, one.score)


def _fell(before: Box, box: Box) -> bool:
    """Whether one who stood so may be the one who lies so."""
    height = before[3] - before[1]
    return (
        height >= MIN_SIDE
        and longer_side(box) >= SHORT * height
        and SUNK * height <= box[1] - before[1] <= height  # his feet have not left where they were
        and -BEHIND * height <= box[3] - before[3] <= REACH * height
        and abs(box[0] + box[2] - before[0] - before[2]) / 2 <= REACH * height
    )


def _is_slim(box: Box) -> bool:
    return box[2] - box[0] <= SLIM * (box[3] - box[1])


def longer_side(box: Box) -> float:
    """Of the longer side, pixels."""
    return max(box[2] - box[0], box[3] - box[1])


def _is_there(box: Box, place: Box) -> bool:
    """Whether it is the one who went down there; one who sinks further is leaving the picture."""
    size = longer_side(place)
    sinks = box[1] - place[1] > PLACE * (place[3] - place[1])
    return not sinks and _apart(box, place) <= PLACE * size and PLACE * size <= longer_side(box) <= size / PLACE


def _apart(box: Box, other: Box) -> float:
    return math.hypot(box[0] + box[2] - other[0] - other[2], box[1] + box[3] - other[1] - other[3]) / 2


def _share(box: Box, other: Box) -> float:
    """Of the smaller box, how much lies in the other."""
    (a, b, c, d), (left, top, right, bottom) = box, other
    if c <= left or right <= a or d <= top or bottom <= b:
        return 0.0
    least = min((c - a) * (d - b), (right - left) * (bottom - top))
    return (min(c, right) - max(a, left)) * (min(d, bottom) - max(b, top)) / least if least > 0 else 0.0
