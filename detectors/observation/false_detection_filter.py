"""The filter of false detections: insects and webs at the lens, rain, and headlights are counted, and not tracked.

Only unnamed boxes are removed, never a detector's named ones, whatever the weather.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
import numpy as np

from lanewatch.records import PERSON, UNKNOWN, Bool, Detections, Float64

BRIGHTNESS_RISE = 6.0
"""Grey levels by which the whole picture is brighter than in the last seconds: headlights come round a bend."""
HEADLIGHTS_S, HEADLIGHTS_MAX_S = 1.0, 6.0
"""Unnamed boxes are removed for this time after a rise of brightness, and in a row for the second time at most."""
LIGHT_S = 3.0
"""Time constant of the usual brightness."""

RAIN_BOXES = 5.0
"""Unnamed boxes in a picture, as a mean over ``RAIN_S``: the detect stage gives eight at most."""
RAIN_S = 5.0
RAIN_SIZE = 0.5
"""Body heights: in rain, larger unnamed boxes are tracked all the same."""

NEAR_LENS = 2.5
"""Body heights; a larger unnamed box is near the lens: a truck is half as tall, and a tree does not walk."""
NEAR_LENS_PICTURE = 0.6
"""The same in heights of the picture, for bands where no person has been seen yet."""
FLIT_SPEED = 6.0
"""Of its own heights a second: the least distance from all boxes of the picture before. A runner has 2.5."""
FLIT_WITHIN_S = 0.6
"""Between two pictures; over a longer time a person may have come in."""
FLIT_PICTURES = 3
"""Pictures in a row with a flitting box before it counts as an insect: a person who comes in appears suddenly once."""

BANDS = 8
"""Horizontal bands of the picture, each with its own body height."""
PERSON_SCORE = 0.5
LEARN_S = 1.0
STALE_S = 60.0
"""After this time without a box the remembered brightness is obsolete."""
_HEIGHT_WEIGHT = 0.1
_MIN_BOXES = 0.5


class FilterState(msgspec.Struct, frozen=True):
    """The filter's state at one camera.

    Attributes:
        brightness: A mean over some seconds; -1 before the first picture.
        glare_from: Start of the glare of headlights; ``glare_until`` its end.
        unnamed_boxes: In a picture, a mean over some seconds.
        flit_pictures: Pictures in a row with a flitting box.
        centres: (x, y) of the unnamed boxes of the last picture.
        body_heights: Mean for each band of the picture, pixels; 0 before the first person.
        learned_at: Capture time of the last update of the body heights.
    """

    captured_at: float = msgspec.field(default=0.0, name="at")
    brightness: float = msgspec.field(default=-1.0, name="light")
    glare_from: float = -1.0
    glare_until: float = -1.0
    unnamed_boxes: float = msgspec.field(default=0.0, name="things")
    flit_pictures: int = msgspec.field(default=0, name="flitted")
    centres: tuple[tuple[float, float], ...] = ()
    body_heights: tuple[float, ...] = msgspec.field(default=(0.0,) * BANDS, name="tall")
    learned_at: float = 0.0


class FilterResult(NamedTuple):
    """The state after a picture, which boxes remain (None: all), and the number of removed boxes by reason."""

    memory: FilterState
    keep: Bool | None
    left_out: dict[str, int]


def apply_filter(memory: FilterState, record: Detections) -> FilterResult:
    """Removes false detections from a picture's boxes."""
    count = record.labels.tolist().count(UNKNOWN)
    if not 0 <= record.captured_at - memory.learned_at < LEARN_S:
        memory = _with_body_heights(memory, record)
    if not count and memory.unnamed_boxes < _MIN_BOXES:
        return FilterResult(memory, None, {})
    passed_s = record.captured_at - memory.captured_at
    memory = _with_brightness(memory, record, passed_s)
    share = 1.0 - math.exp(-min(max(passed_s, 0.0), 1.0) / RAIN_S)  # one picture after a pause is no rain
    unnamed_boxes = memory.unnamed_boxes + (count - memory.unnamed_boxes) * share
    memory = msgspec.structs.replace(memory, captured_at=record.captured_at, unnamed_boxes=unnamed_boxes)
    if not count:
        return FilterResult(_with_centres(memory, (), flits=False), None, {})
    unnamed = record.labels == UNKNOWN
    boxes = record.xyxy[unnamed].astype(np.float64)
    dark = record.profile != "day"
    heights, body = boxes[:, 3] - boxes[:, 1], _body_heights(memory, boxes, record.height)
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    near = dark & (heights > np.where(body > 0, NEAR_LENS * body, NEAR_LENS_PICTURE * record.height))
    flits = dark & _flits(memory, centres, heights, passed_s)
    reasons = {
        "headlights": np.full(count, dark and record.captured_at < memory.glare_until),
        "rain": (memory.unnamed_boxes >= RAIN_BOXES) & (body > 0) & (heights < RAIN_SIZE * body),
        "insect": near | (flits & (memory.flit_pictures >= FLIT_PICTURES)),
    }
    memory = _with_centres(memory, tuple(map(tuple, centres.tolist())), flits=bool(flits.any()))
    removed = np.zeros(count, np.bool_)
    left_out = {}
    for reason, rows in reasons.items():
        new = int(np.count_nonzero(rows & ~removed))
        if new:
            left_out[reason] = new
            removed |= rows
    if not left_out:
        return FilterResult(memory, None, {})
    keep = ~unnamed
    keep[np.flatnonzero(unnamed)] = ~removed
    return FilterResult(memory, keep, left_out)


