"""How much boxes share: intersections, and their share of the union or of the smaller box."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lanewatch.records import Float64


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
