"""The compiled work of the tracker at one record: boxes are assigned to tracks, and lost tracks are re-linked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from lanewatch.records import Bool, Float32, Float64, Int64, UInt8
from models.tracking import motion_model as m
from models.tracking.assignment import FAR, assign
from models.tracking.jit import compiled, compiled_cached, fingerprint
from models.tracking.motion_model import BoxArrays, TrackArrays, TrackerLimits

GATE_GROWTH_S: Final = 0.5  # the gate stops growing after this time unseen: a runner is not occluded for long
WEAK_REACH: Final = 0.1  # body heights; a weak box must be so near: NanoDet has 20 false boxes of .1-.2 in a frame
SIZE_RANGE: Final = 0.5  # largest difference of the scales' logarithms
APPEARANCE_COST: Final = 20.0  # of appearances without any similarity
SAME_SIMILARITY: Final = 0.87  # one person's mean after half a second; used for a box or track without an appearance
COST_LIMIT: Final = 8.0  # four standard deviations of position
OCCLUDER_GAP: Final = 0.1  # share of a box's height; the largest gap between it and its occluder
COVERED: Final = 0.5  # a box that lies in another one with this share starts no track
UNNAMED_HITS: Final = 3  # that confirm an unnamed track: leaves and rain move too
RELINK_REACH: Final = 1.0  # body heights between the end of a track and the start of its continuation
RELINK_SIMILARITY: Final = 0.8
APPEARANCE_S: Final = 2.0  # time constant of the appearance


@compiled
def appearance_similarity(a: Any, b: Any) -> float:
    """``models.appearance.similarity`` of two descriptors; the neutral ``SAME_SIMILARITY`` if one is empty."""
    both, ones, others = 0.0, 0.0, 0.0
    for k in range(min(len(a), len(b))):
        both += float(a[k]) * float(b[k])
        ones += float(a[k]) * float(a[k])
        others += float(b[k]) * float(b[k])
    return both / float(np.sqrt(ones * others)) if ones > 0 and others > 0 else SAME_SIMILARITY


@compiled
def share_inside(a: Float64, b: Float64) -> float:
    """The share of box ``a`` that lies in box ``b``."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return float(width * height / ((a[2] - a[0]) * (a[3] - a[1]))) if width > 0 and height > 0 else 0.0


@compiled
def occluded_share(box: Float64, nearer: Float64) -> float:
    """The share of a box's width that a box nearer to the camera may hide from below."""
    if nearer[3] <= box[3] or nearer[1] > box[3] + OCCLUDER_GAP * (box[3] - box[1]):
        return 0.0
    return float(max(min(box[2], nearer[2]) - max(box[0], nearer[0]), 0.0) / (box[2] - box[0]))


@compiled
def is_valid_box(box: Float64, score: float) -> bool:
    """Whether a box has a position and a size. NaN compares false, and infinite boxes have infinite sizes."""
    sized = 1 <= box[2] - box[0] < 1e6 and 1 <= box[3] - box[1] < 1e6
    return bool(sized and abs(box[0]) < 1e6 and abs(box[1]) < 1e6 and 0 <= score <= 1)


@compiled
def compatible_classes(limits: TrackerLimits, label: float, other: float) -> bool:
    """Whether two labels may belong to one object."""
    group, another = limits.groups[int(label)], limits.groups[int(other)]
    return bool(group == another or group == 0 or another == 0)


@compiled
def assignment_cost(
    row: Float64, appearance: Float32, boxes: BoxArrays, n: int, occluded: float, reach: float
) -> float:
    """The cost of a box for a track: position (half the squared Mahalanobis distance), size, appearance; or ``FAR``."""
    box = boxes.xyxy[n]
    distance = np.hypot((box[0] + box[2]) / 2 - row[m.X], m.foot_y(row, box, occluded) - row[m.Y]) / row[m.SCALE]
    size = abs(np.log(m.scale(box[2] - box[0], box[3] - box[1]) / row[m.SCALE]))
    if distance > reach or size > SIZE_RANGE:
        return FAR
    place = distance * distance / (row[m.PXX] + m.NOISE * m.NOISE) / 2
    similarity = appearance_similarity(appearance, boxes.appearance[n])
    return float(place + (size / SIZE_RANGE) ** 2 + APPEARANCE_COST * (1 - similarity))


