"""The compiled motion model: a track as a row of numbers, its prediction, its correction by a box, and its end.

Positions are pixels, variances squared body heights, times capture times in seconds. Constants are measured on
pets09-s2l1 at 7, 3.5 and 2.33 fps, and checked on tud-stadtmitte and caviar. Most lie on plateaus: a third more or less
changes the mean IDF1 by less than .02. None depends on the frame rate.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np

from lanewatch.records import LABELS, Float32, Float64, Int64, UInt8
from models.tracking.jit import compiled

X, Y, VX, VY = 0, 1, 2, 3  # the foot point and its velocity, pixels and pixels a second
PXX, PXV, PVV = 4, 5, 6  # their variances, the same for x and y
SCALE, WIDTH, HEIGHT = 7, 8, 9  # the body height as unit of length, and the box's size; smoothed, pixels
LEFT, TOP, RIGHT, BOTTOM = 10, 11, 12, 13  # the box, with the track's size
FOOT_X, FOOT_Y = 14, 15  # the filtered foot point, for behaviours
BORN_X, BORN_Y, BORN_AT = 16, 17, 18
LAST_X, LAST_Y, SEEN_AT, SCORE = 19, 20, 21, 22  # the last hit
SINCE_S, UNSEEN_S = 23, 24  # since then: all seconds, and those of frames that missed it
STRONG_S = 25  # seconds since the last strong box
HITS, CONFIRMED, LEAVING, BORN_BORDER, LABEL = 26, 27, 28, 29, 30
COLUMNS: Final = 31

GROUPS: Final = np.array(
    [{"unknown": 0, "person": 1, "cat": 3, "dog": 3}.get(n, 4 if n in LABELS[9:12] else 2) for n in LABELS], np.int64
)
"""Labels that detectors confuse are one group; 0 may become any."""

NOISE: Final = 0.12  # of a box's foot, body heights
WEAK_NOISE: Final = 0.18  # of a weak box's
ACCELERATION: Final = 0.8  # body heights/s^2: a walker stops within a second
WALK: Final = 0.8  # speed of a new track, body heights/s: 1.4 m/s
DAMP_S: Final = 1.5  # an unseen track's velocity fades: people stop and turn behind things
COAST_SHARE: Final = 0.25  # of the time since a track began, for which it is predicted at most: short ones may be false
OCCLUDED: Final = 0.5  # share of a box's width that a nearer box hides: feet and colours are then not reliable
CONFIRM_S: Final = 1.0  # a track without a second hit until then ends
BORDER_S: Final = 0.4  # a track that moves out over the picture's border ends after this
BORDER_WIDTH: Final = 0.1  # body heights
OUTWARD: Final = 0.1  # body heights/s; a slower track stands at the border
FORGET_S: Final = 60.0  # without any frame
TRACK_SIZE_SHARE: Final = 0.5  # of a box's size: boxes of half-occluded people are cut (MOTA +.01)
SIZE_S: Final = 1.0  # time constant of the size


class TrackerLimits(NamedTuple):
    """The settings, as ``models.tracking.tracker.TrackerSettings`` documents them."""

    start_score: float
    keep_score: float
    weak_s: float
    speed: float
    lost_s: float
    foot_s: float
    coast_s: float
    groups: Int64


class TrackArrays(NamedTuple):
    """The tracks, by rising id; functions write to the arrays."""

    ids: Int64
    motion: Float64
    votes: Float64
    appearance: Float32


class BoxArrays(NamedTuple):
    """A record's boxes, and the size of its frame."""

    xyxy: Float64
    scores: Float64
    labels: UInt8
    appearance: UInt8
    width: float
    height: float


@compiled
def scale(width: float, height: float) -> float:
    """Body height: .93 of the diagonal, a standing person's height; a lying person and a vehicle have one too."""
    return 0.93 * float(np.sqrt(width * width + height * height))


@compiled
def at_border(box: Float64, boxes: BoxArrays) -> bool:
    """Whether a box reaches the left, right or lower border, where people come and go."""
    near = BORDER_WIDTH * scale(box[2] - box[0], box[3] - box[1])
    return bool(box[0] < near or box[2] > boxes.width - near or box[3] > boxes.height - near)


@compiled
def is_leaving(row: Float64, boxes: BoxArrays) -> bool:
    """Whether a track is at a border and moves out over it; a person that stands there does not."""
    near, out = BORDER_WIDTH * row[SCALE], OUTWARD * row[SCALE]
    left = row[LEFT] < near and row[VX] < -out
    right = row[RIGHT] > boxes.width - near and row[VX] > out
    return bool(left or right or (row[BOTTOM] > boxes.height - near and row[VY] > out))


@compiled
def foot_y(row: Float64, box: Float64, occluded: float) -> float:
    """A box's foot; if it may be occluded from below, a body height under the head if that fits the track better."""
    under_head = box[1] + row[HEIGHT]
    if occluded > OCCLUDED and box[3] < under_head and abs(under_head - row[Y]) < abs(box[3] - row[Y]):
        return float(under_head)
    return float(box[3])


