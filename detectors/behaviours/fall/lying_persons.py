"""Lying people: upright a moment ago, low and long now, and still there.

Boxes are compared and not tracks. A lying person is detected with scores of .2 to .3 and in one frame of three. No
tracker follows that without following much else. Nor does the box overlap that of the standing person.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from detectors.observation.observation import Observation
from lanewatch import boxes
from lanewatch.records import LABELS, PERSON, Bool, Box, Float32
from models.pose.base import HIPS, SHOULDERS
from models.pose.candidates import LONG, MIN_SIDE, UPRIGHT

ANIMALS = frozenset(LABELS.index(name) for name in ("cat", "dog"))
LYING_LABELS = ANIMALS | {PERSON}
"""Classes of a lying person: detectors trained on few lying people report an animal of that length."""
LYING_ANGLE = 55.0
"""Degrees between torso and vertical from which a person as wide as high lies, and does not sit or bend."""
MAX_HIP_HEIGHT = 1.0
"""Torso lengths of the hips above the box's lower edge up to which a torso lies. Who bends at the waist has 1.5, since
the legs are as long as that; on a chair it is 1."""
MIN_KEYPOINT_SCORE = 0.25
"""Mean score of shoulders and hips from which that angle is used."""
SLIM = 0.75
"""Width over height up to which a person stands or walks. A person on a chair has up to .8."""
MIN_HEAD_DROP = 0.35
"""By how much the head has come down at least, in heights of the upright person."""
NEAR_GROUND = 0.38
"""Height of the head above the row of the feet, in heights of the upright person, up to which it is near the ground.
Lying on the ground it is .2, on a bed more than .45, and sitting on the ground .5."""
MIN_LENGTH = 0.4
"""How long a lying person is at least, in heights of the upright one, also with the feet towards the camera."""
REACH = 0.75
"""How far beside or before the feet a person may lie, in heights. Three times that is one fall."""
BEHIND = 0.3
"""How far above the feet in the picture, which is behind them or on a bed, in heights."""
STAYS_WITHIN = 0.5
"""How far from the first position a lying person may be observed later, in box lengths."""
MIN_OVERLAP = 0.5
"""Share of the smaller of an upright and a low box from which the low one is not a lying person any more."""
WALKING_SPEED = 1.5
"""Body heights a second at which a person may have walked on from the standing position."""
SETTLED_S = 0.7
"""A box that has been at a place for so long has not just arrived: in that time a walker leaves the own box."""
PART = 2.0
"""How many times larger a wide box is than an upright one that is a part of the same lying person."""
SAME_HEIGHT = 0.8
"""Share of the upright height below which an upright box is a part of the lying person, or another person."""
MIN_UPRIGHT_SCORE = 0.3
"""Score from which an upright box counts as a person."""
MIN_RISEN_SCORE = 0.45
"""Score from which an upright box over a lying person means that the person got up. False ones have a lower score."""
MIN_COUNT = 3
"""Frames in which the person must have been detected low."""
MAX_UNSEEN_S = 6.0
"""Seconds for which a lying person may be unobserved. It is longer than a hand over the lens."""
MAX_PERSONS = 24
"""Upright, and lying, people that are remembered: the latest."""


class UprightPerson(msgspec.Struct, frozen=True):
    """An upright person: time, box and track, -1 without a track."""

    at: float
    box: Box
    track: int


class LyingPerson(msgspec.Struct, frozen=True):
    """A person who is low, from the first to the last of ``count`` frames. ``label`` is that of ``first_box``.

    A person who moves on from ``first_box`` is not lying. ``upright`` is None if the box was low from the start.
    ``turned`` and ``head_down`` are the evidence: the body is not upright, the head is near the ground.
    """

    since: float
    until: float
    count: int
    box: Box
    first_box: Box
    upright: UprightPerson | None
    label: int
    score: float
    turned: bool = False
    head_down: bool = False

    @property
    def down_s(self) -> float:
        """Seconds from the first to the last frame."""
        return self.until - self.since


class PersonBox(NamedTuple):
    """A box of a record with its track, -1 without one, the track's first time, and its speed in pixels a second."""

    row: int
    box: Box
    label: int
    score: float
    track: int
    first_seen_at: float
    speed: float


class _Scene(NamedTuple):
    """What surrounds a low box: upright people before it and in its record, and animals that were low before."""

    earlier: Sequence[UprightPerson]
    upright: Sequence[PersonBox]
    animals: Sequence[LyingPerson]
    now: float
    fall_s: float


class PersonRows(NamedTuple):
    """Rows of a record: upright people, low people who are not behind an upright one, and all who may lie."""

    upright: list[int]
    low: list[int]
    all: list[int]