@compiled
def match(
    limits: TrackerLimits,
    passed: float,
    strong: bool,
    rows: TrackArrays,
    boxes: BoxArrays,
    free: Bool,
    occluded: Float64,
    matches: Int64,
) -> None:
    """One pass of assignment, for all strong boxes or all weak ones, and the tracks that have no box yet."""
    cost = np.full((len(rows.ids), len(free)), FAR)
    any_match = False
    for t in range(len(rows.ids)):
        row = rows.motion[t]
        allows_weak = row[m.CONFIRMED] > 0 and row[m.STRONG_S] - passed <= limits.weak_s
        reach = limits.speed * min(row[m.SINCE_S], max(passed, GATE_GROWTH_S)) + 3 * m.NOISE
        for n in range(len(free)):
            other = int(boxes.labels[n])
            if matches[t] >= 0 or not free[n] or strong != (other > 0 and boxes.scores[n] >= limits.start_score):
                continue
            if not compatible_classes(limits, row[m.LABEL], other):
                continue
            unnamed = row[m.LABEL] == 0 and other == 0
            if strong or unnamed or allows_weak:
                within = reach if strong or unnamed else WEAK_REACH
                cost[t, n] = assignment_cost(row, rows.appearance[t], boxes, n, occluded[n], within)
                any_match = any_match or cost[t, n] < COST_LIMIT
    if any_match:
        assigned = assign(cost, COST_LIMIT)
        for t in range(len(rows.ids)):
            if assigned[t] >= 0:
                matches[t] = assigned[t]
                free[assigned[t]] = False


@compiled
def update_track(
    limits: TrackerLimits, now: float, rows: TrackArrays, t: int, boxes: BoxArrays, n: int, occluded: float
) -> bool:
    """Updates track ``t`` with its box ``n``; True if that confirmed it."""
    row, appearance, label = rows.motion[t], rows.appearance[t], int(boxes.labels[n])
    if occluded <= m.OCCLUDED and (label or row[m.LABEL] == 0):
        renew = np.float32(0.5 if row[m.HITS] < 2 else 1 - np.exp(-row[m.SINCE_S] / APPEARANCE_S))
        for k in range(len(appearance)):
            appearance[k] += renew * (np.float32(boxes.appearance[n, k]) - appearance[k])
    m.correct(limits, now, row, boxes, n, occluded)
    rows.votes[t, label] += boxes.scores[n]
    m.choose_label(row, rows.votes[t])
    if row[m.CONFIRMED] or row[m.HITS] < (2 if row[m.LABEL] else UNNAMED_HITS):
        return False
    row[m.CONFIRMED] = 1
    return True


@compiled
def relink(limits: TrackerLimits, rows: TrackArrays, t: int, matches: Int64) -> None:
    """Lets a newly confirmed track continue a lost one that ended near its start and has a similar appearance."""
    row = rows.motion[t]
    best, least = -1, FAR
    for o in range(len(rows.ids)):
        other = rows.motion[o]
        if matches[o] >= 0 or not other[m.CONFIRMED] or other[m.HITS] == 0 or other[m.LEAVING] or row[m.BORN_BORDER]:
            continue
        if other[m.SEEN_AT] >= row[m.BORN_AT] or not compatible_classes(limits, row[m.LABEL], other[m.LABEL]):
            continue
        distance = np.hypot(row[m.BORN_X] - other[m.LAST_X], row[m.BORN_Y] - other[m.LAST_Y]) / other[m.SCALE]
        similarity = appearance_similarity(rows.appearance[o], rows.appearance[t])
        size = abs(np.log(row[m.SCALE] / other[m.SCALE]))
        if distance > RELINK_REACH or similarity < RELINK_SIMILARITY or size > SIZE_RANGE:
            continue
        if distance + 5 * (1 - similarity) < least:
            best, least = o, distance + 5 * (1 - similarity)
    if best >= 0:
        other = rows.motion[best]
        rows.ids[t] = rows.ids[best]
        for at in (m.BORN_X, m.BORN_Y, m.BORN_AT):
            row[at] = other[at]
        row[m.HITS] += other[m.HITS]
        for label in range(rows.votes.shape[1]):
            rows.votes[t, label] += rows.votes[best, label]
        other[m.HITS] = 0


@compiled
def associate(
    limits: TrackerLimits, now: float, passed: float, rows: TrackArrays, boxes: BoxArrays, free: Bool, matches: Int64
) -> None:
    """Assigns one frame's boxes: writes each track's box to ``matches`` and which boxes remain to ``free``."""
    occluded = np.zeros(len(free))
    for n in range(len(free)):
        box, score = boxes.xyxy[n], boxes.scores[n]
        free[n] = is_valid_box(box, score) and (boxes.labels[n] == 0 or score >= limits.keep_score)
        for o in range(len(free)):
            nearer = boxes.xyxy[o]
            if free[n] and boxes.scores[o] >= 0.8 * limits.start_score and is_valid_box(nearer, 0.0):
                occluded[n] = max(occluded[n], occluded_share(box, nearer))
    for strong in (True, False):
        match(limits, passed, strong, rows, boxes, free, occluded, matches)
    for t in range(len(matches)):
        if matches[t] < 0:
            rows.motion[t, m.UNSEEN_S] += passed
            rows.motion[t, m.LEAVING] = rows.motion[t, m.LEAVING] or m.is_leaving(rows.motion[t], boxes)
        elif update_track(limits, now, rows, t, boxes, matches[t], occluded[matches[t]]):
            relink(limits, rows, t, matches)


