"""Fire and smoke by colour, flicker and growth: a rule of thumb until a network that was taught them is plugged in.

Fire is bright and orange, and its edges come and go from look to look (the colours after Celik and Demirel, "Fire
detection in video sequences using a generic color model", Fire Safety Journal 44, 2009). Smoke is grey, hides the
outlines of what is behind it and never rests. Both are looked for only while something moves, in a picture 160 wide.
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
from streams.sampling.image_quality import colours
from streams.video.privacy_masks import Polygon, PrivacyMasks

WIDTH: Final = 160
FIRE_EVERY_S, SMOKE_EVERY_S = 0.15, 1.0
"""Flames flicker several times a second; smoke takes seconds to spread."""

ORANGE: Final = 55
"""By which Cr exceeds Cb: sodium lamps, fire, orange jackets and the evening sky do; white lamps do not, and skin, wood
and tape in the sun hardly."""
RED: Final = 180.0
"""Of R: fire gives light, and is among the brightest there is in a picture."""
CORE: Final = (225.0, 150)
"""R and luma of a fire's core, in which a camera's red is at its end; ``CORE_SHARE`` of a fire are its core."""
CORE_SHARE: Final = 0.1
BRIGHT: Final = 90
"""Of luma: a red light at night, or a red car, is darker."""

FLICKER_S: Final = 1.5
FLICKERS: Final = 0.25
"""Share of the looks at which a pixel came or went: what drives past changes it twice, fire goes on and on."""
LEAPS: Final = 12
"""Grey levels by which a pixel that comes or goes changes: less is noise at the edge of a colour."""
FLICKERING: Final = (0.15, 0.85)
"""Of a region's pixels, how many flicker: a jacket's edge is less; what comes and goes as one is a blinker."""

HIDDEN: Final = 0.6
"""Of the outlines that were there, what may be left behind smoke."""
DIFFERS: Final = 10.0
"""Grey levels by which smoke lightens or darkens what is behind it."""
RESTLESS: Final = 2.0
"""Grey levels from the last second's mean: a grey van that has come to rest hides outlines too, and rests."""
GREY: Final = 14.0
"""Distance from grey of both colours together."""

FIRST_S: Final = 1.0
"""In which the area is measured from which it grows; nothing is told before."""
MISSED_S: Final = 2.0

_LEAST = {"fire": 10, "smoke": 5}  # pixels of the small picture, blocks
_MOST = 8
_FORGOTTEN = 0.01  # of what was orange: less is none
_BLOCK = 8
_SPREAD = np.ones((3, 3), np.uint8)

Kind = Literal["fire", "smoke"]


