"""Which box goes to which track, and who goes on as whom: one record's work for the tracker, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from lanewatch.records import Bool, Float32, Float64, Int64, UInt8
from models.tracking.assignment import FAR, assign
from models.tracking.jit import compiled, compiled_cached, fingerprint
from models.tracking.motion_model import (
    BORN_AT,
    BORN_BORDER,
    BORN_X,
    BORN_Y,
    COLUMNS,
    CONFIRMED,
    HIDDEN,
    HITS,
    LABEL,
    LAST_X,
    LAST_Y,
    LEAVING,
    NOISE,
    PXX,
    SCALE,
    SEEN_AT,
    SINCE_S,
    STRONG_S,
    UNSEEN_S,
    BoxArrays,
    TrackArrays,
    TrackerLimits,
    X,
    Y,
    begin,
    choose_label,
    correct,
    foot_y,
    is_alive,
    is_leaving,
    is_remembered,
    predict,
    scale,
)

BLIND_S: Final = 0.5  # the gate stops growing after so long unseen: who runs is not hidden for long
WEAK_REACH: Final = 0.1  # body heights that a weak box may lie off: NanoDet has 20 false boxes of .1-.2 in a frame
SIZE_RANGE: Final = 0.5  # log of scales that may differ
LOOK_COST: Final = 20.0  # of looks without any likeness
LIKE: Final = 0.87  # one person's mean likeness after half a second; taken where a box or track has no look
COST_LIMIT: Final = 8.0  # four standard deviations of place
BESIDE: Final = 0.1  # of a box's height that may lie between it and who hides it
COVERED: Final = 0.5  # share of a box inside another one from which it starts nobody
UNKNOWN_HITS: Final = 3  # that confirm what has no name: leaves and rain move too
RELINK_REACH: Final = 1.0  # body heights between the end of a track and the start of one that goes on from it
RELINK_LIKE: Final = 0.8
LOOK_S: Final = 2.0  # time constant of the look


@compiled
def appearance_similarity(a: Any, b: Any) -> float:
    """``models.appearance.similarity`` of two looks; ``LIKE``, which speaks for and against none, where one says nothing."""
    both, ones, others = 0.0, 0.0, 0.0
    for k in range(min(len(a), len(b))):
        both += float(a[k]) * float(b[k])
        ones += float(a[k]) * float(a[k])
        others += float(b[k]) * float(b[k])
    return both / float(np.sqrt(ones * others)) if ones > 0 and others > 0 else LIKE


@compiled
def covered(a: Float64, b: Float64) -> float:
    """The share of box ``a`` that lies in box ``b``."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return float(width * height / ((a[2] - a[0]) * (a[3] - a[1]))) if width > 0 and height > 0 else 0.0


@compiled
def below(box: Float64, nearer: Float64) -> float:
    """The share of a box's width under which another one goes on, which stands nearer to the camera."""
    if nearer[3] <= box[3] or nearer[1] > box[3] + BESIDE * (box[3] - box[1]):
        return 0.0
    return float(max(min(box[2], nearer[2]) - max(box[0], nearer[0]), 0.0) / (box[2] - box[0]))


@compiled
def usable(box: Float64, score: float) -> bool:
    """Whether a box has a place and a size. NaN compares false, and infinite boxes have infinite sizes."""
    sized = 1 <= box[2] - box[0] < 1e6 and 1 <= box[3] - box[1] < 1e6
    return bool(sized and abs(box[0]) < 1e6 and abs(box[1]) < 1e6 and 0 <= score <= 1)


@compiled
def compatible_classes(limits: TrackerLimits, label: float, other: float) -> bool:
    """Whether two labels can be of one thing."""
    group, another = limits.groups[int(label)], limits.groups[int(other)]
    return bool(group == another or group == 0 or another == 0)


@compiled
def assignment_cost(row: Float64, look: Float32, boxes: BoxArrays, n: int, hidden: float, reach: float) -> float:
    """What it costs a track to take a box, or ``FAR``: place (half of Mahalanobis' square), size and look."""
    box = boxes.xyxy[n]
    away = np.hypot((box[0] + box[2]) / 2 - row[X], foot_y(row, box, hidden) - row[Y]) / row[SCALE]
    size = abs(np.log(scale(box[2] - box[0], box[3] - box[1]) / row[SCALE]))
    if away > reach or size > SIZE_RANGE:
        return FAR
    place = away * away / (row[PXX] + NOISE * NOISE) / 2
    return float(place + (size / SIZE_RANGE) ** 2 + LOOK_COST * (1 - appearance_similarity(look, boxes.appearance[n])))