@compiled
def starts_track(limits: TrackerLimits, boxes: BoxArrays, n: int, free: Bool) -> bool:
    """Whether a free box starts a track: it is strong or unnamed, and not part of another box."""
    label, score = int(boxes.labels[n]), boxes.scores[n]
    if not free[n] or (label and score < limits.start_score):
        return False
    for o in range(len(free)):
        other = int(boxes.labels[o])
        if o == n or (label and limits.groups[other] != limits.groups[label]) or not is_valid_box(boxes.xyxy[o], 0.0):
            continue
        ahead = not free[o] or boxes.scores[o] > score or (boxes.scores[o] == score and o < n)
        if ahead and boxes.scores[o] >= limits.keep_score and share_inside(boxes.xyxy[n], boxes.xyxy[o]) > COVERED:
            return False
    return True


@compiled
def gather_tracks(rows: TrackArrays, kept: Int64, matches: Int64, new_boxes: Int64) -> tuple[TrackArrays, Int64]:
    """The kept tracks in their order, and empty rows for new_boxes after them."""
    total, labels, k = len(kept) + len(new_boxes), rows.votes.shape[1], rows.appearance.shape[1]
    ids, boxes, appearance = np.zeros(total, np.int64), np.zeros(total, np.int64), np.zeros((total, k), np.float32)
    after = TrackArrays(ids, np.zeros((total, m.COLUMNS)), np.zeros((total, labels)), appearance)
    for i in range(len(kept)):
        t = kept[i]
        ids[i], boxes[i] = rows.ids[t], matches[t]
        for c in range(m.COLUMNS):
            after.motion[i, c] = rows.motion[t, c]
        for c in range(labels):
            after.votes[i, c] = rows.votes[t, c]
        for c in range(k):
            appearance[i, c] = rows.appearance[t, c]
    return after, boxes


@compiled
def visible_tracks(limits: TrackerLimits, motion: Float64) -> Int64:
    """The indices of the tracks that are alive."""
    indices, count = np.zeros(len(motion), np.int64), 0
    for t in range(len(motion)):
        if m.is_alive(limits, motion[t]):
            indices[count] = t
            count += 1
    return indices[:count]


Result = tuple[Int64, Float64, Float64, Float32, Int64, Int64]


def _step(sources: int) -> Callable[..., Result]:
    @compiled_cached
    def step(  # plain numbers and arrays: named tuples as arguments cost as much as all the arithmetic
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
        has_frame: bool,
        next_id: int,
        ids: Int64,
        motion: Float64,
        votes: Float64,
        appearance: Float32,
        xyxy: Float64,
        scores: Float64,
        labels: UInt8,
        appearances: UInt8,
        width: float,
        height: float,
    ) -> Result:
        """The tracks after a record, by rising id, the box of each or -1, and the indices of those alive."""
        assert sources  # so that the kernel's key on disk depends on it
        limits = TrackerLimits(start_score, keep_score, weak_s, speed, lost_s, foot_s, coast_s, groups)
        boxes = BoxArrays(xyxy, scores, labels, appearances, width, height)
        rows = TrackArrays(ids.copy(), motion.copy(), votes.copy(), appearance.copy())
        m.predict(rows.motion, passed)
        free, matches = np.zeros(len(boxes.scores), np.bool_), np.full(len(rows.ids), -1)
        if has_frame:
            associate(limits, now, passed, rows, boxes, free, matches)
        kept, kept_count = np.zeros(len(rows.ids), np.int64), 0
        for t in range(len(rows.ids)):
            if m.is_remembered(limits, rows.motion[t]):
                at = kept_count
                while at and rows.ids[kept[at - 1]] > rows.ids[t]:  # a re-linked track has its older id again
                    kept[at] = kept[at - 1]
                    at -= 1
                kept[at] = t
                kept_count += 1
        new_boxes, new_count = np.zeros(len(free), np.int64), 0
        for n in range(len(free)):
            if starts_track(limits, boxes, n, free):
                new_boxes[new_count] = n
                new_count += 1
        after, track_boxes = gather_tracks(rows, kept[:kept_count], matches, new_boxes[:new_count])
        for i in range(new_count):
            after.ids[kept_count + i], track_boxes[kept_count + i] = next_id + i, new_boxes[i]
            m.begin(now, after, kept_count + i, boxes, new_boxes[i])
        return after.ids, after.motion, after.votes, after.appearance, track_boxes, visible_tracks(limits, after.motion)

    return step


step = _step(fingerprint())
