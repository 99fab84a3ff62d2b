"""What appeared and stays: a bag set down, a car parked, a sack gone from the heap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lanewatch.records import Box, Float32, StillRegion, UInt8
from streams.video.privacy_masks import Polygon, PrivacyMasks

EVERY_S = 1.0
STAYS_S = 3.0
DIFFERS, OF_LIGHT, LEAST = 20.0, 0.16, 8.0
RESTS = 12
"""Grey levels: the fast average differs from the slow one by more than ``DIFFERS``, or in the dark
by more than ``OF_LIGHT`` of the mean, but by no less than ``LEAST``, which is noise; the picture from the fast one by
less than ``RESTS``, for ``STAYS_S``. On ABODA's bag these find it and nothing else."""

LARGEST = 0.1
"""Of the picture: beyond it is the light. What size means at a place, the watcher knows, not the sampler."""

_AROUND = 4  # pixels of the gate's picture: a bag's surroundings, not another one's
_FIT = 3  # times a line is fitted to the light, each time without what lies far off it
_FAR = 2.5  # medians of the distances
_NEAR = 3.0  # grey levels: never far off
_PLAIN = 5.0  # grey levels: less does not stand out
_SAME = 0.5  # intersection over union with which a region is the one seen before
_SPOT = np.ones((3, 3), np.uint8)
_LEAST_PIXELS = 24
_MOST = 16
_MISSED_S = 2.0  # somebody may pass in front of it


_Corners = tuple[int, int, int, int]


@dataclass
class _Candidate:
    box: _Corners
    since: float
    seen_at: float
    added: float


class _BackgroundModel:
    """What a place looks like most of the time: a running median, one grey level a look.

    The slow average of a busy path is smeared by those who walk there, and bare ground then differs from it: on
    pets09-s2l1 nearly all still regions were that. A median is not moved by what is there less than half of the time.
    """

    def __init__(self) -> None:
        self.picture = np.zeros((0, 0), np.uint8)

    def look(self, small: UInt8, slow: UInt8, keep: UInt8 | None) -> UInt8:
        """Learns from a picture where ``keep`` is set; the slow average is the first guess."""
        if self.picture.shape != small.shape:
            self.picture = slow.copy()
        lighter, darker = small > self.picture, small < self.picture
        if keep is not None:
            lighter &= keep > 0
            darker &= keep > 0
        self.picture = self.picture + lighter - darker
        return self.picture


class StationaryRegionDetector:
    """Follows one camera's still regions over the gate's pictures, at most every ``EVERY_S``.

    ``keep`` is where the slow average may go on learning, (h, w) 255: under a region it is frozen, or the bag would be
    background within a minute.
    """

    def __init__(self, polygons: Sequence[Polygon] = ()) -> None:
        self._masks = PrivacyMasks(polygons, margin=3)
        self.keep: UInt8 | None = None
        self._candidates: list[_Candidate] = []
        self._next = 0.0
        self._usual = _BackgroundModel()

    def look(self, small: UInt8, fast: UInt8, slow: UInt8, captured_at: float, scale: float) -> tuple[StillRegion, ...]:
        """The regions that have stayed long enough, boxes times ``scale``."""
        if captured_at >= self._next or captured_at < self._next - 2 * EVERY_S:
            self._next = captured_at + EVERY_S
            usual = self._usual.look(small, slow, self.keep)
            self._match(_found(small, fast, slow, usual, self._masks), captured_at)
            self._freeze(small.shape)
        return tuple(
            StillRegion(_scaled(candidate.box, scale), candidate.since, candidate.added)
            for candidate in self._candidates
            if candidate.seen_at - candidate.since >= STAYS_S
        )

    def reset(self) -> None:
        """Forgets all: the background was learned anew."""
        self._candidates, self.keep, self._next = [], None, 0.0
        self._usual = _BackgroundModel()

    def _match(self, found: list[tuple[_Corners, float]], captured_at: float) -> None:
        unmatched = found
        for candidate in self._candidates:
            same = [one for one in unmatched if _overlap(one[0], candidate.box) >= _SAME]
            if same:
                candidate.box, candidate.added = same[0]
                candidate.seen_at = captured_at
                unmatched = [one for one in unmatched if one is not same[0]]
        kept = [candidate for candidate in self._candidates if captured_at - candidate.seen_at <= _MISSED_S]
        new = [_Candidate(box, captured_at, captured_at, added) for box, added in unmatched]
        self._candidates = (kept + new)[:_MOST]

    def _freeze(self, shape: tuple[int, ...]) -> None:
        if not self._candidates:
            self.keep = None
            return
        keep = np.full(shape, 255, np.uint8)
        for candidate in self._candidates:
            left, top, right, bottom = candidate.box
            keep[top:bottom, left:right] = 0
        self.keep = keep


