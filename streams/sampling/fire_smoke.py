"""Finds fire and smoke by colour, flicker and growth: a heuristic until a trained network is plugged in.

Fire is bright and orange, and its edges flicker (colours after Celik and Demirel, "Fire detection in video sequences
using a generic color model", Fire Safety Journal 44, 2009). Smoke is grey, hides the outlines behind it and never
rests. Both are searched only during motion, in a picture 160 wide.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

import cv2
import numpy as np
from av.video.frame import VideoFrame

from lanewatch.records import Bool, Flame, Float32, UInt8
from streams.sampling.image_quality import chroma_planes
from streams.video.privacy_masks import Polygon, PrivacyMasks

WIDTH: Final = 160
FIRE_EVERY_S, SMOKE_EVERY_S = 0.15, 1.0  # flames flicker several times a second; smoke takes seconds to spread
ORANGE: Final = 55
"""Excess of Cr over Cb: sodium lamps, fire, orange jackets, evening sky. White lamps, skin and wood hardly have it."""
RED: Final = 180  # value of R: fire emits light and is among the brightest parts of a picture
CORE: Final = (225, 150)  # R and luma of a fire's core, which saturates a camera's red
CORE_SHARE: Final = 0.1  # smallest share of the core in a fire
BRIGHT: Final = 90  # luma: a red light at night, or a red car, is darker
FLICKER_S: Final = 1.5
FLICKERS: Final = 0.25  # share of the pictures in which a pixel changes: in a fire always, at a passing object twice
FLICKER_STEP: Final = 12  # grey levels by which a flickering pixel changes: less is noise at the edge of a colour
FLICKERING: Final = (0.15, 0.85)  # share of a region's pixels: less at a jacket's edge, more in a blinker

HIDDEN: Final = 0.6  # largest share of the earlier outlines that is visible behind smoke
SMOKE_DIFFERENCE: Final = 10.0  # grey levels by which smoke changes what is behind it
RESTLESS: Final = 2.0  # grey levels from the last second's mean; a grey van that stopped hides outlines, but rests
GREY: Final = 14.0  # distance from grey, of both chroma values together
FIRST_S: Final = 1.0  # Time in which a candidate's first area is measured. It is not reported before.
MAX_MISSING_S: Final = 2.0

_MIN_AREA = {"fire": 10, "smoke": 5}  # pixels of the small picture, blocks
_MAX_REGIONS = 8
_MIN_ORANGE = 0.01  # average over time: less is none
_BLOCK = 8
_KERNEL = np.ones((3, 3), np.uint8)

Kind = Literal["fire", "smoke"]


class Region(NamedTuple):
    """A connected region in pixels of the small picture; ``flicker`` is the share of its pixels that flicker."""

    left: int
    top: int
    right: int
    bottom: int
    area: int
    flicker: float

    def scaled(self, factor: int) -> Region:
        """The same region in a picture ``factor`` times as large."""
        left, top, right, bottom, area, flicker = self
        return Region(left * factor, top * factor, right * factor, bottom * factor, area * factor**2, flicker)

    def intersects(self, other: Region) -> bool:
        """Whether the boxes share pixels."""
        across = min(self.right, other.right) > max(self.left, other.left)
        return across and min(self.bottom, other.bottom) > max(self.top, other.top)


@dataclass
class _Candidate:
    kind: Kind
    region: Region
    since: float
    seen_at: float
    first_area: float  # mean in its first second

    def flame(self, scale: float) -> Flame:
        left, top, right, bottom, area, flicker = self.region
        box = (left * scale, top * scale, right * scale, bottom * scale)
        growth, share = area / max(self.first_area, 1.0), area / ((right - left) * (bottom - top))
        return Flame(box, self.kind, self.since, round(flicker, 3), round(growth, 3), round(share, 3))


class FireSmokeDetector:
    """Follows possible fire and smoke in one camera's pictures. Not thread-safe."""

    def __init__(self, polygons: Sequence[Polygon] = ()) -> None:
        self._masks = PrivacyMasks(polygons, margin=1)
        self._fire_at = self._smoke_at = -math.inf
        self._orange = self._grey = np.zeros((0, 0), np.uint8)
        self._orange_average: Float32 = np.zeros((0, 0), np.float32)
        self._flicker_average: Float32 = np.zeros((0, 0), np.float32)
        self._recently_orange = False
        self._candidates: list[_Candidate] = []

    def update(
        self,
        picture: VideoFrame,
        small: UInt8,
        averages: tuple[UInt8, UInt8],
        moved: bool,
        captured_at: float,
        scale: float,
    ) -> tuple[Flame, ...]:
        """Possible flames and smoke that have been visible for a second. Without motion there is no search.

        ``small`` is the motion gate's picture, (h, w) grey, and ``averages`` are the gate's fast and slow one.
        ``scale`` is the frame's width over that of ``small``.
        """
        if captured_at < self._fire_at:  # the clock was set back
            self._candidates, self._fire_at, self._smoke_at = [], -math.inf, -math.inf
        if (moved or self._candidates) and captured_at - self._fire_at >= FIRE_EVERY_S:
            chroma = chroma_planes(picture)
            if chroma is not None:
                self._search(small, chroma, averages, captured_at)
        return tuple(
            candidate.flame(small.shape[1] / WIDTH * scale)
            for candidate in self._candidates
            if candidate.seen_at - candidate.since >= FIRST_S and captured_at - candidate.seen_at <= MAX_MISSING_S
        )

    def _search(
        self, small: UInt8, chroma: tuple[UInt8, UInt8], averages: tuple[UInt8, UInt8], captured_at: float
    ) -> None:
        size = (WIDTH, max(round(WIDTH * small.shape[0] / small.shape[1]), _BLOCK))
        blue, red = (_reduced(plane, size) for plane in chroma)
        grey = _reduced(small, size)
        found: list[tuple[Kind, Region]] = [("fire", region) for region in self._fire(grey, blue, red, captured_at)]
        if averages[1].shape == small.shape and captured_at - self._smoke_at >= SMOKE_EVERY_S:
            self._smoke_at = captured_at
            fast, slow = (_reduced(average, size) for average in averages)
            found += [("smoke", region) for region in _smoke(grey, blue, red, fast, slow)]
        self._match(found, captured_at)
        self._fire_at = captured_at

    def _fire(self, grey: UInt8, blue: UInt8, red: UInt8, captured_at: float) -> list[Region]:
        """Orange, bright regions with a core, a part of which flickers."""
        orange, core = _orange(grey, blue, red)
        self._masks.apply(orange)
        has_orange = bool(cv2.countNonZero(orange))
        if not has_orange and not self._recently_orange and self._orange.shape == orange.shape:
            self._grey = grey
            return []
        self._recently_orange = has_orange or float(self._orange_average.max(initial=0.0)) > _MIN_ORANGE
        self._average(orange, grey, captured_at - self._fire_at)
        if not has_orange or not cv2.countNonZero(core):  # a region without a core is no fire
            return []
        present = (self._orange_average > FLICKERS).astype(np.uint8)
        flickers = (self._flicker_average > FLICKERS) & (present > 0)
        low, high = FLICKERING
        return [
            region
            for region in _regions(present, flickers, _MIN_AREA["fire"])
            if low <= region.flicker <= high
            and np.count_nonzero(core[region.top : region.bottom, region.left : region.right])
            >= CORE_SHARE * region.area
        ]

    def _average(self, orange: UInt8, grey: UInt8, elapsed_s: float) -> None:
        """Updates the averages over time of what is orange and of what flickers."""
        is_orange = orange.astype(np.float32) / np.float32(255)
        if self._orange.shape != orange.shape or elapsed_s > MAX_MISSING_S:
            self._orange_average = is_orange
            self._flicker_average = np.zeros(orange.shape, np.float32)
        else:
            weight = 1.0 - math.exp(-elapsed_s / FLICKER_S)
            cv2.accumulateWeighted(is_orange, self._orange_average, weight)
            changed = (orange != self._orange) & (cv2.absdiff(grey, self._grey) >= FLICKER_STEP)
            cv2.accumulateWeighted(changed.astype(np.float32), self._flicker_average, weight)
        self._orange, self._grey = orange, grey

    def _match(self, found: list[tuple[Kind, Region]], captured_at: float) -> None:
        """Assigns each region to a candidate of its kind that it intersects, or makes a new one."""
        for kind, region in found:
            known = next((c for c in self._candidates if c.kind == kind and c.region.intersects(region)), None)
            if known is None:
                self._candidates.append(_Candidate(kind, region, captured_at, captured_at, region.area))
                continue
            if captured_at - known.since < FIRST_S:
                known.first_area = (known.first_area + region.area) / 2
            known.region, known.seen_at = region, captured_at
        current = [candidate for candidate in self._candidates if captured_at - candidate.seen_at <= MAX_MISSING_S]
        self._candidates = current[:_MAX_REGIONS]


