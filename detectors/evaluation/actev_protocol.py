"""Miss rate against false alarms a camera-day, by sweeping the score: the curve of NIST's ActEV evaluations.

Alarms and truths are aligned one to one, once (docs/evaluation.md). At each score the alarms below it are removed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from detectors.evaluation.ground_truth import Alarm, TruthEvent
from detectors.evaluation.matching import AFTER_S, BEFORE_S, Matching
from models.tracking.assignment import assign

DAY_S = 86_400.0
LIMIT = 10.0
"""False alarms a camera-day up to which the area is computed: twenty times the budget of an operator."""
RATES = (0.1, 0.5, 1.0, 10.0)
"""At which the miss rate is reported; the budget is .5 a camera-day."""


class ScoredAlarm(NamedTuple):
    """An alarm: its kind and place (``key``), the time at which it was raised, and its score."""

    key: object
    at: float
    score: float


class TruthInterval(NamedTuple):
    """A truth: its kind and place (``key``), its start and end."""

    key: object
    at: float
    end: float


class MissRateCurve(NamedTuple):
    """The curve's points, from the highest score on. Rates are in false alarms a camera-day; ``one_alarm`` of one."""

    one_alarm: float
    scores: tuple[float, ...]
    rates: tuple[float, ...]
    misses: tuple[float, ...]

    def miss_at(self, rate: float) -> float:
        """The smallest miss rate at no more than a rate of false alarms a camera-day; 1 if there is no such point."""
        points = zip(self.rates, self.misses, strict=True)
        return min((miss for false_rate, miss in points if false_rate <= rate), default=1.0)

    def area(self, limit: float = LIMIT) -> float:
        """The area under the curve up to ``limit``, divided by it (nAUDC); 0 is perfect, 1 is a silent system's."""
        edges = [0.0, *(rate for rate in self.rates if 0 < rate < limit), limit]
        return sum(self.miss_at(a) * (b - a) for a, b in pairwise(edges)) / limit


def align(alarms: Sequence[ScoredAlarm], truths: Sequence[TruthInterval]) -> Matching:
    """Pairs alarms and truths one to one: as many as possible, then by score, then by nearness."""
    places: dict[object, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for number, alarm in enumerate(alarms):
        places[alarm.key][0].append(number)
    for number, truth in enumerate(truths):
        places[truth.key][1].append(number)
    pairs = [pair for rows, columns in places.values() for pair in _aligned(alarms, truths, rows, columns)]
    paired_alarms, paired_truths = {alarm for alarm, _ in pairs}, {truth for _, truth in pairs}
    return Matching(
        tuple(pairs),
        tuple(number for number in range(len(truths)) if number not in paired_truths),
        tuple(number for number in range(len(alarms)) if number not in paired_alarms),
    )


def aligned(
    alarms: Sequence[Alarm], truths: Sequence[TruthEvent], key: Callable[[Alarm | TruthEvent], object]
) -> Matching:
    """``align`` as a matching rule of ``results.evaluate``; a truth without an end is an instant."""
    return align(
        [ScoredAlarm(str(key(alarm)), alarm.at, alarm.score) for alarm in alarms],
        [TruthInterval(str(key(truth)), truth.at, truth.at if truth.end is None else truth.end) for truth in truths],
    )


def curve(
    alarms: Sequence[ScoredAlarm], truths: Sequence[TruthInterval], matching: Matching, observed_s: float
) -> MissRateCurve:
    """The curve of aligned alarms; ``observed_s`` is the camera time in which they were raised, without gaps.

    Raises:
        ValueError: there is no truth, or no camera time to divide by.
    """
    if not truths:
        raise ValueError("there is no truth to be missed: ActEV's curve needs at least one")
    if not observed_s > 0:
        raise ValueError("the curve counts false alarms a camera-day: give the time for which the cameras were watched")
    hits = np.array([alarms[alarm].score for alarm, _ in matching.pairs])
    false = np.array([alarms[alarm].score for alarm in matching.false])
    scores = sorted({alarm.score for alarm in alarms}, reverse=True)
    days = observed_s / DAY_S
    return MissRateCurve(
        1 / days,
        tuple(scores),
        tuple(float((false >= score).sum() / days) for score in scores),
        tuple(float(1 - (hits >= score).sum() / len(truths)) for score in scores),
    )


def _aligned(
    alarms: Sequence[ScoredAlarm], truths: Sequence[TruthInterval], rows: Sequence[int], columns: Sequence[int]
) -> list[tuple[int, int]]:
    """The pairs of alarms (``rows``) and truths (``columns``) of one key."""
    if not rows or not columns:
        return []
    at = np.array([alarms[number].at for number in rows])[:, None]
    score = np.array([alarms[number].score for number in rows])[:, None]
    begin = np.array([truths[number].at for number in columns])[None, :]
    end = np.array([truths[number].end for number in columns])[None, :]
    allowed = (at >= begin - BEFORE_S) & (at <= end + AFTER_S)
    nearness = 1 / (1 + np.abs(at - begin))
    # A pair weighs more than all scores together, and a score in 1,000 steps more than all nearness.
    count = min(len(rows), len(columns)) + 1
    worth = np.where(allowed, 1 + (np.round(score, 3) + nearness / (1000 * count)) / (2 * count), 0.0)
    return [(rows[row], columns[column]) for row, column in enumerate(assign(-worth, 0.0).tolist()) if column >= 0]
