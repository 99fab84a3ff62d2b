"""The motion gate: finds motion in a small grey picture, independent of changes of the light."""

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
"""The picture is halved, in a tenth of a millisecond, until it is at most this wide. A person of 40 px has 10 rows."""
FAST_S, SLOW_S = 1.0, 60.0
"""Time constants of the two running averages. Motion differs from both. The fast one ends the motion of a stopped
object, and of the ghost that it leaves, within three seconds. The slow one prevents a trail behind a walker."""
MIN_DIFFERENCE = 12.0  # grey levels; less is noise, compression or a short change of the light, in any picture
NOISE_FACTOR = 6.0  # the threshold in mean absolute differences: 4.8 standard deviations of a camera's noise
WARM_S = 2.0  # the background is learned after two time constants of the fast average, and three pictures
FLOOD = 0.4
"""A larger change in a frame is the light or the camera, no person or vehicle: the background is learned anew."""
LIGHT_JUMP = 8.0
"""Grey levels by which the whole picture changed in a second: a lamp or the exposure, which also scale grey levels."""

_BLOCK = 4
_MIN_BLOCK_SUM = 255 * 3 // 16  # 3 of a block's 16 pixels have to move: single ones are noise
_MIN_PIXELS = 10  # of a region: half of a person 20 px high and 5 wide
_MAX_REGIONS = 32
_INITIAL_PICTURES = 10  # the slow average learns from each of them
_SLOW_EVERY_S = 1.0  # learning interval of the slow average afterwards
_MAX_NOISE = 16.0  # grey levels: differences are clipped here for the noise estimate, because a bus is not noise
_KERNEL = np.ones((3, 3), np.uint8)


@dataclass(frozen=True)
class Motion:
    """The result for one picture. There are no boxes (pixels of the frame) in a flood, and until it is warm."""

    boxes: tuple[Box, ...]
    active: bool  # motion, or the background is not learned yet: the camera must not use the idle rate
    warm: bool  # the background is learned
    relearned: bool = False  # the background was learned anew from this picture


