"""The motion gate: what moved, seen in a small grey picture, whatever the light does."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from lanewatch.records import Box, UInt8
from streams.video.privacy_masks import Polygon, PrivacyMasks

GATE_WIDTH = 400
"""The gate's picture is halved until it is at most this wide (320x180 of 640x360, 384x288 of 768x576): halving is the
one reduction that OpenCV does in a tenth of a millisecond, and a person 40 px high still fills 10 rows of it."""

FAST_S, SLOW_S = 1.0, 60.0
"""Time constants of the two running averages. What moves differs from both: from the fast one, so that what has come to
rest is quiet within three seconds, as is its ghost when it goes; from the slow one, so that a walker has no trail."""

LEAST = 12.0
"""Grey levels below which a difference is noise, compression or a passing of the light, in any picture."""

NOISE = 6.0
"""The threshold in mean absolute differences: 4.8 standard deviations of a camera's noise."""

WARM_S = 2.0
"""The background counts as learned after two time constants of the fast average's quickest part, and three looks."""

FLOOD = 0.4
"""Where more of the picture than this changed at once, it is the light or the camera, and the background is learned
anew: nothing that walks or drives covers it within a frame."""

LEAP = 8.0
"""Grey levels by which the whole picture is lighter or darker than the last second: a lamp or the exposure, which
stretch the picture as well as lift it, so that it is learned anew too."""

_BLOCK = 4
_FILLED = 255 * 3 // 16  # of a block's 16 pixels, 3 have to have moved: single ones are noise
_LEAST_PIXELS = 10  # of a region: a person 20 px high and 5 wide in the gate's picture, half of whom is seen to move
_MOST_REGIONS = 32
_EAGER = 10  # looks at first, each of which the slow average learns from
_SLOW_EVERY_S = 1.0  # and how often later: a minute's average need not see all of it
_LOUD = 16.0  # grey levels at which a difference stops to weigh in the noise: a bus is not noise


@dataclass(frozen=True)
class Motion:
    """What the gate saw.

    Attributes:
        boxes: what moved, xyxy in pixels of the frame; empty until the background is warm, and in a flood.
        active: something moved, or nothing is known yet: the scene must not be left to the idle rate.
        warm: the background is learned.
        relearned: the background was learned anew from this picture.
    """

    boxes: tuple[Box, ...]
    active: bool
    warm: bool
    relearned: bool = False


