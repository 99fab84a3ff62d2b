"""Intervals of 95 %: how far a figure can be trusted that was counted on so few."""

from __future__ import annotations

from scipy import stats

LEVEL = 0.95
_Z = float(stats.norm.ppf(0.5 + LEVEL / 2))

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
    tail = (1 - LEVEL) / 2
    low = float(stats.chi2.ppf(tail, 2 * count)) / 2 if count else 0.0
    return low, float(stats.chi2.ppf(1 - tail, 2 * count + 2)) / 2