def _smoke(grey: UInt8, blue: UInt8, red: UInt8, fast: UInt8, slow: UInt8) -> list[Region]:
    """Grey blocks that hide the outlines of the slow average and do not rest."""
    restless = _blocks(np.asarray(cv2.absdiff(grey, fast), np.float32)) > RESTLESS
    differs = _blocks(np.asarray(cv2.absdiff(grey, slow), np.float32)) > SMOKE_DIFFERENCE
    if not (restless & differs).any():
        return []
    outlines_before, outlines = _outlines(slow), _outlines(grey)
    tint = _blocks(np.abs(blue.astype(np.float32) - 128) + np.abs(red.astype(np.float32) - 128))
    hides = (outlines_before > 4.0) & (outlines < HIDDEN * outlines_before)
    smoky = hides & differs & restless & (tint < GREY)
    return [region.scaled(_BLOCK) for region in _regions(smoky.astype(np.uint8), restless, _MIN_AREA["smoke"])]


def _reduced(plane: UInt8, size: tuple[int, int]) -> UInt8:
    step = max(plane.shape[1] // (2 * size[0]), 1)  # single pixels suffice: a mean over four of them follows
    return np.asarray(cv2.resize(plane[::step, ::step], size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _orange(grey: UInt8, blue: UInt8, red: UInt8) -> tuple[UInt8, UInt8]:
    """Two masks (h, w): pixels with the colour and brightness of fire, and those as bright as its core."""
    orange = _at_least(np.asarray(cv2.subtract(red, blue), np.uint8), ORANGE)
    if not cv2.countNonZero(orange):
        return np.zeros(grey.shape, np.uint8), np.zeros(grey.shape, np.uint8)
    red_value = np.asarray(cv2.addWeighted(grey, 1.0, red, 1.402, -1.402 * 128), np.uint8)
    bright = cv2.bitwise_and(_at_least(grey, BRIGHT), np.asarray(cv2.compare(grey, blue, cv2.CMP_GE), np.uint8))
    fire = cv2.bitwise_and(cv2.bitwise_and(orange, bright), _at_least(red_value, RED))
    core = cv2.bitwise_and(_at_least(red_value, CORE[0]), _at_least(grey, CORE[1]))
    return np.asarray(fire, np.uint8), np.asarray(cv2.bitwise_and(fire, core), np.uint8)


def _at_least(values: UInt8, limit: int) -> UInt8:
    """255 where a value reaches the limit."""
    return np.asarray(cv2.threshold(values, limit - 1, 255, cv2.THRESH_BINARY)[1], np.uint8)


def _blocks(values: Float32) -> Float32:
    """(h // 8, w // 8) means."""
    height, width = values.shape[0] // _BLOCK, values.shape[1] // _BLOCK
    whole = values[: height * _BLOCK, : width * _BLOCK]
    return np.asarray(cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _outlines(grey: UInt8) -> Float32:
    """The strength of the outlines in each block, grey levels per pixel."""
    return _blocks(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).astype(np.float32))


def _regions(present: UInt8, flickers: Bool, min_area: int) -> list[Region]:
    """Connected regions, the largest first."""
    joined = cv2.dilate(present, _KERNEL)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    regions = []
    for label in range(1, count):
        left, top, width, height, size = (int(value) for value in stats[label])
        if size < min_area:
            continue
        part = (slice(top, top + height), slice(left, left + width))
        inside = (labels[part] == label) & (present[part] > 0)
        area = int(np.count_nonzero(inside))
        if area >= min_area:
            flicker = float(np.count_nonzero(inside & flickers[part])) / area
            regions.append(Region(left, top, left + width, top + height, area, flicker))
    return sorted(regions, key=lambda region: -region.area)[:_MAX_REGIONS]
