"""A model of the object detector: the detections a network would give for a scene, with its errors.

The errors of real footage were measured by ``benchmarks/simulated_detector.py`` on pets09-s2l1 (bundled detector, 7
frames/s, by day, people 55-130 px high). They are misses and their correlation in time, the effect of occlusion, errors
of boxes and how long they last, scores, and second boxes on one person. Constants marked as assumed do not follow from
that clip.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

import numpy as np

from lanewatch.records import LABELS, PERSON, Bool, Detections, Float64, Label, Light, UInt8
from streams.simulator import appearance
from streams.simulator.noise import autoregressive

MODEL: Final = "simulated"
MIN_SCORE: Final = 0.2  # the lowest score that is recorded
_MISS_LOG_ODDS: Final = -3.35  # of a person without occlusion, as high as those of the clip
_OCCLUSION_LOG_ODDS: Final = 4.6  # added if the whole box is occluded
_SMALL_BELOW_PX: Final = 60.0  # above, the height makes no difference in the clip
_SMALL_LOG_ODDS: Final = 2.4  # for each e-fold less height; assumed: PETS has no small people (caviar's: most missed)
_LIGHT_LOG_ODDS: Final[dict[str, float]] = {"day": 0.0, "dusk": 0.3, "infrared": 0.5, "night": 1.0}  # assumed
_KIND_LOG_ODDS: Final[dict[str, float]] = {"person": 0.0, "dog": 1.5, "cat": 2.5, "bicycle": 1.2, "motorcycle": 0.6}
_OTHER_KIND_LOG_ODDS: Final = -0.5  # assumed, as are the others
_WITHOUT_CLASS: Final = frozenset({"cart", "deer", "sack"})  # a detector has no class for a handcart or a water deer
_CLASSES: Final[dict[str, tuple[tuple[str, float], ...]]] = {
    "person": (("person", 1.0),),
    "truck": (("truck", 0.75), ("car", 0.2), ("bus", 0.05)),
    "van": (("car", 0.55), ("truck", 0.35), ("bus", 0.1)),
    "car": (("car", 0.93), ("truck", 0.07)),
    "motorcycle": (("motorcycle", 0.85), ("bicycle", 0.15)),
    "bicycle": (("bicycle", 0.9), ("motorcycle", 0.1)),
    "dog": (("dog", 0.8), ("cat", 0.1), ("person", 0.1)),
    "cat": (("cat", 0.8), ("dog", 0.2)),
}
"""The classes that the detector assigns to each kind, with their probabilities; assumed."""
_CLASS_CHANGE_S: Final = 6.0
_SHORT_MEMORY_S, _LONG_MEMORY_S, _LONG_SHARE = 0.6, 5.0, 0.3
"""Misses come in runs: the hidden variable is a sum of two series. The second one has this share of the variance."""
_ERROR_SPREAD: Final = np.array([0.048, 0.041, 0.061, 0.195])
_ERROR_BIAS: Final = np.array([0.0, -0.006, -0.014, 0.0])
_ERROR_LASTING: Final = np.array([0.82, 0.52, 0.62, 0.70])
_ERROR_MEMORY_S: Final = 1.0
"""Errors of the centre, the foot, the height (in heights) and the width (in widths); the share of their variance that
lasts, and for how long."""
_SCORES: Final = np.array([0.2, 0.57, 0.668, 0.726, 0.766, 0.796, 0.86])
_SCORE_QUANTILES: Final = np.array([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0])
_SCORE_LOSS: Final = 0.08  # for each of the log odds above the usual
_SECOND_BOX: Final = 0.1  # on a part of a person, per person and frame
_MOTION_SEEN: Final[dict[str, float]] = {"day": 0.9, "dusk": 0.85, "infrared": 0.8, "night": 0.6}
"""Probability that the sampler sees a moving object move; assumed."""


class SceneObjects(NamedTuple):
    """The K objects before the camera in F consecutive frames."""

    boxes: Float64  # (F, K, 4) whole boxes in pixels, xyxy; they may extend beyond the picture
    present: Bool  # (F, K)
    distance: Float64  # (F, K) from the camera: a nearer object occludes a farther one
    moving: Bool  # (F, K)
    kinds: tuple[str, ...]  # K keys of ``actors.SIZES_M``
    identities: Float64  # (K, 144) of their appearance
    size: tuple[int, int]  # width and height of the picture


class DetectedBoxes(NamedTuple):
    """The N boxes of a frame: xyxy (N, 4), scores (N,), labels (N,), appearance (N, 144)."""

    xyxy: Float64
    scores: Float64
    labels: UInt8
    appearance: UInt8

    @classmethod
    def empty(cls) -> DetectedBoxes:
        """No boxes."""
        return cls(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.uint8), np.zeros((0, appearance.SIZE), np.uint8))

    def extended(self, xyxy: Float64, scores: Float64, label: Label, appearance: UInt8) -> DetectedBoxes:
        """These boxes, followed by others of one class."""
        return DetectedBoxes(
            np.concatenate([self.xyxy, xyxy]),
            np.concatenate([self.scores, scores]),
            np.concatenate([self.labels, np.full(len(xyxy), label, np.uint8)]),
            np.concatenate([self.appearance, appearance]),
        )


class SimulatedFrame(NamedTuple):
    """A frame: the detector's boxes, and the sampler's motion boxes (M, 4) with the objects' appearance (M, 144)."""

    detected: DetectedBoxes
    moved: Float64
    moved_appearance: UInt8