class MotionGate:
    """One camera's background, and what differs from it. Not thread-safe."""

    def __init__(self, polygons: Sequence[Polygon] = ()) -> None:
        # Halving and blurring carry what is masked up to three pixels beyond its edge.
        self._masks = PrivacyMasks(polygons, margin=3)
        self._at: float | None = None
        self._begun = 0.0
        self._looks = 0
        self._slow_looks = 2
        self._unlearned_s = 0.0
        self._noise = 1.0
        self._warm = False
        self._recent = np.zeros((0, 0), np.uint8)
        self._thin = np.zeros((0, 0), np.int16)
        self.fast = np.zeros((0, 0), np.float32)
        self.slow = np.zeros((0, 0), np.float32)
        self._fast8 = np.zeros((0, 0), np.uint8)
        self._slow8 = np.zeros((0, 0), np.uint8)

    @property
    def foreground(self) -> UInt8:
        """The fast average, (h, w), grey."""
        return self._fast8

    @property
    def background(self) -> UInt8:
        """The slow average, (h, w), grey."""
        return self._slow8

    def small(self, luma: UInt8) -> UInt8:
        """The gate's picture of a luma plane (H, W): halved and slightly blurred. Not masked: it never leaves."""
        small = luma
        while small.shape[1] > GATE_WIDTH:
            height, width = small.shape[0] // 2, small.shape[1] // 2
            even = small[: height * 2, : width * 2]
            small = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        return np.asarray(cv2.blur(small, (3, 3)), np.uint8)

    def differs(self, small: UInt8) -> bool:
        """Whether something moved in this picture, without learning from it."""
        if not self._warm or small.shape != self.fast.shape:
            return True
        light = self._light(small)
        moved = self._moved(_shifted(small, -light))
        return abs(light) >= LEAP or self._flooded(_blocks(moved)) or bool(_regions(moved, 1.0))

    def look(self, small: UInt8, captured_at: float, scale: float = 1.0, keep: UInt8 | None = None) -> Motion:
        """What moved in this picture; then learns from it.

        Args:
            small: what ``small`` made of the luma plane.
            captured_at: seconds; must rise.
            scale: the frame's width over the small picture's.
            keep: (h, w) 255 where the slow average may learn; None: everywhere.
        """
        if self._at is None or small.shape != self.fast.shape:
            self._learn(small, captured_at)
            return Motion((), active=True, warm=False, relearned=True)
        light = self._light(small)
        self._follow_light(light)
        moved = self._moved(small)
        flooded = abs(light) >= LEAP or self._flooded(_blocks(moved))
        if flooded:
            self._relearn(small)
        else:
            self._average(small, captured_at - self._at, keep)
        self._at = captured_at
        warm = self._warm = self._looks >= 3 and captured_at - self._begun >= WARM_S
        boxes = _regions(moved, scale) if warm and not flooded else ()
        return Motion(boxes, active=flooded or not warm or bool(boxes), warm=warm, relearned=flooded)

    def _learn(self, small: UInt8, captured_at: float) -> None:
        self._relearn(small)
        self._at = self._begun = captured_at
        self._warm = False

    def _relearn(self, small: UInt8) -> None:
        self._looks, self._slow_looks, self._unlearned_s = 1, 2, 0.0
        self.fast, self.slow = small.astype(np.float32), small.astype(np.float32)
        self._fast8, self._slow8 = small.copy(), small.copy()
        self._thin = _thin(small)

    def _light(self, small: UInt8) -> float:
        """How much lighter the picture has become: the median difference, which nothing smaller than half moves."""
        lighter = (_thin(small) - self._thin).ravel()
        lighter.partition(lighter.size // 2)
        return float(lighter[lighter.size // 2])

    def _follow_light(self, shift: float) -> None:
        if abs(shift) >= 1.0:
            self.fast += np.float32(shift)
            self.slow += np.float32(shift)
            self._round()

    def _moved(self, small: UInt8) -> UInt8:
        """(h, w) 255 where the picture differs from both averages."""
        self._recent = np.asarray(cv2.absdiff(small, self._fast8), np.uint8)
        both = cv2.min(self._recent, cv2.absdiff(small, self._slow8))
        threshold = max(LEAST, NOISE * self._noise)
        moved = np.asarray(cv2.threshold(both, threshold, 255, cv2.THRESH_BINARY)[1], np.uint8)
        self._masks.apply(moved)
        return moved

    def _average(self, small: UInt8, elapsed_s: float, keep: UInt8 | None) -> None:
        self._looks += 1
        quiet = cv2.mean(cv2.threshold(self._recent, _LOUD, 0, cv2.THRESH_TRUNC)[1])[0]
        self._noise += (quiet - self._noise) * 0.05
        first = 1.0 / self._looks  # a plain mean at first: the first picture must not weigh for a minute
        cv2.accumulateWeighted(small, self.fast, max(1.0 - math.exp(-elapsed_s / FAST_S), first))
        cv2.convertScaleAbs(self.fast, dst=self._fast8)
        self._thin = _thin(self._fast8)
        self._unlearned_s += elapsed_s
        if self._unlearned_s >= _SLOW_EVERY_S or self._looks <= _EAGER:
            weight = max(1.0 - math.exp(-self._unlearned_s / SLOW_S), 1.0 / self._slow_looks)
            cv2.accumulateWeighted(small, self.slow, weight, keep)
            cv2.convertScaleAbs(self.slow, dst=self._slow8)
            self._slow_looks += 1
            self._unlearned_s = 0.0

    def _round(self) -> None:
        cv2.convertScaleAbs(self.fast, dst=self._fast8)
        cv2.convertScaleAbs(self.slow, dst=self._slow8)
        self._thin = _thin(self._fast8)

    @staticmethod
    def _flooded(blocks: UInt8) -> bool:
        return cv2.countNonZero(blocks) > FLOOD * blocks.size


def _thin(small: UInt8) -> NDArray[np.int16]:
    """One pixel in 64, enough for a median."""
    size = (small.shape[1] // 8, small.shape[0] // 8)
    return cv2.resize(small, size, interpolation=cv2.INTER_NEAREST).astype(np.int16)


def _shifted(small: UInt8, by: float) -> UInt8:
    return np.asarray(cv2.convertScaleAbs(small, beta=by), np.uint8) if abs(by) >= 1.0 else small


def _blocks(moved: UInt8) -> UInt8:
    """(h // 4, w // 4) 255 where enough of a block of 4x4 pixels is set."""
    height, width = moved.shape[0] // _BLOCK, moved.shape[1] // _BLOCK
    half = cv2.resize(moved[: height * 4, : width * 4], (width * 2, height * 2), interpolation=cv2.INTER_AREA)
    quarter = cv2.resize(half, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.threshold(quarter, _FILLED - 1, 255, cv2.THRESH_BINARY)[1], np.uint8)


_NEIGHBOURS = np.ones((3, 3), np.uint8)


def _regions(moved: UInt8, scale: float) -> tuple[Box, ...]:
    """The boxes, times ``scale``, of what hangs together in a picture of what moved."""
    blocks = _blocks(moved)
    if not cv2.countNonZero(blocks):
        return ()
    joined = cv2.dilate(blocks, _NEIGHBOURS)
    outlines = cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    boxes = sorted(map(cv2.boundingRect, outlines), key=lambda box: -box[2] * box[3])
    found = []
    for left, top, across, down in boxes[:_MOST_REGIONS]:
        x, y = left * _BLOCK, top * _BLOCK
        part = moved[y : (top + down) * _BLOCK, x : (left + across) * _BLOCK]
        if cv2.countNonZero(part) < _LEAST_PIXELS:
            continue
        inner_x, inner_y, width, height = cv2.boundingRect(part)
        corners = (x + inner_x, y + inner_y, x + inner_x + width, y + inner_y + height)
        found.append((corners[0] * scale, corners[1] * scale, corners[2] * scale, corners[3] * scale))
    return tuple(found)
