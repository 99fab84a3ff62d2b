"""The detector's model: what a network would have said of what is truly there, with its errors.

What follows from real footage is from ``benchmarks/acts/errors.py`` over pets09-s2l1 (bundled detector, 7 frames/s, by
day, people 55-130 px high): misses and how they cluster in time, their rise with occlusion, the errors of boxes and
how long they last, scores, second boxes on one person. What that clip cannot say is assumed and marked so below.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from lanewatch.records import LABELS, PERSON, Bool, Detections, Float64, Label, Light, UInt8
from streams.simulator import appearance

MODEL: Final = "simulated"
LEAST: Final = 0.2
"""The lowest score that is recorded."""

_MISS: Final = -3.35  # log odds of missing somebody whom nothing hides, as high as those of the clip
_HIDDEN: Final = 4.6  # added for all of the box hidden
_TALL: Final = 60.0  # pixels; from here on upwards height makes no difference in the clip
_SMALL: Final = 2.4  # added for each e-fold less high; assumed: PETS has no small people (caviar's miss nearly all)
_DIM: Final[dict[str, float]] = {"day": 0.0, "dusk": 0.3, "infrared": 0.5, "night": 1.0}
"""Log odds added by the light; assumed."""
_ODD: Final[dict[str, float]] = {"person": 0.0, "dog": 1.5, "cat": 2.5, "bicycle": 1.2, "motorcycle": 0.6}
"""Log odds added by the kind; assumed. A detector has no name for a handcart or a water deer."""
_NAMELESS: Final = frozenset({"cart", "deer", "sack"})
_NAMES: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    "person": (("person", 1.0),),
    "truck": (("truck", 0.75), ("car", 0.2), ("bus", 0.05)),
    "van": (("car", 0.55), ("truck", 0.35), ("bus", 0.1)),
    "car": (("car", 0.93), ("truck", 0.07)),
    "motorcycle": (("motorcycle", 0.85), ("bicycle", 0.15)),
    "bicycle": (("bicycle", 0.9), ("motorcycle", 0.1)),
    "dog": (("dog", 0.8), ("cat", 0.1), ("person", 0.1)),
    "cat": (("cat", 0.8), ("dog", 0.2)),
}
"""What each kind is called, by turns that last some seconds; assumed."""
_NAME_S: Final = 6.0
_BRIEF_S, _LONG_S, _LONG = 0.6, 5.0, 0.3
"""Misses come in runs: the hidden variable behind them forgets within the first time, a share of it in the second."""
_JITTER: Final = np.array([0.048, 0.041, 0.061, 0.195])
_BIAS: Final = np.array([0.0, -0.006, -0.014, 0.0])
_LASTS: Final = np.array([0.82, 0.52, 0.62, 0.70])
_LASTS_S: Final = 1.0
"""Errors of the middle, the foot, the height (in heights) and the width (in widths), the share of their variance that
lasts, and for how long."""
_SCORES: Final = np.array([0.2, 0.57, 0.668, 0.726, 0.766, 0.796, 0.86])
_SHARES: Final = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
_FAINT: Final = 0.08  # of a score, lost for each of the log odds above the usual
_TWICE: Final = 0.1  # second boxes on a part of somebody, per person and frame
_MOVED: Final[dict[str, float]] = {"day": 0.9, "dusk": 0.85, "infrared": 0.8, "night": 0.6}
"""How often the sampler sees in its picture that somebody moves; assumed."""


class SceneObjects(NamedTuple):
    """What is truly before the lens in frames that follow each other.

    Attributes:
        boxes: (F, K, 4) whole boxes in pixels, xyxy; they may go on beyond the picture.
        there: (F, K).
        far: (F, K) distance from the camera: who is nearer hides who is farther.
        moving: (F, K).
        kinds: K names.
        bases: (K, 144) their looks.
        size: of the picture: width, height.
    """

    boxes: Float64
    there: Bool
    far: Float64
    moving: Bool
    kinds: tuple[str, ...]
    bases: Float64
    size: tuple[int, int]


class NamedBoxes(NamedTuple):
    """Named boxes of one frame."""

    xyxy: Float64
    scores: Float64
    labels: UInt8
    appearance: UInt8


class SimulatedFrame(NamedTuple):
    """One frame: the named boxes, what moved, and the looks of all who are there (for boxes without a name)."""

    named: NamedBoxes
    moved: Float64
    moved_appearance: UInt8


def visible(boxes: Float64, size: tuple[int, int]) -> Float64:
    """(...) the share of boxes (..., 4) that is within the picture."""
    inside = np.clip(boxes, 0, np.array([size[0], size[1]] * 2, np.float64))
    return _area(inside) / np.maximum(_area(boxes), 1e-9)


def hidden(boxes: Float64, there: Bool, far: Float64) -> Float64:
    """(F, K) the share of each box that the nearer one in front of it covers, the largest of them."""
    low = np.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = np.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    shared *= (far[:, None, :] < far[:, :, None]) & there[:, None, :]
    share: Float64 = shared.max(axis=2) / np.maximum(_area(boxes), 1e-9)
    return share


def simulate_detections(
    sight: SceneObjects, fps: float, light: Light, rng: np.random.Generator
) -> Iterator[SimulatedFrame]:
    """What the network and the sampler would make of each frame."""
    frames, count = sight.there.shape
    share = visible(sight.boxes, sight.size)
    there = sight.there & (share > 0.25)
    odds = _odds(sight, share, light)
    chance = 1 / (1 + np.exp(-odds))
    level = _normal_share(_wander(frames, count, fps, rng))
    nameless = np.array([kind in _NAMELESS for kind in sight.kinds])
    found = there & (level > chance) & ~nameless
    rank = np.clip((level - chance) / np.maximum(1 - chance, 1e-6), 0, 1)
    scores = np.interp(rank, _SHARES, _SCORES) - _FAINT * np.clip(odds - _MISS, 0, 4)
    found &= scores >= LEAST
    boxes = _clipped(_shaken(sight.boxes, fps, rng), sight.size)
    moved = there & sight.moving & (rng.random((frames, count)) < _MOVED[light])
    regions = _clipped(sight.boxes + rng.normal(0, 2.0, sight.boxes.shape), sight.size)
    labels = _labels(sight.kinds, frames, fps, rng)
    grey = light == "infrared"
    look = np.zeros((frames, count, appearance.SIZE), np.uint8)
    for one, base in enumerate(sight.bases):
        look[:, one] = appearance.describe(base, frames, fps, grey, rng)
    twice = found & (rng.random((frames, count)) < _TWICE) & np.array([kind == "person" for kind in sight.kinds])
    for frame in range(frames):
        who = np.flatnonzero(found[frame])
        own = NamedBoxes(boxes[frame, who], scores[frame, who], labels[frame, who], look[frame, who])
        again = np.flatnonzero(twice[frame])
        named = _with_parts(own, boxes[frame, again], look[frame, again], rng) if len(again) else own
        yield SimulatedFrame(named, regions[frame, moved[frame]], look[frame, moved[frame]])


def labelled(boxes: Float64, fps: float, rng: np.random.Generator) -> Iterator[Detections]:
    """People who are labelled in real footage, as the model sees them by day; looks are made up.

    Args:
        boxes: (F, P, 4) pixels; nan where somebody is not there. Lower feet are nearer.
    """
    there = np.isfinite(boxes[..., 0])
    whole = np.nan_to_num(boxes)
    people = boxes.shape[1]
    size = (int(whole[..., 2].max()) + 1, int(whole[..., 3].max()) + 1)
    bases = np.stack([appearance.identity(rng) for _ in range(people)])
    sight = SceneObjects(whole, there, -whole[..., 3], there, ("person",) * people, bases, size)
    for frame, glimpse in enumerate(simulate_detections(sight, fps, "day", rng)):
        yield record("labelled", round(frame * 1000 / fps), size, glimpse.named)


def record(camera: str, slot: int, size: tuple[int, int], boxes: NamedBoxes) -> Detections:
    """A record at an instant of the grid that was captured on it."""
    at = slot / 1000
    return Detections(
        camera=camera,
        epoch=1,
        slot=slot,
        captured_at=at,
        received_at=at,
        width=size[0],
        height=size[1],
        xyxy=boxes.xyxy.astype(np.float32).reshape(-1, 4),
        scores=boxes.scores.astype(np.float32),
        labels=boxes.labels,
        appearance=boxes.appearance,
        model=MODEL,
    )


def _odds(sight: SceneObjects, share: Float64, light: Light) -> Float64:
    height = np.maximum(sight.boxes[..., 3] - sight.boxes[..., 1], 1.0)
    odds: Float64 = _MISS + _SMALL * np.log(_TALL / np.minimum(height, _TALL)) + _DIM[light]
    odds += np.array([_ODD.get(kind, -0.5) for kind in sight.kinds])
    covered = np.maximum(hidden(sight.boxes, sight.there, sight.far), 1 - share)
    return odds + _HIDDEN * np.clip(covered - 0.05, 0, 1)


def _wander(frames: int, count: int, fps: float, rng: np.random.Generator) -> Float64:
    """(F, K) standard normal, correlated in time as misses are."""
    brief = _running(rng.normal(size=(frames, count)), np.full(count, math.exp(-1 / (fps * _BRIEF_S))))
    long = _running(rng.normal(size=(frames, count)), np.full(count, math.exp(-1 / (fps * _LONG_S))))
    return math.sqrt(1 - _LONG) * brief + math.sqrt(_LONG) * long


def _running(noise: Float64, keep: Float64) -> Float64:
    """Each row remembers the one before; the variance stays 1."""
    fresh = np.sqrt(1 - keep * keep)
    noise[1:] *= fresh
    for row in range(1, len(noise)):
        noise[row] += keep * noise[row - 1]
    return noise


def _normal_share(value: Float64) -> Float64:
    """The normal distribution's share below a value (Bowling et al. 2009, off by at most 1.4e-4)."""
    share: Float64 = 1 / (1 + np.exp(-(0.07056 * value**3 + 1.5976 * value)))
    return share