class Region(NamedTuple):
    """What hangs together, in pixels of the small picture, and the share of it that flickers."""

    left: int
    top: int
    right: int
    bottom: int
    area: int
    flicker: float

    @property
    def part(self) -> tuple[slice, slice]:
        """Rows and columns of its box."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def times(self, scale: int) -> Region:
        """The same in a picture so many times as large."""
        left, top, right, bottom, area, flicker = self
        return Region(left * scale, top * scale, right * scale, bottom * scale, area * scale**2, flicker)


@dataclass
class _Candidate:
    kind: Kind
    region: Region
    since: float
    seen_at: float
    first: float  # its mean area in its first second


class FireSmokeDetector:
    """Follows what may burn in one camera's pictures. Not thread-safe."""

    def __init__(self, polygons: Sequence[Polygon] = ()) -> None:
        self._masks = PrivacyMasks(polygons, margin=1)
        self._at = self._smoke_at = -math.inf
        self._orange = self._grey = np.zeros((0, 0), np.uint8)
        self._often: Float32 = np.zeros((0, 0), np.float32)
        self._flicker: Float32 = np.zeros((0, 0), np.float32)
        self._burnt = False
        self._candidates: list[_Candidate] = []

    def look(
        self,
        picture: VideoFrame,
        small: UInt8,
        averages: tuple[UInt8, UInt8],
        moved: bool,
        captured_at: float,
        scale: float,
    ) -> tuple[Flame, ...]:
        """What may burn, once it has done so for a second.

        Args:
            picture: as it was decoded.
            small: the gate's picture of it, (h, w) grey.
            averages: the gate's fast and slow ones.
            moved: whether anything did; while nothing does, nothing is looked for.
            captured_at: capture time, seconds.
            scale: the frame's width over the small picture's.
        """
        if captured_at < self._at:  # the clock was set back
            self._candidates, self._at, self._smoke_at = [], -math.inf, -math.inf
        if (moved or self._candidates) and captured_at - self._at >= FIRE_EVERY_S:
            planes = colours(picture)
            if planes is not None:
                self._see(small, planes, averages, captured_at)
        per_pixel = small.shape[1] / WIDTH * scale
        return tuple(
            _flame(one, per_pixel)
            for one in self._candidates
            if one.seen_at - one.since >= FIRST_S and captured_at - one.seen_at <= MISSED_S
        )

    def _see(
        self, small: UInt8, planes: tuple[UInt8, UInt8], averages: tuple[UInt8, UInt8], captured_at: float
    ) -> None:
        size = (WIDTH, max(round(WIDTH * small.shape[0] / small.shape[1]), _BLOCK))
        blue, red = (_reduced(plane, size) for plane in planes)
        grey = _reduced(small, size)
        found: list[tuple[Kind, Region]] = [("fire", one) for one in self._fire(grey, blue, red, captured_at)]
        passed_s = captured_at - self._smoke_at
        smoke = averages[1].shape == small.shape and passed_s >= SMOKE_EVERY_S
        if smoke:
            self._smoke_at = captured_at
            fast, slow = (_reduced(one, size) for one in averages)
            found += [("smoke", one) for one in self._smoke(grey, blue, red, fast, slow)]
        self._match(found, captured_at)
        self._at = captured_at

    def _fire(self, grey: UInt8, blue: UInt8, red: UInt8, captured_at: float) -> list[Region]:
        """What is orange and bright, and of which a part flickers."""
        orange, core = _orange(grey, blue, red)
        self._masks.apply(orange)
        passed_s = captured_at - self._at
        burning = bool(cv2.countNonZero(orange))
        if not burning and not self._burnt and self._orange.shape == orange.shape:
            self._grey = grey
            return []
        self._burnt = burning or float(self._often.max(initial=0.0)) > _FORGOTTEN
        if self._orange.shape != orange.shape or passed_s > MISSED_S:
            self._often = _ones(orange)
            self._flicker = np.zeros(orange.shape, np.float32)
        else:
            weight = 1.0 - math.exp(-passed_s / FLICKER_S)
            cv2.accumulateWeighted(_ones(orange), self._often, weight)
            changed = (orange != self._orange) & (cv2.absdiff(grey, self._grey) >= LEAPS)
            cv2.accumulateWeighted(changed.astype(np.float32), self._flicker, weight)
        self._orange, self._grey = orange, grey
        if not burning:
            return []
        there = (self._often > FLICKERS).astype(np.uint8)
        flickers = (self._flicker > FLICKERS) & (there > 0)
        low, high = FLICKERING
        found = [one for one in _regions(there, flickers, _LEAST["fire"]) if low <= one.flicker <= high]
        return [one for one in found if np.count_nonzero(core[one.part]) >= CORE_SHARE * one.area]

    def _smoke(self, grey: UInt8, blue: UInt8, red: UInt8, fast: UInt8, slow: UInt8) -> list[Region]:
        """Blocks that are grey, hide the outlines of the slow average and do not rest."""
        was, now = _detail(slow), _detail(grey)
        differs = _blocks(np.asarray(cv2.absdiff(grey, slow), np.float32))
        restless = _blocks(np.asarray(cv2.absdiff(grey, fast), np.float32))
        distance = _blocks(np.abs(blue.astype(np.float32) - 128) + np.abs(red.astype(np.float32) - 128))
        hides = (was > 4.0) & (now < HIDDEN * was)
        like = hides & (differs > DIFFERS) & (restless > RESTLESS) & (distance < GREY)
        found = _regions(like.astype(np.uint8), restless > RESTLESS, _LEAST["smoke"])
        return [one.times(_BLOCK) for one in found]

    def _match(self, found: list[tuple[Kind, Region]], captured_at: float) -> None:
        """What is seen where something of its kind was seen is that, grown or shrunk."""
        for kind, region in found:
            known = next((one for one in self._candidates if one.kind == kind and _meet(one.region, region)), None)
            if known is None:
                self._candidates.append(_Candidate(kind, region, captured_at, captured_at, region.area))
                continue
            if captured_at - known.since < FIRST_S:
                known.first = (known.first + region.area) / 2
            known.region, known.seen_at = region, captured_at
        kept = [one for one in self._candidates if captured_at - one.seen_at <= MISSED_S]
        self._candidates = kept[:_MOST]