@compiled
def match(
    limits: TrackerLimits,
    passed: float,
    strong: bool,
    rows: TrackArrays,
    boxes: BoxArrays,
    free: Bool,
    hidden: Float64,
    found: Int64,
) -> None:
    """One pass: gives boxes that are free to tracks that have none, all the strong ones or all the weak."""
    cost = np.full((len(rows.ids), len(free)), FAR)
    some = False
    for t in range(len(rows.ids)):
        row = rows.motion[t]
        lively = row[CONFIRMED] > 0 and row[STRONG_S] - passed <= limits.weak_s
        wide = limits.speed * min(row[SINCE_S], max(passed, BLIND_S)) + 3 * NOISE
        for n in range(len(free)):
            other = int(boxes.labels[n])
            if found[t] >= 0 or not free[n] or strong != (other > 0 and boxes.scores[n] >= limits.start_score):
                continue
            if not compatible_classes(limits, row[LABEL], other):
                continue
            unnamed = row[LABEL] == 0 and other == 0
            if strong or unnamed or lively:
                cost[t, n] = assignment_cost(
                    row, rows.appearance[t], boxes, n, hidden[n], wide if strong or unnamed else WEAK_REACH
                )
                some = some or cost[t, n] < COST_LIMIT
    if some:
        given = assign(cost, COST_LIMIT)
        for t in range(len(rows.ids)):
            if given[t] >= 0:
                found[t] = given[t]
                free[given[t]] = False


@compiled
def take(limits: TrackerLimits, now: float, rows: TrackArrays, t: int, boxes: BoxArrays, n: int, hidden: float) -> bool:
    """Gives track ``t`` its box ``n``; true where that confirmed it."""
    row, look, label = rows.motion[t], rows.appearance[t], int(boxes.labels[n])
    if hidden <= HIDDEN and (label or row[LABEL] == 0):
        renew = np.float32(0.5 if row[HITS] < 2 else 1 - np.exp(-row[SINCE_S] / LOOK_S))
        for k in range(len(look)):
            look[k] += renew * (np.float32(boxes.appearance[n, k]) - look[k])
    correct(limits, now, row, boxes, n, hidden)
    rows.votes[t, label] += boxes.scores[n]
    choose_label(row, rows.votes[t])
    if row[CONFIRMED] or row[HITS] < (2 if row[LABEL] else UNKNOWN_HITS):
        return False
    row[CONFIRMED] = 1
    return True


@compiled
def relink(limits: TrackerLimits, rows: TrackArrays, t: int, found: Int64) -> None:
    """Lets a newly confirmed track go on as a lost one, if one ended near where it began and looked alike."""
    row = rows.motion[t]
    best, least = -1, FAR
    for o in range(len(rows.ids)):
        other = rows.motion[o]
        if found[o] >= 0 or not other[CONFIRMED] or other[HITS] == 0 or other[LEAVING] or row[BORN_BORDER]:
            continue
        if other[SEEN_AT] >= row[BORN_AT] or not compatible_classes(limits, row[LABEL], other[LABEL]):
            continue
        away = np.hypot(row[BORN_X] - other[LAST_X], row[BORN_Y] - other[LAST_Y]) / other[SCALE]
        like = appearance_similarity(rows.appearance[o], rows.appearance[t])
        if away > RELINK_REACH or like < RELINK_LIKE or abs(np.log(row[SCALE] / other[SCALE])) > SIZE_RANGE:
            continue
        if away + 5 * (1 - like) < least:
            best, least = o, away + 5 * (1 - like)
    if best >= 0:
        other = rows.motion[best]
        rows.ids[t] = rows.ids[best]
        for at in (BORN_X, BORN_Y, BORN_AT):
            row[at] = other[at]
        row[HITS] += other[HITS]
        for label in range(rows.votes.shape[1]):
            rows.votes[t, label] += rows.votes[best, label]
        other[HITS] = 0


@compiled
def associate(
    limits: TrackerLimits, now: float, passed: float, rows: TrackArrays, boxes: BoxArrays, free: Bool, found: Int64
) -> None:
    """One look: writes each track's box to ``found``, and which boxes nobody took to ``free``."""
    hidden = np.zeros(len(free))
    for n in range(len(free)):
        box, score = boxes.xyxy[n], boxes.scores[n]
        free[n] = usable(box, score) and (boxes.labels[n] == 0 or score >= limits.keep_score)
        for m in range(len(free)):
            nearer = boxes.xyxy[m]
            if free[n] and boxes.scores[m] >= 0.8 * limits.start_score and usable(nearer, 0.0):
                hidden[n] = max(hidden[n], below(box, nearer))
    for strong in (True, False):
        match(limits, passed, strong, rows, boxes, free, hidden, found)
    for t in range(len(found)):
        if found[t] < 0:
            rows.motion[t, UNSEEN_S] += passed
            rows.motion[t, LEAVING] = rows.motion[t, LEAVING] or is_leaving(rows.motion[t], boxes)
        elif take(limits, now, rows, t, boxes, found[t], hidden[found[t]]):
            relink(limits, rows, t, found)


