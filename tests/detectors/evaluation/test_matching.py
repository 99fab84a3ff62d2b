from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.evaluation.matching import Instant, match


@pytest.mark.parametrize(
    ("alarms", "truths", "hits", "missed", "false"),
    [
        ([101.0], [100.0], 1, 0, 0),  # a hit
        ([98.0], [100.0], 1, 0, 0),  # 2 s early still counts
        ([110.0], [100.0], 1, 0, 0),  # 10 s late still counts
        ([97.9], [100.0], 0, 1, 1),  # too early: false, and a miss
        ([110.1], [100.0], 0, 1, 1),  # too late: false, and a miss
        ([], [100.0], 0, 1, 0),  # none
        ([50.0], [], 0, 0, 1),  # spurious
        ([100.0, 101.0], [100.0], 1, 0, 1),  # twice for one: the second is false
        ([109.0, 101.0], [100.0, 105.0], 2, 0, 0),  # each truth gets the one that serves it
        ([101.0, 220.0, 350.0], [100.0, 200.0, 300.0], 1, 2, 2),  # KISA's self-test: hit, late, none, spurious
    ],
)
def test_kisa_window(alarms: list[float], truths: list[float], hits: int, missed: int, false: int) -> None:
    result = match([Instant("k", at) for at in alarms], [Instant("k", at) for at in truths])
    assert (len(result.pairs), len(result.missed), len(result.false)) == (hits, missed, false)


def test_another_zone_is_another_matter() -> None:
    result = match([Instant("left", 100.0)], [Instant("right", 100.0)])
    assert (result.missed, result.false, result.f1) == ((0,), (0,), 0.0)


times = st.lists(st.integers(0, 40).map(float), max_size=5)


@given(alarms=times, truths=times)
def test_no_other_pairing_serves_more_truths(alarms: list[float], truths: list[float]) -> None:
    result = match([Instant("k", at) for at in alarms], [Instant("k", at) for at in truths])
    padded = [*alarms, *([None] * len(truths))]
    best = max(
        sum(a is not None and -2 <= a - t <= 10 for a, t in zip(chosen, truths, strict=True))
        for chosen in itertools.permutations(padded, len(truths))
    )
    assert len(result.pairs) == best