def _reduced(plane: UInt8, size: tuple[int, int]) -> UInt8:
    step = max(plane.shape[1] // (2 * size[0]), 1)  # single pixels do: a mean over four of them follows
    return np.asarray(cv2.resize(plane[::step, ::step], size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _orange(grey: UInt8, blue: UInt8, red: UInt8) -> tuple[UInt8, UInt8]:
    """(h, w) 255 where a pixel has the colour and the light of fire; and where it is as bright as a fire's core."""
    orange = cv2.subtract(red, blue) >= ORANGE
    if not orange.any():
        return _none(grey), _none(grey)
    light = cv2.addWeighted(grey, 1.0, red, 1.402, -1.402 * 128)
    like = (orange & (grey >= blue) & (grey >= BRIGHT) & (light >= RED)).view(np.uint8) * np.uint8(255)
    core = (light >= CORE[0]) & (grey >= CORE[1])
    return like, cv2.bitwise_and(like, like, mask=core.view(np.uint8)).astype(np.uint8, copy=False)


def _none(like: UInt8) -> UInt8:
    return np.zeros(like.shape, np.uint8)


def _ones(mask: UInt8) -> Float32:
    return mask.astype(np.float32) / np.float32(255)


def _blocks(values: Float32) -> Float32:
    """(h // 8, w // 8) means."""
    height, width = values.shape[0] // _BLOCK, values.shape[1] // _BLOCK
    part = values[: height * _BLOCK, : width * _BLOCK]
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def _detail(grey: UInt8) -> Float32:
    """How much outline there is in each block, grey levels a pixel."""
    return _blocks(np.abs(cv2.Laplacian(grey, cv2.CV_32F)).astype(np.float32))


def _regions(there: UInt8, flickers: Bool, least: int) -> list[Region]:
    """What hangs together, the largest first, with the share of it that flickers."""
    joined = cv2.dilate(there, _SPREAD)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    found = []
    for number in range(1, count):
        left, top, width, height, size = (int(value) for value in stats[number])
        if size < least:
            continue
        part = (slice(top, top + height), slice(left, left + width))
        inside = (labels[part] == number) & (there[part] > 0)
        area = int(np.count_nonzero(inside))
        if area >= least:
            share = float(np.count_nonzero(inside & flickers[part])) / area
            found.append(Region(left, top, left + width, top + height, area, share))
    return sorted(found, key=lambda one: -one.area)[:_MOST]


def _meet(one: Region, other: Region) -> bool:
    across = min(one.right, other.right) - max(one.left, other.left)
    down = min(one.bottom, other.bottom) - max(one.top, other.top)
    return across > 0 and down > 0


def _flame(one: _Candidate, scale: float) -> Flame:
    region = one.region
    box = (region.left * scale, region.top * scale, region.right * scale, region.bottom * scale)
    size = (region.right - region.left) * (region.bottom - region.top)
    growth = region.area / max(one.first, 1.0)
    return Flame(box, one.kind, one.since, round(region.flicker, 3), round(growth, 3), round(region.area / size, 3))