@compiled
def starts_track(limits: TrackerLimits, boxes: BoxArrays, n: int, free: Bool) -> bool:
    """Whether a box that nobody took starts a track: it is strong, or has no name, and is no part of another."""
    label, score = int(boxes.labels[n]), boxes.scores[n]
    if not free[n] or (label and score < limits.start_score):
        return False
    for m in range(len(free)):
        other = int(boxes.labels[m])
        if m == n or (label and limits.groups[other] != limits.groups[label]) or not usable(boxes.xyxy[m], 0.0):
            continue
        ahead = not free[m] or boxes.scores[m] > score or (boxes.scores[m] == score and m < n)
        if ahead and boxes.scores[m] >= limits.keep_score and covered(boxes.xyxy[n], boxes.xyxy[m]) > COVERED:
            return False
    return True


@compiled
def gather_tracks(rows: TrackArrays, chosen: Int64, found: Int64, births: Int64) -> tuple[TrackArrays, Int64]:
    """The chosen tracks in their order, and empty rows for births after them."""
    total, labels, k = len(chosen) + len(births), rows.votes.shape[1], rows.appearance.shape[1]
    ids, boxes, look = np.zeros(total, np.int64), np.zeros(total, np.int64), np.zeros((total, k), np.float32)
    after = TrackArrays(ids, np.zeros((total, COLUMNS)), np.zeros((total, labels)), look)
    for i in range(len(chosen)):
        t = chosen[i]
        ids[i], boxes[i] = rows.ids[t], found[t]
        for c in range(COLUMNS):
            after.motion[i, c] = rows.motion[t, c]
        for c in range(labels):
            after.votes[i, c] = rows.votes[t, c]
        for c in range(k):
            look[i, c] = rows.appearance[t, c]
    return after, boxes


@compiled
def visible_tracks(limits: TrackerLimits, motion: Float64) -> Int64:
    """The places of the tracks that are alive."""
    places, count = np.zeros(len(motion), np.int64), 0
    for t in range(len(motion)):
        if is_alive(limits, motion[t]):
            places[count] = t
            count += 1
    return places[:count]


Result = tuple[Int64, Float64, Float64, Float32, Int64, Int64]


def _step(sources: int) -> Callable[..., Result]:
    @compiled_cached
    def step(  # plain numbers and arrays go in and come out: named tuples on the way cost as much as all the arithmetic
        start_score: float,
        keep_score: float,
        weak_s: float,
        speed: float,
        lost_s: float,
        foot_s: float,
        coast_s: float,
        groups: Int64,
        now: float,
        passed: float,
        looked: bool,
        next_id: int,
        ids: Int64,
        motion: Float64,
        votes: Float64,
        look: Float32,
        xyxy: Float64,
        scores: Float64,
        labels: UInt8,
        looks: UInt8,
        width: float,
        height: float,
    ) -> Result:
        """One record: the tracks after it, by rising id, the box of each or -1, and the places of those alive."""
        assert sources  # so that it belongs to the kernel's key on disk
        limits = TrackerLimits(start_score, keep_score, weak_s, speed, lost_s, foot_s, coast_s, groups)
        boxes = BoxArrays(xyxy, scores, labels, looks, width, height)
        rows = TrackArrays(ids.copy(), motion.copy(), votes.copy(), look.copy())
        predict(rows.motion, passed)
        free, found = np.zeros(len(boxes.scores), np.bool_), np.full(len(rows.ids), -1)
        if looked:
            associate(limits, now, passed, rows, boxes, free, found)
        chosen, old = np.zeros(len(rows.ids), np.int64), 0
        for t in range(len(rows.ids)):
            if is_remembered(limits, rows.motion[t]):
                at = old
                while at and rows.ids[chosen[at - 1]] > rows.ids[t]:  # a re-linked track has gone back to its older id
                    chosen[at] = chosen[at - 1]
                    at -= 1
                chosen[at] = t
                old += 1
        births, born = np.zeros(len(free), np.int64), 0
        for n in range(len(free)):
            if starts_track(limits, boxes, n, free):
                births[born] = n
                born += 1
        after, taken = gather_tracks(rows, chosen[:old], found, births[:born])
        for i in range(born):
            after.ids[old + i], taken[old + i] = next_id + i, births[i]
            begin(now, after, old + i, boxes, births[i])
        return after.ids, after.motion, after.votes, after.appearance, taken, visible_tracks(limits, after.motion)

    return step


step = _step(fingerprint())
