"""Candidates for pose estimation are people whose box alone does not show whether they lie."""

from __future__ import annotations

import numpy as np
import pytest

from lanewatch.records import LABELS
from models.pose.candidates import MAX_COUNT, MIN_SIDE, unusual_posture

PERSON, CAR = LABELS.index("person"), LABELS.index("car")

WALKER = (100, 100, 140, 200)
BESIDE = (142, 102, 182, 202)
LYING = (300, 300, 400, 340)
AS_WIDE_AS_HIGH = (300, 300, 400, 400)


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([], []),
        ([WALKER], [False]),  # stands, whatever the joints say
        ([WALKER, BESIDE], [False, False]),  # side by side
        ([LYING, WALKER], [False, False]),  # lies, whatever the joints say
        ([AS_WIDE_AS_HIGH, WALKER], [True, False]),  # bends, sits or lies
        ([(0, 0, MIN_SIDE - 1, MIN_SIDE - 1)], [False]),  # too small for joints
    ],
)
def test_candidates_by_aspect_ratio(boxes: list[tuple[float, ...]], expected: list[bool]) -> None:
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    requested = unusual_posture(xyxy, np.full(len(xyxy), 0.6, np.float32), np.full(len(xyxy), PERSON, np.uint8))
    assert requested.tolist() == expected


@pytest.mark.parametrize(
    ("label", "score", "expected"), [(PERSON, 0.6, True), (PERSON, 0.21, False), (CAR, 0.6, False)]
)
def test_only_people_with_high_scores_are_candidates(label: int, score: float, expected: bool) -> None:
    xyxy = np.array([AS_WIDE_AS_HIGH], np.float32)
    assert unusual_posture(xyxy, np.array([score], np.float32), np.array([label], np.uint8)).tolist() == [expected]


def test_a_crowd_costs_no_more_than_a_few_and_the_largest_come_first() -> None:
    crowd = [(120.0 * n, 100, 120.0 * n + 60, 160) for n in range(3 * MAX_COUNT)]
    xyxy = np.array([*crowd, AS_WIDE_AS_HIGH], np.float32)
    requested = unusual_posture(xyxy, np.full(len(xyxy), 0.6, np.float32), np.full(len(xyxy), PERSON, np.uint8))
    assert requested.sum() == MAX_COUNT
    assert requested[-1]