def split_by_posture(observation: Observation) -> PersonRows:
    """The upright and the low people of a record."""
    record = observation.detections
    xyxy, labels, scores = record.xyxy.tolist(), record.labels.tolist(), record.scores.tolist()
    lying: set[int] = set()
    if record.pose_requested is not None and record.keypoints is not None:
        rows = np.flatnonzero(record.pose_requested)
        lying = set(rows[_has_lying_torso(record.keypoints[rows], record.xyxy[rows, 3])].tolist())
    upright, low = [], []
    for row, ((left, top, right, bottom), label) in enumerate(zip(xyxy, labels, strict=True)):
        width, height = right - left, bottom - top
        if label == PERSON and width <= UPRIGHT * height:
            upright.append(row)
        if row in lying or (label in LYING_LABELS and width >= LONG * height):
            low.append(row)
    wide = [box for box, label in zip(xyxy, labels, strict=True) if label in LYING_LABELS and _is_wide(box)]
    if wide:
        upright = [row for row in upright if not any(_is_part(xyxy[row], other) for other in wide)]
    if low:
        certain = [xyxy[row] for row in upright if scores[row] >= MIN_UPRIGHT_SCORE]
        low = [row for row in low if not _overlaps_any(xyxy[row], certain)]
    return PersonRows(upright, low, [row for row, label in enumerate(labels) if label in LYING_LABELS])


def is_slim(box: Box) -> bool:
    """Whether a box is as slim as that of a person who stands or walks."""
    return box[2] - box[0] <= SLIM * (box[3] - box[1])


def _is_wide(box: Sequence[float]) -> bool:
    return box[2] - box[0] > UPRIGHT * (box[3] - box[1])


def _is_part(box: Box, other: Box) -> bool:
    """Whether an upright box may be an arm, a leg or the head of a person who lies."""
    size, whole = ((each[2] - each[0]) * (each[3] - each[1]) for each in (box, other))
    return whole >= PART * size and boxes.overlap_of_smaller(box, other) >= MIN_OVERLAP


def _has_lying_torso(keypoints: Float32, ground: Float32) -> Bool:
    """(N,) whether the torsos of (N, 17, 3) keypoints lie, near the boxes' lower edges ``ground`` (N,)."""
    hips, shoulders = keypoints[:, HIPS, :2].mean(axis=1), keypoints[:, SHOULDERS, :2].mean(axis=1)
    across, along = np.abs(hips - shoulders).T
    certain = keypoints[:, (*SHOULDERS, *HIPS), 2].mean(axis=1) >= MIN_KEYPOINT_SCORE
    low = ground - hips[:, 1] <= MAX_HIP_HEIGHT * np.hypot(across, along)
    lying: Bool = certain & low & (np.degrees(np.arctan2(across, along)) >= LYING_ANGLE)
    return lying


def person_boxes(observation: Observation, rows: Sequence[int]) -> list[PersonBox]:
    """Those boxes of a record, the highest score first."""
    if not rows:
        return []
    record = observation.detections
    tracks = {track.detection: track for track in observation.objects}
    found = []
    for row in rows:
        track = tracks.get(row)
        box, label, score = tuple(record.xyxy[row].tolist()), int(record.labels[row]), float(record.scores[row])
        if track is None:
            found.append(PersonBox(row, box, label, score, -1, observation.captured_at, 0.0))
        else:
            speed = math.hypot(track.vx, track.vy)
            found.append(PersonBox(row, box, label, score, track.id, track.first_point.at, speed))
    return sorted(found, key=lambda person: -person.score)


def update_upright(
    upright: tuple[UprightPerson, ...], detected: Sequence[PersonBox], now: float, fall_s: float
) -> tuple[UprightPerson, ...]:
    """The upright people of the last ``fall_s`` seconds. A box within one of a higher score is of that person."""
    recent = [person for person in upright if 0 <= now - person.at <= fall_s]
    boxes_found = [person.box for person in detected[:MAX_PERSONS]]
    for number, person in enumerate(detected[:MAX_PERSONS]):
        if not _overlaps_any(person.box, boxes_found[:number]):
            recent.append(UprightPerson(now, person.box, person.track))
    return tuple(recent[-MAX_PERSONS:])


def update_lying(
    lying: tuple[LyingPerson, ...],
    low: Sequence[PersonBox],
    upright: Sequence[PersonBox],
    earlier: Sequence[UprightPerson],
    now: float,
    fall_s: float,
) -> tuple[LyingPerson, ...]:
    """The low people after a frame: the earlier ones who are still low or unobserved, and the new ones.

    ``low`` and ``upright`` are its boxes, ``earlier`` the upright people of the frames before it.
    """
    upright = [person for person in upright if person.score >= MIN_UPRIGHT_SCORE]
    risen = [person.box for person in upright if person.score >= MIN_RISEN_SCORE]
    scene = _Scene(earlier, upright, [person for person in lying if person.label in ANIMALS], now, fall_s)
    result = []
    for person in lying:
        if now - person.until > MAX_UNSEEN_S or _overlaps_any(person.box, risen):
            continue
        near = [box for box in low if _is_at(box.box, person.first_box)]
        low = [box for box in low if box not in near]
        if near:
            person = _observed_again(person, near[0], scene)
        before = person.upright
        if before is not None and any(_walked_on(before, walker, earlier, now) for walker in upright):
            person = msgspec.structs.replace(person, upright=None)
        result.append(person)
    result += [_new_person(box, scene) for box in low]
    return tuple(sorted(result, key=lambda person: person.until)[-MAX_PERSONS:])


