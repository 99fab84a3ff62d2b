"""Who is asked for joints: those who may lie, and nobody else."""

from __future__ import annotations

import numpy as np
import pytest

from lanewatch.records import LABELS
from models.odd import LEAST, MOST, odd

PERSON, CAR = LABELS.index("person"), LABELS.index("car")

WALKER = (100, 100, 140, 200)
BESIDE = (142, 102, 182, 202)
BEFORE = (118, 105, 158, 208)
FAR_BEHIND = (120, 110, 140, 150)
LYING = (300, 300, 400, 340)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], []),
        ([WALKER], [False]),  # alone
        ([WALKER, BESIDE], [False, False]),  # side by side
        ([WALKER, BEFORE], [False, False]),  # one before the other
        ([WALKER, FAR_BEHIND], [False, False]),  # one far behind the other
        ([LYING, WALKER], [True, False]),
        ([WALKER, (95, 110, 145, 160)], [False, False]),  # a second, wide box of the same walker
        ([(0, 0, LEAST - 1, LEAST / 2)], [False]),  # too small for joints
    ],
)
def test_who_is_asked(boxes: list[tuple[float, ...]], expected: list[bool]) -> None:
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    asked = odd(xyxy, np.full(len(xyxy), 0.6, np.float32), np.full(len(xyxy), PERSON, np.uint8))
    assert asked.tolist() == expected


def test_only_people_are_asked_and_only_where_the_box_may_be_somebody() -> None:
    lying = np.array([LYING], np.float32)
    assert not odd(lying, np.array([0.21], np.float32), np.array([PERSON], np.uint8)).any()
    assert odd(lying, np.array([0.3], np.float32), np.array([PERSON], np.uint8)).all()
    assert not odd(lying, np.array([0.6], np.float32), np.array([CAR], np.uint8)).any()


def test_a_crowd_costs_no_more_than_a_few_and_the_largest_come_first() -> None:
    crowd = [(120.0 * n, 100, 120.0 * n + 60, 140) for n in range(3 * MOST)]
    xyxy = np.array([*crowd, LYING], np.float32)
    asked = odd(xyxy, np.full(len(xyxy), 0.6, np.float32), np.full(len(xyxy), PERSON, np.uint8))
    assert asked.sum() == MOST
    assert asked[-1]
