"""Polygons and lines on a picture, in whichever unit they are given: pixels or fractions of the frame.

Pictures have y pointing down. Left and right are those of one who walks over the picture from a line's first
point to its second: walking to the right of the picture, the top of it lies on the left hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lanewatch.records import Bool, Box, Float64

Int8 = np.ndarray[tuple[int, ...], np.dtype[np.int8]]

Segment = tuple[float, float, float, float]
"""A line as plain numbers: its first point, and from there the way to its second."""

_FEW = 200
"""Edges times points up to which plain Python is quicker than numpy's dozen calls: 4 corners and 3 points take
3 us against 23 us, and a watcher asks this for every zone at every step."""


def pixels(points: ArrayLike, width: int, height: int) -> Float64:
    """(M, 2) fractions of a frame as (M, 2) pixels of one of ``width`` x ``height``."""
    return np.asarray(points, np.float64) * (width, height)


def inside(polygon: Float64, points: Float64) -> Bool:
    """Which points lie in a polygon, by the even-odd rule.

    Half of the border belongs to it: of two polygons that share an edge, a point on the edge is in exactly one.

    Args:
        polygon: (M, 2), its corners in order, the first not repeated.
        points: (N, 2), in the polygon's unit.

    Returns:
        (N,) bool.
    """
    if len(polygon) * len(points) <= _FEW:
        return _inside_few(polygon, points)
    x, y = points[:, :1], points[:, 1:]
    x1, y1 = polygon[:, 0], polygon[:, 1]
    x0, y0 = np.roll(x1, 1), np.roll(y1, 1)
    straddles = (y0 > y) != (y1 > y)
    left_of_edge = (x < x0 + (y - y0) * (x1 - x0) / np.where(y1 == y0, 1.0, y1 - y0)) & straddles
    within: Bool = np.logical_xor.reduce(left_of_edge, axis=1)
    return within


def _inside_few(polygon: Float64, points: Float64) -> Bool:
    corners: list[list[float]] = polygon.tolist()
    return np.array([contains(corners, x, y) for x, y in points.tolist()], np.bool_)


def contains(corners: list[list[float]], x: float, y: float) -> bool:
    """``inside`` for one point and a polygon as a plain list of its corners: 1 us, for those who ask point by point."""
    within = False
    x0, y0 = corners[-1]
    for x1, y1 in corners:
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            within = not within
        x0, y0 = x1, y1
    return within


def distance_to_polygon(corners: list[list[float]], x: float, y: float) -> float:
    """How far a point is from a polygon, as ``contains`` takes it, in its unit; 0 within it."""
    if contains(corners, x, y):
        return 0.0
    least = math.inf
    x0, y0 = corners[-1]
    for x1, y1 in corners:
        dx, dy = x1 - x0, y1 - y0
        length2 = dx * dx + dy * dy
        share = min(max(((x - x0) * dx + (y - y0) * dy) / length2, 0.0), 1.0) if length2 else 0.0
        least = min(least, math.hypot(x - x0 - share * dx, y - y0 - share * dy))
        x0, y0 = x1, y1
    return least


def overlap(a: Box, b: Box) -> float:
    """Intersection over union of two boxes, 0-1."""
    across, down = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if across <= 0 or down <= 0:
        return 0.0
    both = across * down
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def side(line: Float64, points: Float64) -> Float64:
    """How far to the right of a line, prolonged without end, points lie.

    Args:
        line: (2, 2), its first and its second point.
        points: (N, 2), in the line's unit.

    Returns:
        (N,) float64 in the line's unit: below 0 on the left hand, above 0 on the right.

    Raises:
        ValueError: the line's points are the same.
    """
    whole = segment(line)
    return np.array([beside(whole, x, y) for x, y in points.tolist()], np.float64)


def beside(line: Segment, x: float, y: float) -> float:
    """``side`` for one point and a line as ``segment`` gives it."""
    x0, y0, along_x, along_y = line
    return (along_x * (y - y0) - along_y * (x - x0)) / math.hypot(along_x, along_y)


def crosses(line: Float64, before: Float64, after: Float64) -> Int8:
    """Which steps cross a line between its two points, and which way.

    A step that ends on the line has come to its right hand, so a path whose steps meet on the line crosses it once.
    Args:
        line: (2, 2), its first and its second point.
        before: (N, 2), where each step begins.
        after: (N, 2), where it ends.

    Returns:
        (N,) int8: 1 from left to right, -1 from right to left, 0 for no crossing.

    Raises:
        ValueError: the line's points are the same.
    """
    whole = segment(line)
    steps = zip(before.tolist(), after.tolist(), strict=True)
    return np.array([crossing(whole, *was, *now) for was, now in steps], np.int8)


def crossing(line: Segment, bx: float, by: float, ax: float, ay: float) -> int:
    """``crosses`` for one step, from b to a, and a line as ``segment`` gives it."""
    x0, y0, along_x, along_y = line
    was = along_x * (by - y0) - along_y * (bx - x0)
    now = along_x * (ay - y0) - along_y * (ax - x0)
    if (was >= 0) == (now >= 0):
        return 0
    share = was / (was - now)
    position = along_x * (bx + (ax - bx) * share - x0) + along_y * (by + (ay - by) * share - y0)
    between = 0 <= position <= along_x * along_x + along_y * along_y
    return (1 if now >= 0 else -1) if between else 0


def segment(line: Float64) -> Segment:
    """A line's first point and the way to its second, for those who ask step by step.

    Raises:
        ValueError: the line's points are the same.
    """
    (x0, y0), (x1, y1) = line.tolist()
    if x0 == x1 and y0 == y1:
        raise ValueError(f"a line needs two different points, both are ({x0:g}, {y0:g})")
    return x0, y0, x1 - x0, y1 - y0


def area(polygon: ArrayLike) -> float:
    """A polygon's area in its unit squared; that of one which crosses itself has no meaning."""
    corners = np.asarray(polygon, np.float64)
    x, y = corners[:, 0], corners[:, 1]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def self_crossing(polygon: Sequence[tuple[float, float]]) -> str | None:
    """Where and how a polygon crosses or touches itself, in words; None where it doesn't."""
    import shapely

    reason = shapely.is_valid_reason(shapely.Polygon(polygon))
    return None if reason == "Valid Geometry" else reason


def uncovered(polygon: Sequence[tuple[float, float]], covers: Sequence[Sequence[tuple[float, float]]]) -> float:
    """The share of a polygon's area that none of the ``covers`` lies upon, 0-1. All of them must be valid."""
    import shapely

    whole = shapely.Polygon(polygon)
    return float(whole.difference(shapely.union_all([shapely.Polygon(cover) for cover in covers])).area / whole.area)