def _with_centres(memory: FilterState, centres: tuple[tuple[float, float], ...], *, flits: bool) -> FilterState:
    pictures = min(memory.flit_pictures + 1, FLIT_PICTURES) if flits else 0
    if centres == memory.centres and pictures == memory.flit_pictures:
        return memory
    return msgspec.structs.replace(memory, centres=centres, flit_pictures=pictures)


def _with_body_heights(memory: FilterState, record: Detections) -> FilterState:
    """Updates the bands' body heights from people with high scores."""
    heights = list(memory.body_heights)
    people = (record.labels == PERSON) & (record.scores >= PERSON_SCORE)
    for _, top, _, bottom in record.xyxy[people].tolist():
        band = _band(bottom, record.height)
        known = heights[band]
        heights[band] = bottom - top if known == 0 else known + (bottom - top - known) * _HEIGHT_WEIGHT
    return msgspec.structs.replace(memory, body_heights=tuple(heights), learned_at=record.captured_at)


def _with_brightness(memory: FilterState, record: Detections, passed_s: float) -> FilterState:
    """Updates the usual brightness, and the time of glare by headlights."""
    now, brightness = record.captured_at, record.scene.brightness
    if memory.brightness < 0 or not 0 <= passed_s < STALE_S:
        return msgspec.structs.replace(memory, brightness=brightness)
    start, until = memory.glare_from, memory.glare_until
    if brightness - memory.brightness >= BRIGHTNESS_RISE:
        start = now if now > until else start
        until = min(now + HEADLIGHTS_S, start + HEADLIGHTS_MAX_S)
    mean = memory.brightness + (brightness - memory.brightness) * (1.0 - math.exp(-passed_s / LIGHT_S))
    return msgspec.structs.replace(memory, brightness=mean, glare_from=start, glare_until=until)


def _band(bottom: float, height: int) -> int:
    return min(max(int(bottom * BANDS / max(height, 1)), 0), BANDS - 1)


def _body_heights(memory: FilterState, boxes: Float64, height: int) -> Float64:
    """(N,) body heights of the boxes' bands, pixels; 0 before the first person."""
    return np.array([memory.body_heights[_band(bottom, height)] for bottom in boxes[:, 3].tolist()])


def _flits(memory: FilterState, centres: Float64, heights: Float64, passed_s: float) -> Bool:
    """(N,) whether a box is further from all boxes of the last picture than a person moves in the time."""
    if not memory.centres or not 0 < passed_s <= FLIT_WITHIN_S:
        return np.zeros(len(centres), np.bool_)
    before = np.array(memory.centres)
    distance = np.hypot(centres[:, None, 0] - before[:, 0], centres[:, None, 1] - before[:, 1]).min(axis=1)
    flits: Bool = distance > FLIT_SPEED * heights * passed_s
    return flits
