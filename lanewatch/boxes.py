"""Areas and overlaps of boxes (``xyxy``, in pixels)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lanewatch.records import Box, Float64


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0-1."""
    shared = intersection(a, b)
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def areas(xyxy: NDArray[Any]) -> Float64:
    """(N,) areas of (N, 4) boxes; 0 for boxes whose second corner is above or left of the first."""
    sides: Float64 = np.clip(xyxy[:, 2:].astype(np.float64) - xyxy[:, :2], 0, None)
    return sides[:, 0] * sides[:, 1]


def intersections(xyxy: NDArray[Any], others: NDArray[Any]) -> Float64:
    """(N, M) areas that (N, 4) boxes share with (M, 4) others."""
    begin = np.maximum(xyxy[:, None, :2].astype(np.float64), others[None, :, :2])
    sides: Float64 = np.clip(np.minimum(xyxy[:, None, 2:], others[None, :, 2:]) - begin, 0, None)
    return sides[..., 0] * sides[..., 1]


def intersection_over_smaller(xyxy: NDArray[Any], others: NDArray[Any]) -> Float64:
    """(N, M) shares of the smaller box that lie in the larger; 1 if one contains the other."""
    return _ratio(intersections(xyxy, others), np.minimum(areas(xyxy)[:, None], areas(others)[None]))


def iou_matrix(xyxy: NDArray[Any], others: NDArray[Any]) -> Float64:
    """(N, M) intersections over unions of (N, 4) boxes and (M, 4) others."""
    shared = intersections(xyxy, others)
    return _ratio(shared, areas(xyxy)[:, None] + areas(others)[None] - shared)


def _ratio(shared: Float64, whole: Float64) -> Float64:
    """Shares of ``whole``; 0 where it is 0."""
    return np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)


def intersection(box: Box, other: Box) -> float:
    """The area that two boxes share. Plain floats: for one pair this is faster than arrays."""
    (a, b, c, d), (left, top, right, bottom) = box, other
    if c <= left or right <= a or d <= top or bottom <= b:
        return 0.0
    return (min(c, right) - max(a, left)) * (min(d, bottom) - max(b, top))


def overlap_of_smaller(box: Box, other: Box) -> float:
    """``intersection_over_smaller`` for two boxes: the share of the smaller one that lies in the larger one."""
    shared = intersection(box, other)
    if not shared:
        return 0.0
    return shared / min((box[2] - box[0]) * (box[3] - box[1]), (other[2] - other[0]) * (other[3] - other[1]))


def gap(box: Box, other: Box) -> float:
    """The distance between two boxes in pixels; 0 if they touch."""
    across = max(box[0] - other[2], other[0] - box[2], 0.0)
    down = max(box[1] - other[3], other[1] - box[3], 0.0)
    return float((across**2 + down**2) ** 0.5)


def center_distance(box: Box, other: Box) -> float:
    """The distance between the centers of two boxes in pixels."""
    return math.hypot(box[0] + box[2] - other[0] - other[2], box[1] + box[3] - other[1] - other[3]) / 2


def enclosing(boxes: Iterable[Box]) -> Box:
    """The smallest box around one or more boxes."""
    lefts, tops, rights, bottoms = zip(*boxes, strict=True)
    return min(lefts), min(tops), max(rights), max(bottoms)
