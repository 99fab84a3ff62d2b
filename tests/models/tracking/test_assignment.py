"""The compiled assignment against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from models.tracking.assignment import FAR, assign

LIMIT = 8.0
sizes = st.integers(1, 7)
costs = st.one_of(st.floats(0, 12), st.integers(0, 12).map(float), st.just(FAR))


def reference(cost: NDArray[np.float64], limit: float) -> float:
    """The least total, where leaving a row out costs the limit, by scipy."""
    rows = len(cost)
    alone = np.where(np.eye(rows, dtype=bool), limit, FAR)
    whole = np.concatenate([cost, alone], axis=1)
    return float(whole[linear_sum_assignment(whole)].sum())


def total(cost: NDArray[np.float64], limit: float, given_to: NDArray[np.int64]) -> float:
    assigned = given_to >= 0
    return float(cost[np.flatnonzero(assigned), given_to[assigned]].sum() + limit * (~assigned).sum())


@settings(max_examples=300)
@given(st.tuples(sizes, sizes).flatmap(lambda shape: arrays(np.float64, shape, elements=costs)))
def test_it_costs_what_scipys_costs(cost: NDArray[np.float64]) -> None:
    given_to = assign(cost, LIMIT)
    assigned = given_to[given_to >= 0]
    assert len(set(assigned.tolist())) == len(assigned)
    assert (cost[np.flatnonzero(given_to >= 0), assigned] < LIMIT).all()
    assert total(cost, LIMIT, given_to) == pytest.approx(reference(cost, LIMIT))


def test_a_large_problem_costs_what_scipys_costs() -> None:
    cost = np.random.default_rng(3).uniform(0, 20, (40, 60))
    assert total(cost, LIMIT, assign(cost, LIMIT)) == pytest.approx(reference(cost, LIMIT))


@pytest.mark.parametrize(
    ("cost", "expected"),
    [
        ([[1.0, 1.0], [1.0, 1.0]], [0, 1]),  # all alike: by order
        ([[2.0, 1.0], [1.0, 9.0]], [1, 0]),  # the nearest of each, crosswise
        ([[1.0], [1.0]], [0, -1]),  # one column: the first row has it
        ([[8.0, 9.0]], [-1]),  # not below the limit
        ([[FAR, 7.9]], [1]),
        ([[3.0, 4.0], [3.0, FAR]], [1, 0]),  # the first gives way to one who has no other
    ],
)
def test_ties_and_limits(cost: list[list[float]], expected: list[int]) -> None:
    assert assign(np.array(cost), LIMIT).tolist() == expected
