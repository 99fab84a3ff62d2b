"""How much boxes share: intersections, and their share of the union or of the smaller box."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lanewatch.records import Box, Float64


def areas(xyxy: NDArray[Any]) -> Float64:
    """(N,) areas of (N, 4) boxes; 0 for those inside out."""
    sides: Float64 = np.clip(xyxy[:, 2:].astype(np.float64) - xyxy[:, :2], 0, None)
    area: Float64 = sides[:, 0] * sides[:, 1]
    return area


def intersections(xyxy: NDArray[Any], others: NDArray[Any]) -> Float64:
    """(N, M) areas that (N, 4) boxes share with (M, 4) others."""
    begin = np.maximum(xyxy[:, None, :2].astype(np.float64), others[None, :, :2])
    sides = np.clip(np.minimum(xyxy[:, None, 2:], others[None, :, 2:]) - begin, 0, None)
    shared: Float64 = sides[..., 0] * sides[..., 1]
    return shared


def of_smaller(xyxy: NDArray[Any], others: NDArray[Any]) -> Float64:
    """(N, M) shares of the smaller box that lie in the larger; 1 where one contains the other."""
    least = np.minimum(areas(xyxy)[:, None], areas(others)[None])
    shared = intersections(xyxy, others)
    share: Float64 = np.divide(shared, least, out=np.zeros_like(shared), where=least > 0)
    return share


def of_union(xyxy: NDArray[Any], others: NDArray[Any]) -> Float64:
    """(N, M) intersections over unions."""
    shared = intersections(xyxy, others)
    union = areas(xyxy)[:, None] + areas(others)[None] - shared
    share: Float64 = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return share


def intersection(box: Box, other: Box) -> float:
    """The area that two boxes share. Plain floats: for one pair this is faster than arrays."""
    width, height = min(box[2], other[2]) - max(box[0], other[0]), min(box[3], other[3]) - max(box[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def overlap_of_smaller(box: Box, other: Box) -> float:
    """``of_smaller`` for two boxes: the share of the smaller one that lies in the larger one."""
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
