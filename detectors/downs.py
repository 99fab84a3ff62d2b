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

from detectors.view import View
from lanewatch.records import PERSON, Box, Float32
from models.odd import LONG, UPRIGHT
from models.pose import HIPS, SHOULDERS

LEANS = 55.0
"""Degrees between torso and plumb line from which he lies, whatever the box says, if it is wider than ``UPRIGHT``."""
SURE = 0.25
"""Mean score of shoulders and hips from which that angle is one."""
WIDER = 1.5
"""Times by which his width over height has grown: a person on a bench with a coat on is wide before and after."""
SUNK = 0.25
"""Of the height that he had: how far the head has come down at least."""
SHORTER = 0.8
"""Of the height that he had: how high his box may be still; one who comes nearer and turns gets wide without."""
SIZE = 0.3
"""Of the area that his box had: what is smaller is a hand, or what is left of one who leaves the picture."""
LEAST = 32.0
"""Pixels that he must have been high: of smaller ones a pixel more or less decides."""
REACH = 1.0
"""Of the height that he had: how far from where he stood he may lie."""
FEET = 0.5
"""Of the height that he had: how much higher or lower on the picture he may be lying than his feet were."""
SMALLEST, LARGEST = 0.35, 2.0
"""Of the height that he had: how long he may be lying; one who falls towards the camera gets longer."""
PLACE = 0.5
"""Of his length: how far from where he was first seen down he may be seen later."""
RISEN = 0.5
"""Share of an upright box that lies over a low one, or the other way round, from which that one is no more down."""
PACE, SLACK = 1.5, 0.3
"""Body heights a second that he may have walked on from where he stood, and body heights by which boxes jump."""
SETTLED_S = 0.7
"""One who has been at a place for so long hasn't just come there: in that time a walker leaves his own box."""
SAME = 0.7
"""Of the height that he had: one who is smaller is somebody else."""
CLEAR = 0.3
"""Score from which an upright box says so."""
STOOD = 2
"""Looks at which he must have been seen upright, in twice the time of a fall: one single box is nobody yet."""
LATE_S = 1.5
"""One who is half down has not come down far enough yet; for so long he may come down further."""
LOOKS = 3
"""Looks at which he must have been seen low."""
FORGET_S = 6.0
"""Seconds for which one who is down may not be seen; longer than a hand over the lens, and false boxes that come and go
at one place are the same false box."""
HUGE = 0.5
"""Of the picture's area: a box that fills more of it is a false one."""
MOST = 24
"""Of the upright, and of the low, that are remembered: the latest."""


class Upright(msgspec.Struct, frozen=True):
    """Somebody upright: when, his box, and the track that it was, -1 where none was."""

    at: float
    box: Box
    track: int


class Down(msgspec.Struct, frozen=True):
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
        leans: The torso's angle by the joints, degrees; None where nobody knows.
    """

    since: float
    until: float
    looks: int
    box: Box
    place: Box
    stood: Upright | None
    label: int
    score: float
    leans: float | None = None


class Seen(NamedTuple):
    """One box of a record: its width over height, the torso's angle in degrees, its track and that one's birth."""

    box: Box
    label: int
    score: float
    wide: float
    leans: float | None
    track: int
    born_at: float


def people(view: View, labels: frozenset[int]) -> list[Seen]:
    """A record's boxes of those labels."""
    record = view.detections
    largest = HUGE * record.width * record.height
    tracks = {one.detection: one for one in view.followed if one.detection >= 0}
    found = []
    columns = zip(record.xyxy.tolist(), record.labels.tolist(), record.scores.tolist(), strict=True)
    for row, (box, label, score) in enumerate(columns):
        if label in labels and (box[2] - box[0]) * (box[3] - box[1]) <= largest:
            wide = (box[2] - box[0]) / max(box[3] - box[1], 1.0)
            leans = _leans(view, row) if wide > UPRIGHT else None
            track = tracks.get(row)
            whose = (-1, view.captured_at) if track is None else (track.id, track.born.at)
            found.append(Seen(tuple(box), label, score, wide, leans, *whose))
    return found


def _leans(view: View, row: int) -> float | None:
    record = view.detections
    if record.keypoints is None or record.asked is None or not record.asked[row]:
        return None
    joints: Float32 = record.keypoints[row]
    if float(joints[[*SHOULDERS, *HIPS], 2].mean()) < SURE:
        return None
    across, along = np.abs(joints[list(HIPS), :2].mean(axis=0) - joints[list(SHOULDERS), :2].mean(axis=0)).tolist()
    return math.degrees(math.atan2(across, along))


def is_low(one: Seen) -> bool:
    """Whether somebody lies, by the box or by the torso."""
    return one.wide >= LONG or (one.leans is not None and one.leans >= LEANS)


def _is_upright(one: Seen) -> bool:
    return one.label == PERSON and one.wide <= UPRIGHT


def remember(stood: tuple[Upright, ...], seen: Iterable[Seen], now: float, fall_s: float) -> tuple[Upright, ...]:
    """Who was upright in twice the last ``fall_s`` seconds."""
    kept = [one for one in stood if 0 <= now - one.at <= 2 * fall_s]
    upright = [one for one in seen if _is_upright(one)]
    kept += [Upright(now, one.box, one.track) for one in upright if not _second(one, upright)]
    return tuple(kept[-MOST:])


