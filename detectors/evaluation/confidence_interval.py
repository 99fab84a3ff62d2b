"""Intervals of 95 %: how far a figure can be trusted that was counted on so few."""

from __future__ import annotations

from math import exp, lgamma, log
from statistics import NormalDist

LEVEL = 0.95
_Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
_TAIL = (1 - LEVEL) / 2

Interval = tuple[float, float]


def wilson(hits: int, total: int) -> Interval:
    """Of a share, after Wilson (1927); (0, 1) where there was nothing."""
    if not total:
        return 0.0, 1.0
    share, extra = hits / total, _Z * _Z / total
    middle = (share + extra / 2) / (1 + extra)
    half = _Z / (1 + extra) * ((share * (1 - share) + extra / 4) / total) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def poisson(count: int) -> Interval:
    """Of a number of events in a given time, exact (Garwood 1936)."""
    return (_mean(count - 1, 1 - _TAIL) if count else 0.0), _mean(count, _TAIL)


def _mean(count: int, probability: float) -> float:
    """The mean at which ``count`` events or fewer have this probability, by bisection."""
    low, high = 0.0, 2.0 * count + 20.0
    for _ in range(60):
        middle = (low + high) / 2
        if sum(exp(k * log(middle) - middle - lgamma(k + 1)) for k in range(count + 1)) > probability:
            low = middle
        else:
            high = middle
    return high
