"""The tracker's arithmetic, compiled: motion, gate, cost and assignment of one camera's boxes to its tracks.

A track is a row of float64; positions are pixels, variances are in squared body heights, times are capture times.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit

from lanewatch.records import LABELS, Float32, Float64, Int64, UInt8

F = TypeVar("F", bound=Callable[..., Any])

X, Y, VX, VY = 0, 1, 2, 3  # the foot point and its velocity, pixels and pixels a second
PXX, PXV, PVV = 4, 5, 6  # their variances, body heights and seconds; the same for x and y
HEIGHT, WIDTH = 7, 8  # smoothed size of the box, pixels
LEFT, TOP, RIGHT, BOTTOM = 9, 10, 11, 12  # the last box
FOOT_X, FOOT_Y = 13, 14  # the foot point, filtered for those who judge by it
BORN_AT, BORN_X, BORN_Y = 15, 16, 17
SEEN_AT, UNSEEN_S = 18, 19
SINCE = 20  # seconds since the last hit, whatever happened
HITS, SCORE = 21, 22
COLUMNS = 23

START, KEEP, SPEED, COAST_S, LOST_S, NOISE, REACH, SIZE, LOOK, LIMIT, WALK, ACCELERATION, CONFIRM_S = range(13)

FOOT_S, SIZE_S, LOOK_S = 0.4, 1.0, 2.0

GROUPS = np.array(
    [
        0
        if n == "unknown"
        else 1
        if n == "person"
        else 3
        if n in ("cat", "dog")
        else 4
        if n in ("backpack", "handbag", "suitcase")
        else 2
        for n in LABELS
    ],
    np.int64,
)
"""Labels that a detector takes for each other are one group; 0 may become any."""

FAR = 1e9


def compiled(function: F) -> F:
    """Compiles a kernel, keeping the machine code on disk where a folder for it can be written."""
    try:
        return cast(F, njit(cache=True)(function))
    except RuntimeError:  # numba found no folder for its cache
        return cast(F, njit(function))


@compiled
def assign(cost: Float64, limit: float) -> Int64:
    """For each row its column or -1, so that the sum of costs is least, where leaving a row out costs ``limit``.

    Shortest augmenting paths (Jonker and Volgenant 1987). Ties go to the lower index.
    """
    rows, columns = cost.shape
    wide = columns + rows  # a column of its own for each row that stays out
    potential_row = np.zeros(rows + 1)
    potential_column = np.zeros(wide + 1)
    owner = np.zeros(wide + 1, np.int64)
    way = np.zeros(wide + 1, np.int64)
    for row in range(1, rows + 1):
        owner[0] = row
        column = 0
        least = np.full(wide + 1, np.inf)
        used = np.zeros(wide + 1, np.bool_)
        while True:
            used[column] = True
            at = owner[column]
            delta = np.inf
            following = 0
            for j in range(1, wide + 1):
                if used[j]:
                    continue
                price = cost[at - 1, j - 1] if j <= columns else (limit if j - columns == at else FAR)
                reduced = price - potential_row[at] - potential_column[j]
                if reduced < least[j]:
                    least[j] = reduced
                    way[j] = column
                if least[j] < delta:
                    delta = least[j]
                    following = j
            for j in range(wide + 1):
                if used[j]:
                    potential_row[owner[j]] += delta
                    potential_column[j] -= delta
                else:
                    least[j] -= delta
            column = following
            if owner[column] == 0:
                break
        while column:
            before = way[column]
            owner[column] = owner[before]
            column = before
    matched = np.full(rows, -1)
    for j in range(1, columns + 1):
        if owner[j] and cost[owner[j] - 1, j - 1] < limit:
            matched[owner[j] - 1] = j - 1
    return matched


@compiled
def predict(motion: Float64, seconds: float, acceleration: float) -> None:
    """Moves tracks on in time at constant velocity; white acceleration in body heights/s^2 widens them."""
    q = acceleration * acceleration
    for t in range(len(motion)):
        row = motion[t]
        row[X] += row[VX] * seconds
        row[Y] += row[VY] * seconds
        row[FOOT_X] += row[VX] * seconds
        row[FOOT_Y] += row[VY] * seconds
        row[SINCE] += seconds
        row[PXX] += 2 * seconds * row[PXV] + seconds * seconds * row[PVV] + q * seconds**4 / 4
        row[PXV] += seconds * row[PVV] + q * seconds**3 / 2
        row[PVV] += q * seconds * seconds


@compiled
def usable(box: Float64, score: float) -> bool:
    """Whether a box has a place and a size."""
    return bool(np.isfinite(box).all() and np.isfinite(score) and box[2] - box[0] >= 1 and box[3] - box[1] >= 1)


@compiled
def likeness(a: Float32, b: UInt8) -> float:
    """Bhattacharyya coefficient of two histograms of any scale, 1 where either says nothing."""
    total_a, total_b, shared = 0.0, 0.0, 0.0
    for k in range(len(a)):
        total_a += a[k]
        total_b += b[k]
        shared += np.sqrt(a[k] * b[k])
    return shared / np.sqrt(total_a * total_b) if total_a > 0 and total_b > 0 else 1.0


@compiled
def costs(
    limits: Float64,
    tracks: Int64,
    boxes: Int64,
    motion: Float64,
    votes: Float64,
    look: Float32,
    xyxy: Float64,
    labels: UInt8,
    colours: UInt8,
) -> Float64:
    """(T, N) what it costs to take each of these boxes for each of these tracks; ``FAR`` where it cannot be."""
    cost = np.full((len(tracks), len(boxes)), FAR)
    seen_colours = look.shape[1] > 0 and look.shape[1] == colours.shape[1]
    noise = limits[NOISE]
    for i in range(len(tracks)):
        row = motion[tracks[i]]
        group = GROUPS[votes[tracks[i]].argmax()]
        reach = min(limits[SPEED] * row[SINCE] + 3 * noise, limits[REACH])
        spread = row[PXX] + noise * noise
        for j in range(len(boxes)):
            n = boxes[j]
            other = GROUPS[labels[n]]
            if group != other and group and other:
                continue
            away = np.hypot((xyxy[n, 0] + xyxy[n, 2]) / 2 - row[X], xyxy[n, 3] - row[Y]) / row[HEIGHT]
            size = abs(np.log((xyxy[n, 3] - xyxy[n, 1]) / row[HEIGHT]))
            if away > reach or size > limits[SIZE]:
                continue
            cost[i, j] = away * away / spread / 2 + (size / limits[SIZE]) ** 2
            if seen_colours:
                cost[i, j] += limits[LOOK] * (1 - likeness(look[tracks[i]], colours[n]))
    return cost


@compiled
def begin(now: float, box: Float64, score: float, limits: Float64) -> Float64:
    """The row of a track that was first seen as this box."""
    row = np.zeros(COLUMNS)
    x, y = (box[0] + box[2]) / 2, box[3]
    row[X], row[Y], row[FOOT_X], row[FOOT_Y], row[BORN_X], row[BORN_Y] = x, y, x, y, x, y
    row[PXX] = limits[NOISE] ** 2
    row[PVV] = limits[WALK] ** 2
    row[HEIGHT], row[WIDTH] = box[3] - box[1], box[2] - box[0]
    row[LEFT : BOTTOM + 1] = box
    row[BORN_AT], row[SEEN_AT] = now, now
    row[HITS], row[SCORE] = 1, score
    return row


@compiled
def hit(row: Float64, now: float, box: Float64, score: float, limits: Float64) -> None:
    """Corrects a predicted track by the box that it was seen as."""
    x, y = (box[0] + box[2]) / 2, box[3]
    spread = row[PXX] + limits[NOISE] ** 2
    gain, gain_v = row[PXX] / spread, row[PXV] / spread
    off_x, off_y = x - row[X], y - row[Y]
    row[X] += gain * off_x
    row[Y] += gain * off_y
    row[VX] += gain_v * off_x
    row[VY] += gain_v * off_y
    row[PVV] -= gain_v * row[PXV]
    row[PXX] *= 1 - gain
    row[PXV] *= 1 - gain
    follow = 1 - np.exp(-row[SINCE] / FOOT_S)
    row[FOOT_X] += follow * (x - row[FOOT_X])
    row[FOOT_Y] += follow * (y - row[FOOT_Y])
    grow = 1 - np.exp(-row[SINCE] / SIZE_S)
    row[HEIGHT] += grow * (box[3] - box[1] - row[HEIGHT])
    row[WIDTH] += grow * (box[2] - box[0] - row[WIDTH])
    row[LEFT : BOTTOM + 1] = box
    row[SEEN_AT], row[UNSEEN_S], row[SINCE], row[SCORE] = now, 0.0, 0.0, score
    row[HITS] += 1


@compiled
def step(
    limits: Float64,
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
    colours: UInt8,
) -> tuple[int, Int64, Float64, Float64, Float32, Int64]:
    """One record: the tracks after it, and for each its box or -1. Writes to ``motion`` and ``look``."""
    predict(motion, passed, limits[ACCELERATION])
    count = len(ids)
    found = np.full(count, -1)
    free = np.full(len(xyxy), True)
    born = np.zeros(0, np.int64)
    if looked:
        for n in range(len(xyxy)):
            free[n] = usable(xyxy[n], scores[n]) and scores[n] >= limits[KEEP]
        for strong in (True, False):
            tracks = np.flatnonzero(found < 0)
            boxes = np.flatnonzero(free & ((scores >= limits[START]) == strong))
            if len(tracks) and len(boxes):
                cost = costs(limits, tracks, boxes, motion, votes, look, xyxy, labels, colours)
                match = assign(cost, limits[LIMIT])
                for i in range(len(tracks)):
                    if match[i] >= 0:
                        found[tracks[i]] = boxes[match[i]]
                        free[boxes[match[i]]] = False
        for t in range(count):
            n = found[t]
            if n >= 0:
                renew = 1 - np.exp(-motion[t, SINCE] / LOOK_S)
                hit(motion[t], now, xyxy[n], scores[n], limits)
                votes[t, labels[n]] += scores[n]
                if look.shape[1] == colours.shape[1]:
                    for k in range(look.shape[1]):
                        look[t, k] += np.float32(renew) * (np.float32(colours[n, k]) - look[t, k])
            else:
                motion[t, UNSEEN_S] += passed
        born = np.flatnonzero(free & (scores >= limits[START]))
    kept = np.full(count, True)
    for t in range(count):
        if motion[t, HITS] < 2:
            kept[t] = motion[t, UNSEEN_S] <= limits[CONFIRM_S]
        else:
            kept[t] = motion[t, UNSEEN_S] <= limits[LOST_S]
    old = np.flatnonzero(kept)
    total = len(old) + len(born)
    new_ids = np.empty(total, np.int64)
    new_motion = np.empty((total, COLUMNS))
    new_votes = np.zeros((total, votes.shape[1]))
    new_look = np.zeros((total, colours.shape[1] if looked and len(xyxy) else look.shape[1]), np.float32)
    detection = np.full(total, -1)
    for i in range(len(old)):
        t = old[i]
        new_ids[i], new_motion[i], new_votes[i], detection[i] = ids[t], motion[t], votes[t], found[t]
        if look.shape[1] == new_look.shape[1]:
            new_look[i] = look[t]
    for i in range(len(born)):
        n, t = born[i], len(old) + i
        new_ids[t], detection[t] = next_id, n
        next_id += 1
        new_motion[t] = begin(now, xyxy[n], scores[n], limits)
        new_votes[t, labels[n]] = scores[n]
        for k in range(new_look.shape[1]):
            new_look[t, k] = colours[n, k]
    return next_id, new_ids, new_motion, new_votes, new_look, detection