def _second(one: Seen, upright: Iterable[Seen]) -> bool:
    """Whether it is a part of somebody else's surer box."""
    return any(other.score > one.score and _share(one.box, other.box) >= RISEN for other in upright)


def follow(
    downs: tuple[Down, ...], seen: Sequence[Seen], stood: Sequence[Upright], now: float, fall_s: float
) -> tuple[Down, ...]:
    """Who is low after a look: those from before who are so still or aren't seen, and those who have become so."""
    upright = [one for one in seen if _is_upright(one) and one.score >= CLEAR]
    low = [one for one in seen if is_low(one) and not _covered(one.box, upright)]
    low.sort(key=lambda one: -one.score)
    result = []
    for down in downs:
        if now - down.until > FORGET_S or _covered(down.box, upright):
            continue
        near = [one for one in low if _is_there(one.box, down.place)]
        for one in near:
            low.remove(one)
        if near:
            again = (
                _begin(near[0], stood, upright, now, fall_s)
                if down.stood is None and now - down.since <= LATE_S
                else None
            )
            down = again if again is not None and again.stood is not None else _still(down, near[0], now)
        if down.stood is not None and any(_walked_on(down.stood, one, stood, now) for one in upright):
            down = msgspec.structs.replace(down, stood=None)
        result.append(down)
    result += [_begin(one, stood, upright, now, fall_s) for one in low]
    return tuple(sorted(result, key=lambda one: one.until)[-MOST:])


def _covered(box: Box, upright: Iterable[Seen]) -> bool:
    return any(_share(box, one.box) >= RISEN for one in upright)


def _walked_on(stood: Upright, one: Seen, others: Iterable[Upright], now: float) -> bool:
    """Whether somebody upright is, or may be, the one who stood there."""
    if one.track >= 0 and one.track == stood.track:
        return True
    if one.track >= 0 and one.born_at < stood.at:
        return False  # he was there as well
    if _share(one.box, stood.box) < RISEN and any(
        now - other.at >= SETTLED_S and _share(one.box, other.box) >= RISEN for other in others
    ):
        return False  # or something there that looks like somebody
    height = stood.box[3] - stood.box[1]
    if one.box[3] - one.box[1] < SAME * height:
        return False
    feet = (one.box[0] + one.box[2] - stood.box[0] - stood.box[2]) / 2, one.box[3] - stood.box[3]
    return math.hypot(*feet) <= (SLACK + PACE * (now - stood.at)) * height


def _still(down: Down, one: Seen, now: float) -> Down:
    leans = down.leans if one.leans is None else one.leans
    return Down(down.since, now, down.looks + 1, one.box, down.place, down.stood, down.label, one.score, leans)


def together(down: Down, other: Down) -> bool:
    """Whether two who are down are parts of one, or one who crawls: one stood where he reaches both."""
    reach = max((one.stood.box[3] - one.stood.box[1] for one in (down, other) if one.stood is not None), default=0.0)
    return _apart(down.place, other.place) <= REACH * reach


def _begin(one: Seen, stood: Sequence[Upright], upright: Sequence[Seen], now: float, fall_s: float) -> Down:
    before = [other for other in stood if 0 < now - other.at <= fall_s and _fell(other.box, one)]
    for walker in upright:
        left = [other for other in before if not _walked_on(other, walker, stood, now)]
        # One with a track takes away himself alone; of one without, nobody knows which of them he was
        before = left if walker.track >= 0 or len(left) == len(before) else []
    whose = next((other for other in reversed(before) if _stood(other, stood)), None)
    return Down(now, now, 1, one.box, one.box, whose, one.label, one.score, one.leans)


def _stood(one: Upright, stood: Iterable[Upright]) -> bool:
    return one.track >= 0 or sum(_share(one.box, other.box) >= RISEN for other in stood) >= STOOD


def _fell(before: Box, one: Seen) -> bool:
    """Whether one who stood so may be the one who lies so."""
    left, top, right, bottom = one.box
    height = max(before[3] - before[1], 1.0)
    wide = (before[2] - before[0]) / height
    if height < LEAST or one.wide < WIDER * wide or bottom - top > SHORTER * height:
        return False
    return (
        (right - left) * (bottom - top) >= SIZE * wide * height * height
        and top - before[1] >= SUNK * height
        and abs(bottom - before[3]) <= FEET * height
        and abs((left + right - before[0] - before[2]) / 2) <= REACH * height
        and SMALLEST * height <= length(one.box) <= LARGEST * height
    )


def length(box: Box) -> float:
    """Of the longer side, pixels."""
    return max(box[2] - box[0], box[3] - box[1])


def _is_there(box: Box, place: Box) -> bool:
    """Whether it is the one who went down there; one who sinks further is leaving the picture."""
    size = length(place)
    sinks = box[1] - place[1] > PLACE * (place[3] - place[1])
    return not sinks and _apart(box, place) <= PLACE * size and PLACE * size <= length(box) <= size / PLACE


def _apart(box: Box, other: Box) -> float:
    return math.hypot(box[0] + box[2] - other[0] - other[2], box[1] + box[3] - other[1] - other[3]) / 2


def _share(box: Box, other: Box) -> float:
    """Of the smaller box, how much lies in the other."""
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    least = min((one[2] - one[0]) * (one[3] - one[1]) for one in (box, other))
    return width * height / least if least > 0 else 0.0
