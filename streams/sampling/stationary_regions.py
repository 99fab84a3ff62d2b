"""Finds regions that appeared and do not move: a bag set down, a parked car, a sack taken from a heap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lanewatch import boxes
from lanewatch.records import Float32, StillRegion, UInt8
from streams.video.privacy_masks import Polygon, PrivacyMasks

EVERY_S = 1.0
MIN_STAY_S = 3.0
MIN_DIFFERENCE, MIN_DIFFERENCE_OF_LIGHT, NOISE = 20.0, 0.16, 8.0
MAX_MOTION = 12
"""Grey levels. The fast average differs from the slow one by more than ``MIN_DIFFERENCE``. In the dark, it is more than
``MIN_DIFFERENCE_OF_LIGHT`` times the mean, but at least ``NOISE``. The picture differs from the fast average by less
than ``MAX_MOTION``, for ``MIN_STAY_S``. On ABODA, these values find the bag and nothing else."""
MAX_AREA = 0.1  # Fraction of the picture. More is a change of the light. Limits for a place are the watcher's matter.
_SURROUNDINGS = 4  # pixels around a region for comparison: enough for a bag, without its neighbours
_FIT_ROUNDS = 3  # of the fit of a line to the light, each without the outliers of the one before
_OUTLIER = 2.5  # medians of the distances
_MIN_OUTLIER = 3.0  # grey levels: a smaller distance is never an outlier
_PLAIN = 5.0  # grey levels: a smaller contrast is none
_SAME_REGION = 0.5  # intersection over union with a known region
_KERNEL = np.ones((3, 3), np.uint8)
_MIN_PIXELS = 24
_MAX_REGIONS = 16
_MAX_MISSING_S = 2.0  # a passer-by may hide a region


_Corners = tuple[int, int, int, int]


@dataclass
class _Candidate:
    box: _Corners
    since: float
    seen_at: float
    added: float


class StationaryRegionDetector:
    """Follows one camera's stationary regions in the motion gate's pictures, at most every ``EVERY_S``.

    ``learning_mask`` (h, w) is 255 where the slow average may learn; None: everywhere. It is 0 in a region, because
    otherwise a bag would become background within a minute.
    """

    def __init__(self, polygons: Sequence[Polygon] = ()) -> None:
        self._masks = PrivacyMasks(polygons, margin=3)
        self.reset()

    def reset(self) -> None:
        """Removes all regions, because the background was learned anew."""
        self.learning_mask: UInt8 | None = None
        self._candidates: list[_Candidate] = []
        self._next_at = 0.0
        self._median = np.zeros((0, 0), np.uint8)

    def update(
        self, small: UInt8, fast: UInt8, slow: UInt8, captured_at: float, scale: float
    ) -> tuple[StillRegion, ...]:
        """The regions that have stayed long enough.

        ``small``, ``fast`` and ``slow`` are the motion gate's picture and averages, (h, w) grey. ``scale`` is the
        frame's width over theirs.
        """
        if captured_at >= self._next_at or captured_at < self._next_at - 2 * EVERY_S:
            self._next_at = captured_at + EVERY_S
            self._update_median(small, slow)
            self._match(_found(small, fast, slow, self._median, self._masks), captured_at)
            self._update_learning_mask(small.shape)
        regions = []
        for candidate in self._candidates:
            if candidate.seen_at - candidate.since >= MIN_STAY_S:
                left, top, right, bottom = candidate.box
                box = (left * scale, top * scale, right * scale, bottom * scale)
                regions.append(StillRegion(box, candidate.since, candidate.added))
        return tuple(regions)

    def _update_median(self, small: UInt8, slow: UInt8) -> None:
        """Learns the usual picture: a running median that changes by one grey level per update.

        Walkers on a busy path smear the slow average, so that the bare ground differs from it. On pets09-s2l1 nearly
        all still regions were such ground. A median ignores content that is present less than half of the time.
        """
        if self._median.shape != small.shape:
            self._median = slow.copy()
        may_learn = True if self.learning_mask is None else self.learning_mask > 0
        self._median = self._median + ((small > self._median) & may_learn) - ((small < self._median) & may_learn)

    def _match(self, found: list[tuple[_Corners, float]], captured_at: float) -> None:
        known = np.array([candidate.box for candidate in self._candidates]).reshape(-1, 4)
        overlaps = boxes.iou_matrix(known, np.array([box for box, _ in found]).reshape(-1, 4))
        matched: set[int] = set()
        for candidate, row in zip(self._candidates, overlaps, strict=True):
            match = next((i for i, share in enumerate(row) if share >= _SAME_REGION and i not in matched), None)
            if match is not None:
                matched.add(match)
                candidate.box, candidate.added = found[match]
                candidate.seen_at = captured_at
        current = [candidate for candidate in self._candidates if captured_at - candidate.seen_at <= _MAX_MISSING_S]
        unmatched = [region for i, region in enumerate(found) if i not in matched]
        new = [_Candidate(box, captured_at, captured_at, added) for box, added in unmatched]
        self._candidates = (current + new)[:_MAX_REGIONS]

    def _update_learning_mask(self, shape: tuple[int, ...]) -> None:
        mask = np.full(shape, 255, np.uint8)
        for candidate in self._candidates:
            left, top, right, bottom = candidate.box
            mask[top:bottom, left:right] = 0
        self.learning_mask = mask if self._candidates else None


def _found(small: UInt8, fast: UInt8, slow: UInt8, median: UInt8, masks: PrivacyMasks) -> list[tuple[_Corners, float]]:
    """The boxes of regions that differ and do not move, each with ``StillRegion.added``."""
    after = _thin(fast)
    slow, median = _relit(slow, after), _relit(median, after)
    difference = cv2.min(cv2.absdiff(fast, slow), cv2.absdiff(fast, median))
    least = min(MIN_DIFFERENCE, max(NOISE, MIN_DIFFERENCE_OF_LIGHT * cv2.mean(fast)[0]))
    differs = np.asarray(cv2.threshold(difference, least, 255, cv2.THRESH_BINARY)[1], np.uint8)
    if not cv2.countNonZero(differs):
        return []
    still = cv2.threshold(cv2.absdiff(small, fast), MAX_MOTION - 1, 255, cv2.THRESH_BINARY_INV)[1]
    stationary = np.asarray(cv2.morphologyEx(cv2.bitwise_and(differs, still), cv2.MORPH_OPEN, _KERNEL), np.uint8)
    masks.apply(stationary)
    found: list[tuple[_Corners, float]] = []
    for outline in cv2.findContours(stationary, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
        left, top, width, height = cv2.boundingRect(outline)
        if cv2.contourArea(outline) >= _MIN_PIXELS and width * height <= MAX_AREA * small.size:
            box = (left, top, left + width, top + height)
            found.append((box, _added(box, stationary, differs, now=fast, before=median)))
    return found


def _relit(past: UInt8, after: Float32) -> UInt8:
    """A past picture in the light of ``after``, which is thinned.

    Clouds, dusk and exposure scale and shift the grey levels.
    """
    before = _thin(past)
    gain, shift = 1.0, _median(after - before)
    for _ in range(_FIT_ROUNDS):
        distance = np.abs(after - np.float32(gain) * before - np.float32(shift))
        inliers = distance <= max(_OUTLIER * _median(distance), _MIN_OUTLIER)
        x, y = before[inliers], after[inliers]
        x_mean, y_mean = float(x.sum()) / x.size, float(y.sum()) / x.size
        x_offsets, y_offsets = x - np.float32(x_mean), y - np.float32(y_mean)
        variance = float(x_offsets @ x_offsets) / x.size
        if variance < _MIN_OUTLIER**2:  # nearly one grey level: the gain cannot be estimated
            return past
        gain = float(x_offsets @ y_offsets) / x.size / variance
        shift = y_mean - gain * x_mean
    return np.asarray(cv2.convertScaleAbs(past, alpha=gain, beta=shift), np.uint8) if gain > 0 else past


def _thin(small: UInt8) -> Float32:
    """One pixel in 64, as a vector."""
    return small[4::8, 4::8].astype(np.float32).ravel()


def _median(values: Float32) -> float:
    """The upper median. ``np.median`` takes four times as long for so few values."""
    middle = values.size // 2
    return float(np.partition(values, middle)[middle])


def _added(box: _Corners, stationary: UInt8, differs: UInt8, *, now: UInt8, before: UInt8) -> float:
    """Whether the region stands out from its surroundings now (up to 1) or did so before (down to -1)."""
    rows = slice(max(box[1] - _SURROUNDINGS, 0), box[3] + _SURROUNDINGS)
    columns = slice(max(box[0] - _SURROUNDINGS, 0), box[2] + _SURROUNDINGS)
    inside = stationary[rows, columns]
    around = np.asarray(cv2.bitwise_not(cv2.dilate(differs[rows, columns], _KERNEL)), np.uint8)
    if not cv2.countNonZero(around):
        return 0.0
    contrast, contrast_before = (
        abs(cv2.mean(picture[rows, columns], inside)[0] - cv2.mean(picture[rows, columns], around)[0])
        for picture in (now, before)
    )
    return (contrast - contrast_before) / (contrast + contrast_before + _PLAIN)