def _found(small: UInt8, fast: UInt8, slow: UInt8, usual: UInt8, masks: PrivacyMasks) -> list[tuple[_Corners, float]]:
    """The boxes of what differs and rests, each with what its surroundings say of whether it came or went."""
    slow, usual = _relit(slow, fast), _relit(usual, fast)
    differs = cv2.min(cv2.absdiff(fast, slow), cv2.absdiff(fast, usual))
    least = min(DIFFERS, max(LEAST, OF_LIGHT * cv2.mean(fast)[0]))
    apart = np.asarray(cv2.threshold(differs, least, 255, cv2.THRESH_BINARY)[1], np.uint8)
    if not cv2.countNonZero(apart):
        return []
    rests = cv2.threshold(cv2.absdiff(small, fast), RESTS - 1, 255, cv2.THRESH_BINARY_INV)[1]
    both = np.asarray(cv2.morphologyEx(cv2.bitwise_and(apart, rests), cv2.MORPH_OPEN, _SPOT), np.uint8)
    masks.apply(both)
    found: list[tuple[_Corners, float]] = []
    for outline in cv2.findContours(both, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
        left, top, width, height = cv2.boundingRect(outline)
        if cv2.contourArea(outline) >= _LEAST_PIXELS and width * height <= LARGEST * small.size:
            box = (left, top, left + width, top + height)
            found.append((box, _added(box, both, apart, (fast, usual))))
    return found


def _relit(past: UInt8, now: UInt8) -> UInt8:
    """A picture of the past in the light of now: clouds, dusk and exposure stretch grey levels, and lift them."""
    before, after = _thin(past), _thin(now)
    gain, lift = 1.0, float(np.median(after - before))
    for _ in range(_FIT):
        off = np.abs(after - gain * before - lift)
        near = off <= max(_FAR * float(np.median(off)), _NEAR)
        spread = float(before[near].std())
        if spread < _NEAR:  # as good as one grey level: nothing says what is stretched
            return past
        gain = float(np.mean((before[near] - before[near].mean()) * (after[near] - after[near].mean()))) / spread**2
        lift = float(after[near].mean()) - gain * float(before[near].mean())
    return np.asarray(cv2.convertScaleAbs(past, alpha=gain, beta=lift), np.uint8) if gain > 0 else past


def _thin(small: UInt8) -> Float32:
    """One pixel in 64."""
    return small[4::8, 4::8].astype(np.float32)


def _added(box: _Corners, both: UInt8, apart: UInt8, pictures: tuple[UInt8, UInt8]) -> float:
    """Whether it stands out from what is around it in the picture (up to 1) or did so before (down to -1)."""
    left, top, right, bottom = max(box[0] - _AROUND, 0), max(box[1] - _AROUND, 0), box[2] + _AROUND, box[3] + _AROUND
    inside = both[top:bottom, left:right]
    around = np.asarray(cv2.bitwise_not(cv2.dilate(apart[top:bottom, left:right], _SPOT)), np.uint8)
    if not cv2.countNonZero(around):
        return 0.0
    now, before = (_stands_out(picture[top:bottom, left:right], inside, around) for picture in pictures)
    return (now - before) / (now + before + _PLAIN)


def _stands_out(part: UInt8, inside: UInt8, around: UInt8) -> float:
    return abs(cv2.mean(part, inside)[0] - cv2.mean(part, around)[0])


def _overlap(a: _Corners, b: _Corners) -> float:
    across = min(a[2], b[2]) - max(a[0], b[0])
    down = min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def _scaled(box: _Corners, scale: float) -> Box:
    return (box[0] * scale, box[1] * scale, box[2] * scale, box[3] * scale)