class MotionGate:
    """One camera's background model and motion detection. Not thread-safe."""

    def __init__(self, polygons: Sequence[Polygon] = ()) -> None:
        # Halving and blurring carry masked content up to three pixels beyond the mask's edge.
        self._masks = PrivacyMasks(polygons, margin=3)
        self._updated_at: float | None = None
        self._started_at = 0.0
        self._pictures = 0
        self._slow_pictures = 2
        self._slow_pending_s = 0.0
        self._noise = 1.0
        self._warm = False
        self._fast_difference = np.zeros((0, 0), np.uint8)
        self._thin_fast = np.zeros((0, 0), np.int16)
        self._fast = np.zeros((0, 0), np.float32)
        self._slow = np.zeros((0, 0), np.float32)
        self.fast_average = np.zeros((0, 0), np.uint8)
        self.slow_average = np.zeros((0, 0), np.uint8)

    def reduce(self, luma: UInt8) -> UInt8:
        """The gate's picture of a luma plane (H, W): halved and slightly blurred. Not masked: it is never published."""
        small = luma
        while small.shape[1] > GATE_WIDTH:
            height, width = small.shape[0] // 2, small.shape[1] // 2
            even = small[: height * 2, : width * 2]
            small = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
        return np.asarray(cv2.blur(small, (3, 3)), np.uint8)

    def has_motion(self, small: UInt8) -> bool:
        """Whether a reduced picture shows motion. The background does not learn from it."""
        if not self._warm or small.shape != self._fast.shape:
            return True
        light = self._light_change(small)
        relit = np.asarray(cv2.convertScaleAbs(small, beta=-light), np.uint8) if abs(light) >= 1.0 else small
        moved = self._moved(relit)
        blocks = _blocks(moved)
        return abs(light) >= LIGHT_JUMP or _is_flooded(blocks) or bool(_regions(moved, blocks, 1.0))

    def update(
        self, small: UInt8, captured_at: float, scale: float = 1.0, learning_mask: UInt8 | None = None
    ) -> Motion:
        """Finds motion in a picture, then learns from it. Capture time must rise.

        ``small`` is the result of ``reduce``, ``scale`` the frame's width over its width. The slow average learns where
        ``learning_mask`` (h, w) is 255; None: everywhere.
        """
        if self._updated_at is None or small.shape != self._fast.shape:
            self._relearn(small)
            self._updated_at = self._started_at = captured_at
            self._warm = False
            return Motion((), active=True, warm=False, relearned=True)
        light = self._light_change(small)
        self._shift_averages(light)
        moved = self._moved(small)
        blocks = _blocks(moved)
        flooded = abs(light) >= LIGHT_JUMP or _is_flooded(blocks)
        if flooded:
            self._relearn(small)
        else:
            self._learn(small, captured_at - self._updated_at, learning_mask)
        self._updated_at = captured_at
        warm = self._warm = self._pictures >= 3 and captured_at - self._started_at >= WARM_S
        boxes = _regions(moved, blocks, scale) if warm and not flooded else ()
        return Motion(boxes, active=flooded or not warm or bool(boxes), warm=warm, relearned=flooded)

    def _relearn(self, small: UInt8) -> None:
        self._pictures, self._slow_pictures, self._slow_pending_s = 1, 2, 0.0
        self._fast, self._slow = small.astype(np.float32), small.astype(np.float32)
        self.fast_average, self.slow_average = small.copy(), small.copy()
        self._thin_fast = _thin(small)

    def _light_change(self, small: UInt8) -> float:
        """The median difference to the fast average. An object smaller than half of the picture does not affect it."""
        difference = (_thin(small) - self._thin_fast).ravel()
        difference.partition(difference.size // 2)
        return float(difference[difference.size // 2])

    def _shift_averages(self, light: float) -> None:
        if abs(light) >= 1.0:
            self._fast += np.float32(light)
            self._slow += np.float32(light)
            cv2.convertScaleAbs(self._fast, dst=self.fast_average)
            cv2.convertScaleAbs(self._slow, dst=self.slow_average)
            self._thin_fast = _thin(self.fast_average)

    def _moved(self, small: UInt8) -> UInt8:
        """(h, w) 255 where the picture differs from both averages."""
        self._fast_difference = np.asarray(cv2.absdiff(small, self.fast_average), np.uint8)
        difference = cv2.min(self._fast_difference, cv2.absdiff(small, self.slow_average))
        threshold = max(MIN_DIFFERENCE, NOISE_FACTOR * self._noise)
        moved = np.asarray(cv2.threshold(difference, threshold, 255, cv2.THRESH_BINARY)[1], np.uint8)
        self._masks.apply(moved)
        return moved

    def _learn(self, small: UInt8, elapsed_s: float, learning_mask: UInt8 | None) -> None:
        self._pictures += 1
        noise = cv2.mean(cv2.threshold(self._fast_difference, _MAX_NOISE, 0, cv2.THRESH_TRUNC)[1])[0]
        self._noise += (noise - self._noise) * 0.05
        # A plain mean at first, so that the first picture does not dominate for a minute.
        weight = max(1.0 - math.exp(-elapsed_s / FAST_S), 1.0 / self._pictures)
        cv2.accumulateWeighted(small, self._fast, weight)
        cv2.convertScaleAbs(self._fast, dst=self.fast_average)
        self._thin_fast = _thin(self.fast_average)
        self._slow_pending_s += elapsed_s
        if self._slow_pending_s >= _SLOW_EVERY_S or self._pictures <= _INITIAL_PICTURES:
            weight = max(1.0 - math.exp(-self._slow_pending_s / SLOW_S), 1.0 / self._slow_pictures)
            cv2.accumulateWeighted(small, self._slow, weight, learning_mask)
            cv2.convertScaleAbs(self._slow, dst=self.slow_average)
            self._slow_pictures += 1
            self._slow_pending_s = 0.0


def _thin(small: UInt8) -> NDArray[np.int16]:
    """One pixel in 64, enough for a median."""
    size = (small.shape[1] // 8, small.shape[0] // 8)
    return cv2.resize(small, size, interpolation=cv2.INTER_NEAREST).astype(np.int16)


def _blocks(moved: UInt8) -> UInt8:
    """(h // 4, w // 4) 255 where enough pixels of a 4x4 block moved."""
    height, width = moved.shape[0] // _BLOCK, moved.shape[1] // _BLOCK
    half = cv2.resize(moved[: height * 4, : width * 4], (width * 2, height * 2), interpolation=cv2.INTER_AREA)
    quarter = cv2.resize(half, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.threshold(quarter, _MIN_BLOCK_SUM - 1, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _is_flooded(blocks: UInt8) -> bool:
    return cv2.countNonZero(blocks) > FLOOD * blocks.size


def _regions(moved: UInt8, blocks: UInt8, scale: float) -> tuple[Box, ...]:
    """The boxes of the connected moving regions, times ``scale``. ``blocks`` are those of ``moved``."""
    if not cv2.countNonZero(blocks):
        return ()
    joined = cv2.dilate(blocks, _KERNEL)
    outlines = cv2.findContours(joined, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    block_boxes = sorted(map(cv2.boundingRect, outlines), key=lambda box: -box[2] * box[3])
    regions = []
    for block_left, block_top, block_width, block_height in block_boxes[:_MAX_REGIONS]:
        left, top = block_left * _BLOCK, block_top * _BLOCK
        part = moved[top : top + block_height * _BLOCK, left : left + block_width * _BLOCK]
        if cv2.countNonZero(part) < _MIN_PIXELS:
            continue
        inner_left, inner_top, width, height = cv2.boundingRect(part)
        left, top = left + inner_left, top + inner_top
        regions.append((left * scale, top * scale, (left + width) * scale, (top + height) * scale))
    return tuple(regions)