def visible_share(boxes: Float64, size: tuple[int, int]) -> Float64:
    """(...) share of boxes (..., 4) that is within the picture."""
    return _area(clip_to_image(boxes, size)) / np.maximum(_area(boxes), 1e-9)


def occluded_share(boxes: Float64, present: Bool, distance: Float64) -> Float64:
    """(F, K) largest share of each box that one nearer box covers."""
    low = np.maximum(boxes[:, :, None, :2], boxes[:, None, :, :2])
    high = np.minimum(boxes[:, :, None, 2:], boxes[:, None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=-1)
    shared *= (distance[:, None, :] < distance[:, :, None]) & present[:, None, :]
    share: Float64 = shared.max(axis=2) / np.maximum(_area(boxes), 1e-9)
    return share


def simulate_detections(
    objects: SceneObjects, fps: float, light: Light, rng: np.random.Generator
) -> Iterator[SimulatedFrame]:
    """The detections of the network and the motion of the sampler in each frame."""
    frames, count = objects.present.shape
    visible = visible_share(objects.boxes, objects.size)
    present = objects.present & (visible > 0.25)
    log_odds = _miss_log_odds(objects, visible, light)
    miss = 1 / (1 + np.exp(-log_odds))
    level = _normal_cdf(_miss_series(frames, count, fps, rng))
    has_class = np.array([kind not in _WITHOUT_CLASS for kind in objects.kinds])
    found = present & (level > miss) & has_class
    rank = np.clip((level - miss) / np.maximum(1 - miss, 1e-6), 0, 1)
    scores = np.interp(rank, _SCORE_QUANTILES, _SCORES) - _SCORE_LOSS * np.clip(log_odds - _MISS_LOG_ODDS, 0, 4)
    found &= scores >= MIN_SCORE
    boxes = clip_to_image(_with_errors(objects.boxes, fps, rng), objects.size)
    moved = present & objects.moving & (rng.random((frames, count)) < _MOTION_SEEN[light])
    regions = clip_to_image(objects.boxes + rng.normal(0, 2.0, objects.boxes.shape), objects.size)
    labels = _labels(objects.kinds, frames, fps, rng)
    descriptors = np.zeros((frames, count, appearance.SIZE), np.uint8)
    for column, identity in enumerate(objects.identities):
        descriptors[:, column] = appearance.descriptors(identity, frames, fps, light == "infrared", rng)
    is_person = np.array([kind == "person" for kind in objects.kinds])
    twice = found & (rng.random((frames, count)) < _SECOND_BOX) & is_person
    for frame in range(frames):
        rows, second = found[frame], twice[frame]
        first = DetectedBoxes(*(values[frame, rows] for values in (boxes, scores, labels, descriptors)))
        detected = _with_second_boxes(first, boxes[frame, second], descriptors[frame, second], rng)
        yield SimulatedFrame(detected, regions[frame, moved[frame]], descriptors[frame, moved[frame]])


def detect_labelled_people(boxes: Float64, fps: float, rng: np.random.Generator) -> Iterator[Detections]:
    """The model's detections, by day, of people who are labelled in real footage; their appearance is simulated.

    ``boxes`` (F, P, 4) are in pixels, nan if a person is not present. A person with a lower foot point is nearer.
    """
    present = np.isfinite(boxes[..., 0])
    boxes = np.nan_to_num(boxes)
    people = boxes.shape[1]
    size = (int(boxes[..., 2].max()) + 1, int(boxes[..., 3].max()) + 1)
    identities = np.stack([appearance.random_identity(rng) for _ in range(people)])
    objects = SceneObjects(boxes, present, -boxes[..., 3], present, ("person",) * people, identities, size)
    for number, frame in enumerate(simulate_detections(objects, fps, "day", rng)):
        yield to_record("labelled", round(number * 1000 / fps), size, frame.detected)


def to_record(camera: str, slot: int, size: tuple[int, int], boxes: DetectedBoxes) -> Detections:
    """The record of a frame that was captured exactly at its slot."""
    captured_at = slot / 1000
    return Detections(
        camera=camera,
        epoch=1,
        slot=slot,
        captured_at=captured_at,
        received_at=captured_at,
        width=size[0],
        height=size[1],
        xyxy=boxes.xyxy.astype(np.float32).reshape(-1, 4),
        scores=boxes.scores.astype(np.float32),
        labels=boxes.labels,
        appearance=boxes.appearance,
        model=MODEL,
    )


def clip_to_image(boxes: Float64, size: tuple[int, int]) -> Float64:
    """The parts of boxes (..., 4) that are within the picture."""
    return np.clip(boxes, 0, np.array([*size, *size], np.float64))


def _miss_log_odds(objects: SceneObjects, visible: Float64, light: Light) -> Float64:
    height = np.maximum(objects.boxes[..., 3] - objects.boxes[..., 1], 1.0)
    smaller = np.log(_SMALL_BELOW_PX / np.minimum(height, _SMALL_BELOW_PX))
    log_odds: Float64 = _MISS_LOG_ODDS + _SMALL_LOG_ODDS * smaller + _LIGHT_LOG_ODDS[light]
    log_odds += np.array([_KIND_LOG_ODDS.get(kind, _OTHER_KIND_LOG_ODDS) for kind in objects.kinds])
    occluded = np.maximum(occluded_share(objects.boxes, objects.present, objects.distance), 1 - visible)
    return log_odds + _OCCLUSION_LOG_ODDS * np.clip(occluded - 0.05, 0, 1)


def _miss_series(frames: int, count: int, fps: float, rng: np.random.Generator) -> Float64:
    """(F, K) standard normal, correlated in time as misses are."""
    short = autoregressive(rng.normal(size=(frames, count)), math.exp(-1 / (fps * _SHORT_MEMORY_S)))
    long = autoregressive(rng.normal(size=(frames, count)), math.exp(-1 / (fps * _LONG_MEMORY_S)))
    return math.sqrt(1 - _LONG_SHARE) * short + math.sqrt(_LONG_SHARE) * long


def _normal_cdf(value: Float64) -> Float64:
    """The normal distribution's cumulative share (Bowling et al. 2009, error at most 1.4e-4)."""
    return np.asarray(1 / (1 + np.exp(-(0.07056 * value**3 + 1.5976 * value))), np.float64)


def _with_errors(boxes: Float64, fps: float, rng: np.random.Generator) -> Float64:
    lasting = autoregressive(rng.normal(size=boxes.shape), math.exp(-1 / (fps * _ERROR_MEMORY_S)))
    fresh = rng.normal(size=boxes.shape)
    error = np.sqrt(_ERROR_LASTING) * lasting + np.sqrt(1 - _ERROR_LASTING) * fresh
    error = _ERROR_BIAS + _ERROR_SPREAD * np.clip(error, -3, 3)
    height = boxes[..., 3] - boxes[..., 1]
    width = boxes[..., 2] - boxes[..., 0]
    centre = (boxes[..., 0] + boxes[..., 2]) / 2 + error[..., 0] * np.minimum(height, width * 2.5)
    foot = boxes[..., 3] + error[..., 1] * height
    half = width * np.clip(1 + error[..., 3] * np.minimum(1, height / np.maximum(width, 1)), 0.3, 2) / 2
    top = foot - height * np.clip(1 + error[..., 2], 0.5, 1.5)
    return np.stack([centre - half, top, centre + half, foot], axis=-1)


def _labels(kinds: tuple[str, ...], frames: int, fps: float, rng: np.random.Generator) -> UInt8:
    """(F, K): a class is held for some seconds, then drawn again."""
    labels = np.zeros((frames, len(kinds)), np.uint8)
    for column, kind in enumerate(kinds):
        names, shares = zip(*_CLASSES.get(kind, (("unknown", 1.0),)), strict=True)
        drawn = rng.choice([LABELS.index(name) for name in names], frames, p=np.array(shares))
        fresh = rng.random(frames) < 1 / (fps * _CLASS_CHANGE_S)
        fresh[:1] = True
        labels[:, column] = drawn[np.maximum.accumulate(np.where(fresh, np.arange(frames), 0))]
    return labels


def _with_second_boxes(
    detected: DetectedBoxes, people: Float64, descriptors: UInt8, rng: np.random.Generator
) -> DetectedBoxes:
    """Adds second boxes with low scores on the upper bodies of some people."""
    upper = people.copy()
    upper[:, 3] -= (people[:, 3] - people[:, 1]) * rng.uniform(0.45, 0.65, len(upper))
    scores = np.minimum(MIN_SCORE + rng.exponential(0.06, len(upper)), 0.6)
    return detected.extended(upper, scores, PERSON, descriptors)


def _area(boxes: Float64) -> Float64:
    return np.asarray(np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(axis=-1), np.float64)