def _observed_again(person: LyingPerson, box: PersonBox, scene: _Scene) -> LyingPerson:
    # A person who was half down may come down further
    if person.upright is None and scene.now - person.since <= scene.fall_s:
        new = _new_person(box, scene)
        if new.upright is not None:
            return new
    head_down = person.head_down or _is_head_down(person.upright, box.box)
    return msgspec.structs.replace(
        person, until=scene.now, count=person.count + 1, box=box.box, score=box.score, head_down=head_down
    )


def _new_person(box: PersonBox, scene: _Scene) -> LyingPerson:
    """A person who is low now, with the last upright person who may have fallen."""
    earlier, upright, animals, now, fall_s = scene
    before = [person for person in earlier if 0 < now - person.at <= fall_s and _may_have_fallen(person.box, box.box)]
    if box.label in ANIMALS:
        before = [person for person in before if not any(_was_beside(animal, person) for animal in animals)]
    if not any(is_slim(person.box) for person in before):
        before = []
    for walker in upright:
        others = [person for person in before if not _walked_on(person, walker, earlier, now)]
        # A walker with a track excludes that track alone. Without a track, it may be any of them.
        before = others if walker.track >= 0 or len(others) == len(before) else []
    last = before[-1] if before else None
    head_down = _is_head_down(last, box.box)
    return LyingPerson(now, now, 1, box.box, box.box, last, box.label, box.score, turned=True, head_down=head_down)


def _is_head_down(upright: UprightPerson | None, box: Box) -> bool:
    if upright is None:
        return False
    _, top, _, bottom = upright.box
    return bottom - box[1] <= NEAR_GROUND * (bottom - top)


def _was_beside(animal: LyingPerson, person: UprightPerson) -> bool:
    """Whether an animal was seen near a person who still stood: it is no part of that person."""
    height = person.box[3] - person.box[1]
    return animal.since < person.at and boxes.center_distance(animal.first_box, person.box) <= 3 * REACH * height


def _walked_on(before: UprightPerson, walker: PersonBox, earlier: Iterable[UprightPerson], now: float) -> bool:
    """Whether an upright person is, or may be, the one who stood there before."""
    if walker.track >= 0 and walker.track == before.track:
        return True
    if walker.track >= 0 and walker.first_seen_at < before.at:
        return False  # both were there
    height = before.box[3] - before.box[1]
    if walker.box[3] - walker.box[1] < SAME_HEIGHT * height:
        return False
    across = (walker.box[0] + walker.box[2] - before.box[0] - before.box[2]) / 2
    if math.hypot(across, walker.box[3] - before.box[3]) > WALKING_SPEED * (now - before.at) * height:
        return False
    # A person, or an object that looks like one, that was there for longer is another one
    settled = (person.box for person in earlier if now - person.at >= SETTLED_S)
    overlaps = boxes.overlap_of_smaller(walker.box, before.box) >= MIN_OVERLAP
    return overlaps or not _overlaps_any(walker.box, settled)


def is_same_person(person: LyingPerson, other: LyingPerson) -> bool:
    """Whether two lying people are parts of one, or one who crawls: both are in reach of one standing position."""
    standing = [lying.upright.box for lying in (person, other) if lying.upright is not None]
    height = max((bottom - top for _, top, _, bottom in standing), default=0.0)
    return boxes.center_distance(person.first_box, other.first_box) <= 3 * REACH * height


def _may_have_fallen(before: Box, box: Box) -> bool:
    """Whether an upright box and a low one may be the same person."""
    height = before[3] - before[1]
    return (
        height >= MIN_SIDE
        and longer_side(box) >= MIN_LENGTH * height
        and MIN_HEAD_DROP * height <= box[1] - before[1] <= height  # the feet have not left their position
        and -BEHIND * height <= box[3] - before[3] <= REACH * height
        and abs(box[0] + box[2] - before[0] - before[2]) / 2 <= REACH * height
    )


def longer_side(box: Box) -> float:
    """The longer side of a box, pixels."""
    return max(box[2] - box[0], box[3] - box[1])


def sinks(box: Box, first_box: Box) -> bool:
    """Whether a low box has gone further down since, so that it is leaving the picture."""
    return box[1] - first_box[1] > STAYS_WITHIN * (first_box[3] - first_box[1])


def _is_at(box: Box, first_box: Box) -> bool:
    """Whether a box is of the person who went down there."""
    size = longer_side(first_box)
    near = boxes.center_distance(box, first_box) <= STAYS_WITHIN * size
    return not sinks(box, first_box) and near and STAYS_WITHIN * size <= longer_side(box) <= size / STAYS_WITHIN


def _overlaps_any(box: Box, others: Iterable[Box]) -> bool:
    left, top, right, bottom = box
    for other in others:
        # Most boxes are far from each other: no call for those
        near = other[0] < right and other[2] > left and other[1] < bottom and other[3] > top
        if near and boxes.overlap_of_smaller(box, other) >= MIN_OVERLAP:
            return True
    return False