def _shaken(boxes: Float64, fps: float, rng: np.random.Generator) -> Float64:
    frames, count = boxes.shape[:2]
    lasting = _running(rng.normal(size=(frames, count * 4)), np.full(count * 4, math.exp(-1 / (fps * _LASTS_S))))
    fresh = rng.normal(size=(frames, count, 4))
    error = np.sqrt(_LASTS) * lasting.reshape(frames, count, 4) + np.sqrt(1 - _LASTS) * fresh
    error = _BIAS + _JITTER * np.clip(error, -3, 3)
    tall = boxes[..., 3] - boxes[..., 1]
    wide = boxes[..., 2] - boxes[..., 0]
    middle = (boxes[..., 0] + boxes[..., 2]) / 2 + error[..., 0] * np.minimum(tall, wide * 2.5)
    foot = boxes[..., 3] + error[..., 1] * tall
    half = wide * np.clip(1 + error[..., 3] * np.minimum(1, tall / np.maximum(wide, 1)), 0.3, 2) / 2
    return np.stack([middle - half, foot - tall * np.clip(1 + error[..., 2], 0.5, 1.5), middle + half, foot], axis=-1)


def _labels(kinds: tuple[str, ...], frames: int, fps: float, rng: np.random.Generator) -> UInt8:
    """(F, K): a name is kept for some seconds, then drawn again."""
    labels = np.zeros((frames, len(kinds)), np.uint8)
    for column, kind in enumerate(kinds):
        names, shares = zip(*_NAMES.get(kind, (("unknown", 1.0),)), strict=True)
        drawn = rng.choice([LABELS.index(name) for name in names], frames, p=np.array(shares))
        fresh = rng.random(frames) < 1 / (fps * _NAME_S)
        fresh[:1] = True
        labels[:, column] = drawn[np.maximum.accumulate(np.where(fresh, np.arange(frames), 0))]
    return labels


def _with_parts(own: NamedBoxes, boxes: Float64, look: UInt8, rng: np.random.Generator) -> NamedBoxes:
    """With second boxes on the upper bodies of some, at low scores."""
    part = boxes.copy()
    part[:, 3] -= (boxes[:, 3] - boxes[:, 1]) * rng.uniform(0.45, 0.65, len(part))
    scores = LEAST + rng.exponential(0.06, len(part))
    names = np.full(len(part), PERSON, np.uint8)
    return NamedBoxes(
        np.concatenate([own.xyxy, part]),
        np.concatenate([own.scores, np.minimum(scores, 0.6)]),
        np.concatenate([own.labels, names]),
        np.concatenate([own.appearance, look]),
    )


def label(name: str) -> Label:
    """The index of a name."""
    return Label(LABELS.index(name))


def _area(boxes: Float64) -> Float64:
    area: Float64 = np.clip(boxes[..., 2] - boxes[..., 0], 0, None) * np.clip(boxes[..., 3] - boxes[..., 1], 0, None)
    return area


def _clipped(boxes: Float64, size: tuple[int, int]) -> Float64:
    return np.clip(boxes, 0, np.array([size[0], size[1]] * 2, np.float64))
