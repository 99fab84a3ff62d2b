"""Confidence intervals of 95 % for proportions and counts."""

from __future__ import annotations

from math import exp, lgamma, log
from statistics import NormalDist

LEVEL = 0.95
_Z = NormalDist().inv_cdf(0.5 + LEVEL / 2)
_TAIL = (1 - LEVEL) / 2

Interval = tuple[float, float]


def wilson(hits: int, total: int) -> Interval:
    """Of a proportion, after Wilson (1927); (0, 1) for a total of 0."""
    if not total:
        return 0.0, 1.0
    share, extra = hits / total, _Z * _Z / total
    middle = (share + extra / 2) / (1 + extra)
    half = _Z / (1 + extra) * ((share * (1 - share) + extra / 4) / total) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def poisson(count: int) -> Interval:
    """Of a number of events in a given time, exact (Garwood 1936)."""
    return (_poisson_mean(count - 1, 1 - _TAIL) if count else 0.0), _poisson_mean(count, _TAIL)


def _poisson_mean(count: int, probability: float) -> float:
    """The mean for which at most ``count`` events have this probability, by bisection."""
    low, high = 0.0, 2.0 * count + 20.0
    for _ in range(60):
        middle = (low + high) / 2
        if sum(exp(k * log(middle) - middle - lgamma(k + 1)) for k in range(count + 1)) > probability:
            low = middle
        else:
            high = middle
    return high
