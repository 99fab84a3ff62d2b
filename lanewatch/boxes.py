"""Areas and overlaps of boxes (``xyxy``, in pixels)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lanewatch.records import Box, Float64


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0-1."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def areas(xyxy: NDArray[Any]) -> Float64:
    """(N,) areas of (N, 4) boxes; 0 for boxes whose second corner is above or left of the first."""
    sides: Float64 = np.clip(xyxy[:, 2:].astype(np.float64) - xyxy[:, :2], 0, None)
    area: Float64 = sides[:, 0] * sides[:, 1]
    return area


def intersections(xyxy: NDArray[Any], others: NDArray[Any]) -> Float64:
    """(N, M) areas that (N, 4) boxes share with (M, 4) others."""
    begin = np.maximum(xyxy[:, None, :2].astype(np.float64), others[None, :, :2])
    sides = np.clip(np.minimum(xyxy[:, None, 2:], others[None, :, 2:]) - begin, 0, None)
    shared: Float64 = sides[..., 0] * sides[..., 1]
    return shared


def intersection_over_smaller(xyxy: NDArray[Any], others: NDArray[Any]) -> Float64:
    """(N, M) shares of the smaller box that lie in the larger; 1 if one contains the other."""
    return _ratio(intersections(xyxy, others), np.minimum(areas(xyxy)[:, None], areas(others)[None]))


def iou_matrix(xyxy: NDArray[Any], others: NDArray[Any]) -> Float64:
    """(N, M) intersections over unions of (N, 4) boxes and (M, 4) others."""
    shared = intersections(xyxy, others)
    return _ratio(shared, areas(xyxy)[:, None] + areas(others)[None] - shared)


def _ratio(shared: Float64, whole: Float64) -> Float64:
    """Shares of ``whole``; 0 where it is 0."""
    ratio: Float64 = np.divide(shared, whole, out=np.zeros_like(shared), where=whole > 0)
    return ratio
