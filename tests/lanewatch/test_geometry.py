"""Polygons and lines, compared with pictures in the comments and with shapely."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from lanewatch import geometry
from lanewatch.geometry import contains, crossing, segment, signed_distance
from lanewatch.records import Float64


def points(*xy: tuple[float, float]) -> Float64:
    return np.array(xy, np.float64).reshape(-1, 2)


SQUARE = points((10, 10), (30, 10), (30, 30), (10, 30))
# a letter C, open to the right, its gap between y = 20 and y = 40
LETTER_C = points((0, 0), (60, 0), (60, 20), (20, 20), (20, 40), (60, 40), (60, 60), (0, 60))


@pytest.mark.parametrize(
    ("polygon", "point", "expected"),
    [
        (SQUARE, (20, 20), True),  # the middle
        (SQUARE, (5, 20), False),  # left of it
        (SQUARE, (35, 20), False),  # right of it
        (SQUARE, (20, 5), False),  # above
        (SQUARE, (20, 35), False),  # below
        (SQUARE[::-1], (20, 20), True),  # corners in the other order
        (LETTER_C, (10, 30), True),  # the C's back
        (LETTER_C, (40, 30), False),  # its gap
        (LETTER_C, (40, 10), True),  # its upper arm
        (LETTER_C, (40, 50), True),  # its lower arm
    ],
)
def test_contains(polygon: Float64, point: tuple[float, float], expected: bool) -> None:
    assert contains(polygon.tolist(), *point) is expected


def test_a_point_on_a_shared_edge_is_in_one_of_two_zones() -> None:
    right = SQUARE + points((20, 0))
    below = SQUARE + points((0, 20))
    for edge, neighbour in [((30, 20), right), ((20, 30), below)]:
        assert contains(SQUARE.tolist(), *edge) != contains(neighbour.tolist(), *edge)


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32 - 1), corners=st.integers(3, 12))
def test_contains_agrees_with_shapely(seed: int, corners: int) -> None:
    random = np.random.default_rng(seed)
    angles = np.sort(random.uniform(0, 2 * np.pi, corners))
    radii = random.uniform(0.2, 1.0, corners)
    star = np.column_stack((np.cos(angles), np.sin(angles))) * radii[:, None]
    polygon = shapely.Polygon(star)
    tested = random.uniform(-1, 1, (200, 2))
    if polygon.is_valid:
        found = [contains(star.tolist(), x, y) for x, y in tested.tolist()]
        assert found == shapely.contains_xy(polygon, tested).tolist()


# In the pictures below A is the line's first point and B its second; y points down.
RIGHTWARD = points((0, 50), (100, 50))  # A ───▶ B: the walker's left hand is at the top
DOWNWARD = points((50, 0), (50, 100))  # A above B: the walker comes down, the left hand is at the picture's right
UPWARD = DOWNWARD[::-1]
SLANTED = points((0, 0), (100, 100))  # ╲ walked down: left hand above and right of it


@pytest.mark.parametrize(
    ("line", "point", "expected"),
    [
        (RIGHTWARD, (50, 40), -10),  # above: left
        (RIGHTWARD, (50, 60), 10),  # below: right
        (RIGHTWARD, (500, 60), 10),  # past the end, as far from the prolonged line
        (RIGHTWARD, (20, 50), 0),  # on it
        (RIGHTWARD[::-1], (50, 40), 10),  # the other way round
        (DOWNWARD, (80, 50), -30),
        (DOWNWARD, (20, 50), 30),
        (UPWARD, (80, 50), 30),
        (SLANTED, (100, 0), -(5000**0.5)),
        (SLANTED, (0, 100), 5000**0.5),
    ],
)
def test_signed_distance(line: Float64, point: tuple[float, float], expected: float) -> None:
    assert signed_distance(segment(line), *point) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("line", "before", "after", "expected"),
    [
        (RIGHTWARD, (50, 40), (50, 60), 1),  # from the top, the left hand, downward
        (RIGHTWARD, (50, 60), (50, 40), -1),
        (RIGHTWARD[::-1], (50, 40), (50, 60), -1),
        (DOWNWARD, (60, 50), (40, 50), 1),  # from the picture's right to its left
        (DOWNWARD, (40, 50), (60, 50), -1),
        (UPWARD, (40, 50), (60, 50), 1),
        (SLANTED, (60, 40), (40, 60), 1),
        (RIGHTWARD, (150, 40), (150, 60), 0),  # past its end
        (RIGHTWARD, (-1, 40), (-1, 60), 0),  # before its beginning
        (RIGHTWARD, (100, 40), (100, 60), 1),  # at its end
        (RIGHTWARD, (90, 40), (130, 60), 0),  # slantwise, meeting the prolonged line at x = 110
        (RIGHTWARD, (90, 40), (108, 60), 1),  # the same, meeting it at x = 99
        (RIGHTWARD, (20, 40), (80, 45), 0),  # along it
        (RIGHTWARD, (20, 50), (80, 50), 0),  # on it, lengthwise
        (RIGHTWARD, (50, 50), (50, 50), 0),  # standing on it
        (RIGHTWARD, (50, 40), (50, 40), 0),  # standing beside it
    ],
)
def test_crossing(line: Float64, before: tuple[float, float], after: tuple[float, float], expected: int) -> None:
    assert crossing(segment(line), *before, *after) == expected


def test_a_path_with_a_stop_on_the_line_crosses_it_once() -> None:
    path = [(50, 30), (50, 50), (50, 50), (50, 70), (50, 50), (50, 30)]
    assert [crossing(segment(RIGHTWARD), *a, *b) for a, b in pairwise(path)] == [1, 0, 0, 0, -1]


@settings(max_examples=100)
@given(coordinates=st.lists(st.floats(0, 100, width=16), min_size=8, max_size=8))
def test_crossing_agrees_with_shapely_where_nothing_touches(coordinates: list[float]) -> None:
    line, step = np.array(coordinates[:4]).reshape(2, 2), np.array(coordinates[4:]).reshape(2, 2)
    drawn, walked = shapely.LineString(line), shapely.LineString(step)
    if np.array_equal(*line) or drawn.touches(walked) or 0 < drawn.distance(shapely.Point(step[0])) < 1e-6:
        return
    assert bool(crossing(segment(line), *coordinates[4:])) == drawn.crosses(walked)


def test_a_line_without_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"two different points, both are \(3, 4\)"):
        segment(points((3, 4), (3, 4)))


def test_to_pixels() -> None:
    assert geometry.to_pixels([(0, 0), (0.5, 1)], 640, 360).tolist() == [[0, 0], [320, 360]]


def test_area() -> None:
    assert geometry.area(SQUARE) == pytest.approx(400)
    assert geometry.area(LETTER_C[::-1]) == pytest.approx(60 * 60 - 40 * 20)


@pytest.mark.parametrize(
    ("polygon", "expected"),
    [
        ([(0, 0), (1, 0), (1, 1), (0, 1)], None),  # a square
        ([(0, 0), (1, 1), (1, 0), (0, 1)], "Self-intersection[0.5 0.5]"),  # a bow tie
        ([(0, 0), (1, 0), (0.5, 0), (0.5, 1)], "Self-intersection"),  # it turns back upon itself
    ],
)
def test_self_crossing(polygon: list[tuple[float, float]], expected: str | None) -> None:
    found = geometry.self_crossing(polygon)
    assert found is None if expected is None else found is not None and found.startswith(expected)


def test_uncovered() -> None:
    square = [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)]
    left, middle = [(0, 0), (0.5, 0), (0.5, 1), (0, 1)], [(0.25, 0), (0.75, 0), (0.75, 1), (0.25, 1)]
    assert geometry.uncovered(square, []) == pytest.approx(1)
    assert geometry.uncovered(square, [left, middle]) == pytest.approx(0.25)
    assert geometry.uncovered(square, [square]) == 0
