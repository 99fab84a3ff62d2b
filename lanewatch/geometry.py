"""Polygons and lines in a picture, in pixels or in fractions of the frame.

In pictures y points down. Left and right are those of a person who walks over the picture from a line's first point to
its second: when walking to the right of the picture, the left hand is at the top.

Points are checked one by one in plain Python: 4 corners and 3 points take 3 us, and would take 23 us in numpy.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lanewatch.records import Float64

Segment = tuple[float, float, float, float]
"""A line: the x and y of its first point, and the x and y of the vector from there to its second."""


def to_pixels(points: ArrayLike, width: int, height: int) -> Float64:
    """(M, 2) fractions of a frame as (M, 2) pixels of a frame of ``width`` x ``height``."""
    return np.asarray(points, np.float64) * (width, height)


def contains(corners: list[list[float]], x: float, y: float) -> bool:
    """Whether a point lies in a polygon, by the even-odd rule.

    Half of the border belongs to the polygon: of two polygons that share an edge, a point on it is in exactly one. The
    polygon's first corner is not repeated at its end.
    """
    within = False
    x0, y0 = corners[-1]
    for x1, y1 in corners:
        if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
            within = not within
        x0, y0 = x1, y1
    return within


def distance_to_polygon(corners: list[list[float]], x: float, y: float) -> float:
    """The distance from a point to a polygon, as in ``contains``, in its unit; 0 inside it."""
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


def segment(line: Float64) -> Segment:
    """A (2, 2) line as a ``Segment``; a ValueError if its points are the same."""
    (x0, y0), (x1, y1) = line.tolist()
    if x0 == x1 and y0 == y1:
        raise ValueError(f"a line needs two different points, both are ({x0:g}, {y0:g})")
    return x0, y0, x1 - x0, y1 - y0


def signed_distance(line: Segment, x: float, y: float) -> float:
    """The distance of a point from the infinite line: below 0 on its left, above 0 on its right."""
    x0, y0, along_x, along_y = line
    return (along_x * (y - y0) - along_y * (x - x0)) / math.hypot(along_x, along_y)


def crossing(line: Segment, x0: float, y0: float, x1: float, y1: float) -> int:
    """1 if a step from point 0 to point 1 crosses a line from left to right, -1 from right to left, 0 for no crossing.

    A step that ends on the line has reached its right side. So a path with a stop on the line crosses it once.
    """
    line_x, line_y, along_x, along_y = line
    before = along_x * (y0 - line_y) - along_y * (x0 - line_x)
    after = along_x * (y1 - line_y) - along_y * (x1 - line_x)
    if (before >= 0) == (after >= 0):
        return 0
    share = before / (before - after)
    position = along_x * (x0 + (x1 - x0) * share - line_x) + along_y * (y0 + (y1 - y0) * share - line_y)
    between = 0 <= position <= along_x * along_x + along_y * along_y
    return (1 if after >= 0 else -1) if between else 0


def area(polygon: ArrayLike) -> float:
    """A polygon's area in its unit squared; without meaning if it crosses itself."""
    corners = np.asarray(polygon, np.float64)
    x, y = corners[:, 0], corners[:, 1]
    return float(abs(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2)


def self_crossing(polygon: Sequence[tuple[float, float]]) -> str | None:
    """Where and how a polygon crosses or touches itself, in words; None if it does not."""
    import shapely

    reason = shapely.is_valid_reason(shapely.Polygon(polygon))
    return None if reason == "Valid Geometry" else reason


def uncovered(polygon: Sequence[tuple[float, float]], covers: Sequence[Sequence[tuple[float, float]]]) -> float:
    """The share of a polygon's area that lies under none of the ``covers``, 0-1. All polygons must be valid."""
    import shapely

    whole = shapely.Polygon(polygon)
    return float(whole.difference(shapely.union_all([shapely.Polygon(cover) for cover in covers])).area / whole.area)