@compiled
def predict(motion: Float64, seconds: float) -> None:
    """Moves tracks on in time at constant velocity; white acceleration widens their variances."""
    q = ACCELERATION * ACCELERATION
    for t in range(len(motion)):
        row = motion[t]
        if row[SINCE_S] > 0:
            fade = np.exp(-seconds / DAMP_S)
            row[VX] *= fade
            row[VY] *= fade
        for x in (X, LEFT, RIGHT, FOOT_X):
            row[x] += row[VX] * seconds
        for y in (Y, TOP, BOTTOM, FOOT_Y):
            row[y] += row[VY] * seconds
        row[SINCE_S] += seconds
        row[STRONG_S] += seconds
        row[PXX] += seconds * (2 * row[PXV] + seconds * (row[PVV] + q * seconds * seconds / 4))
        row[PXV] += seconds * (row[PVV] + q * seconds * seconds / 2)
        row[PVV] += q * seconds * seconds


@compiled
def correct_position(limits: TrackerLimits, row: Float64, x: float, y: float, noise: float) -> None:
    """Corrects position and velocity (Kalman gain), and the filtered foot point."""
    spread = row[PXX] + noise * noise
    gain, gain_v = row[PXX] / spread, row[PXV] / spread
    off_x, off_y = x - row[X], y - row[Y]
    row[X] += gain * off_x
    row[Y] += gain * off_y
    row[VX] += gain_v * off_x
    row[VY] += gain_v * off_y
    row[PVV] -= gain_v * row[PXV]
    row[PXX] *= 1 - gain
    row[PXV] *= 1 - gain
    follow = 1 - np.exp(-row[SINCE_S] / limits.foot_s)
    row[FOOT_X] += follow * (x - row[FOOT_X])
    row[FOOT_Y] += follow * (y - row[FOOT_Y])


@compiled
def correct(limits: TrackerLimits, now: float, row: Float64, boxes: BoxArrays, n: int, occluded: float) -> None:
    """Corrects a predicted track by its box."""
    box = boxes.xyxy[n]
    x, y = (box[0] + box[2]) / 2, foot_y(row, box, occluded)
    cut = y != box[3]
    strong = boxes.scores[n] >= limits.start_score
    if strong:
        row[STRONG_S] = 0
    correct_position(limits, row, x, y, NOISE if strong else WEAK_NOISE)
    width, height = box[2] - box[0], box[3] - box[1]
    grow = 0.0 if cut else 0.5 if row[HITS] < 2 else 1 - np.exp(-row[SINCE_S] / SIZE_S)
    row[WIDTH] += grow * (width - row[WIDTH])
    row[HEIGHT] += grow * (height - row[HEIGHT])
    row[SCALE] = scale(row[WIDTH], row[HEIGHT])
    width += TRACK_SIZE_SHARE * (row[WIDTH] - width)
    height += TRACK_SIZE_SHARE * (row[HEIGHT] - height)
    row[LEFT], row[RIGHT] = x - width / 2, x + width / 2
    row[TOP] = box[1] if cut else (box[1] + box[3] - height) / 2
    row[BOTTOM] = row[TOP] + height
    row[LAST_X], row[LAST_Y], row[SEEN_AT], row[SINCE_S], row[UNSEEN_S] = x, y, now, 0, 0
    row[LEAVING], row[SCORE] = is_leaving(row, boxes), boxes.scores[n]
    row[HITS] += 1


@compiled
def choose_label(row: Float64, votes: Float64) -> None:
    """Sets the label with the most votes; a named one wins over any number of unnamed hits."""
    best = 0
    for label in range(1, len(votes)):
        if votes[label] > (votes[best] if best else 0.0):
            best = label
    row[LABEL] = best


@compiled
def begin(now: float, rows: TrackArrays, t: int, boxes: BoxArrays, n: int) -> None:
    """Fills a new track's row from its first box."""
    row, box = rows.motion[t], boxes.xyxy[n]
    for x in (X, FOOT_X, BORN_X, LAST_X):
        row[x] = (box[0] + box[2]) / 2
    for y in (Y, FOOT_Y, BORN_Y, LAST_Y):
        row[y] = box[3]
    row[PXX], row[PVV] = NOISE * NOISE, WALK * WALK
    row[WIDTH], row[HEIGHT] = box[2] - box[0], box[3] - box[1]
    row[SCALE] = scale(row[WIDTH], row[HEIGHT])
    for k in range(4):
        row[LEFT + k] = box[k]
    row[BORN_AT], row[SEEN_AT], row[SCORE], row[HITS], row[LABEL] = now, now, boxes.scores[n], 1, boxes.labels[n]
    row[BORN_BORDER] = at_border(box, boxes)
    rows.votes[t, boxes.labels[n]] = boxes.scores[n]
    for k in range(rows.appearance.shape[1]):
        rows.appearance[t, k] = boxes.appearance[n, k]


@compiled
def is_remembered(limits: TrackerLimits, row: Float64) -> bool:
    """Whether a track is remembered."""
    limit = (BORDER_S if row[LEAVING] else limits.lost_s) if row[CONFIRMED] else CONFIRM_S
    return bool(row[HITS] > 0 and row[UNSEEN_S] <= limit and row[SINCE_S] <= FORGET_S)


@compiled
def is_alive(limits: TrackerLimits, row: Float64) -> bool:
    """Whether a remembered track is alive: it is confirmed, and seen now or a moment ago."""
    coast_s = min(limits.coast_s, COAST_SHARE * (row[SEEN_AT] - row[BORN_AT]))
    coasts = row[UNSEEN_S] <= coast_s and row[LEAVING] == 0
    return bool(row[CONFIRMED] > 0 and (row[UNSEEN_S] == 0 or coasts))
