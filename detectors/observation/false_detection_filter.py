"""What moves and is nobody: insects and webs before the lens, rain, headlights. Recognised, counted, and not followed.

Only boxes without a name are ever left out: what a detector has named stays, whatever the weather. What is left out is
counted by its reason, so that a camera behind a spider's web is known by its numbers.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from lanewatch.records import PERSON, UNKNOWN, Bool, Detections, Float64

HEADLIGHTS_LIFT = 6.0
"""Grey levels by which the whole picture is lighter than in the last seconds: headlights that come round a bend."""
HEADLIGHTS_S, HEADLIGHTS_MOST_S = 1.0, 6.0
"""What has no name is set aside for so long after a lift, and for no longer than the second in a row: a lamp that stays
on is the light, and whoever stands in it is seen."""
LIGHT_S = 3.0
"""Time constant of the brightness that is usual just now."""

RAIN_THINGS = 5.0
"""Unnamed things a picture, as a mean over ``RAIN_S``: the detect worker gives eight at most."""
RAIN_S = 5.0
RAIN_SMALL = 0.5
"""Of a body height: in rain, what has no name and is larger is followed all the same."""

NEAR = 2.5
"""Body heights beyond which what has no name is near the lens: a truck is half as tall, a tree does not walk."""
UNKNOWN_NEAR = 0.6
"""The same in heights of the picture, where nobody has been seen at that row yet."""
FLITS = 6.0
"""Of its own heights a second by which something comes from all that was there before: a runner does 2.5."""
FLITS_WITHIN_S = 0.6
"""Between two pictures; over a longer time anybody may have come in."""
SETTLED = 3
"""Pictures in a row in which something without a name must have flitted about before it is taken for an insect: whoever
comes in has come from nowhere once."""

ROWS = 8
"""Bands of the picture in which people's heights are remembered apart."""
SURE = 0.5
LEARN_S = 1.0
STALE_S = 60.0
"""After so long without a box the brightness of then says nothing of now."""
_HEIGHT_WEIGHT = 0.1
_FEW = 0.5


class FilterState(msgspec.Struct, frozen=True):
    """What is remembered of a camera.

    Attributes:
        at: Capture time of the last picture.
        light: Brightness, a mean over some seconds; -1 before the first.
        glare_from: When headlights began to shine in, and ``glare_until`` how long they count.
        things: Unnamed things a picture, a mean over some seconds.
        flitted: Pictures in a row in which something flitted about.
        centres: (x, y) of the unnamed boxes of the last picture.
        tall: Mean body height by band of the picture, pixels; 0 where nobody has been seen.
        learned_at: When that was last learned from.
    """

    at: float = 0.0
    light: float = -1.0
    glare_from: float = -1.0
    glare_until: float = -1.0
    things: float = 0.0
    flitted: int = 0
    centres: tuple[tuple[float, float], ...] = ()
    tall: tuple[float, ...] = (0.0,) * ROWS
    learned_at: float = 0.0


class FilterResult(NamedTuple):
    """What is remembered after a picture, the boxes to go on with, and how many were left out, by reason."""

    memory: FilterState
    keep: Bool | None
    left_out: dict[str, int]


def apply_filter(memory: FilterState, record: Detections) -> FilterResult:
    """Which boxes of a picture are somebody or may be; ``keep`` is None where all are.

    Args:
        memory: before.
        record: of a picture.
    """
    count = record.labels.tolist().count(UNKNOWN)
    if not 0 <= record.captured_at - memory.learned_at < LEARN_S:
        memory = _learned(memory, record)
    if not count and memory.things < _FEW:
        return FilterResult(memory, None, {})
    passed_s = record.captured_at - memory.at
    memory = _lit(memory, record, passed_s)
    share = 1.0 - math.exp(-min(max(passed_s, 0.0), 1.0) / RAIN_S)  # after a pause one picture is no rain
    things = memory.things + (count - memory.things) * share
    memory = msgspec.structs.replace(memory, at=record.captured_at, things=things)
    if not count:
        return FilterResult(_moved_on(memory, (), flitted=False), None, {})
    unnamed = record.labels == UNKNOWN
    boxes = record.xyxy[unnamed].astype(np.float64)
    dark = record.profile != "day"
    heights, tall = boxes[:, 3] - boxes[:, 1], _tall(memory, boxes, record.height)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    near = dark & (heights > np.where(tall > 0, NEAR * tall, UNKNOWN_NEAR * record.height))
    flits = dark & _flits(memory, centres, heights, passed_s)
    reasons = {
        "headlights": np.full(count, dark and record.captured_at < memory.glare_until),
        "rain": (memory.things >= RAIN_THINGS) & (tall > 0) & (heights < RAIN_SMALL * tall),
        "insect": near | (flits & (memory.flitted >= SETTLED)),
    }
    memory = _moved_on(memory, tuple(map(tuple, centres.tolist())), flitted=bool(flits.any()))
    out = np.zeros(count, np.bool_)
    left_out = {}
    for reason, rows in reasons.items():
        fresh = int(np.count_nonzero(rows & ~out))
        if fresh:
            left_out[reason] = fresh
            out |= rows
    if not left_out:
        return FilterResult(memory, None, {})
    keep = ~unnamed
    keep[np.flatnonzero(unnamed)] = ~out
    return FilterResult(memory, keep, left_out)


def _moved_on(memory: FilterState, centres: tuple[tuple[float, float], ...], *, flitted: bool) -> FilterState:
    row = min(memory.flitted + 1, SETTLED) if flitted else 0
    if centres == memory.centres and row == memory.flitted:
        return memory
    return msgspec.structs.replace(memory, centres=centres, flitted=row)


def _learned(memory: FilterState, record: Detections) -> FilterState:
    """People's heights by band, from those of whom the detector is sure."""
    tall = list(memory.tall)
    columns = zip(record.labels.tolist(), record.scores.tolist(), record.xyxy.tolist(), strict=True)
    for label, score, (_, top, _, bottom) in columns:
        if label != PERSON or score < SURE:
            continue
        band = _band(bottom, record.height)
        known = tall[band]
        tall[band] = bottom - top if known == 0 else known + (bottom - top - known) * _HEIGHT_WEIGHT
    return msgspec.structs.replace(memory, tall=tuple(tall), learned_at=record.captured_at)


def _lit(memory: FilterState, record: Detections, passed_s: float) -> FilterState:
    """Whether headlights have come in, and the light that is usual just now."""
    now, light = record.captured_at, record.scene.brightness
    if memory.light < 0 or not 0 <= passed_s < STALE_S:
        return msgspec.structs.replace(memory, light=light)
    began, until = memory.glare_from, memory.glare_until
    if light - memory.light >= HEADLIGHTS_LIFT:
        began = now if now > until else began
        until = min(now + HEADLIGHTS_S, began + HEADLIGHTS_MOST_S)
    mean = memory.light + (light - memory.light) * (1.0 - math.exp(-passed_s / LIGHT_S))
    return msgspec.structs.replace(memory, light=mean, glare_from=began, glare_until=until)


def _band(bottom: float, height: int) -> int:
    return min(max(int(bottom * ROWS / max(height, 1)), 0), ROWS - 1)


def _tall(memory: FilterState, boxes: Float64, height: int) -> Float64:
    """(N,) body heights where the boxes stand, pixels; 0 where nobody has been seen."""
    return np.array([memory.tall[_band(bottom, height)] for bottom in boxes[:, 3].tolist()])


def _flits(memory: FilterState, centres: Float64, heights: Float64, passed_s: float) -> Bool:
    """(N,) whether a box is further from all of the last picture's than anybody gets in the time."""
    if not memory.centres or not 0 < passed_s <= FLITS_WITHIN_S:
        return np.zeros(len(centres), np.bool_)
    before = np.array(memory.centres)
    far = np.hypot(centres[:, None, 0] - before[:, 0], centres[:, None, 1] - before[:, 1]).min(axis=1)
    flits: Bool = far > FLITS * heights * passed_s
    return flits
