"""Miss rate against false alarms a camera-day, by sweeping the score: the curve of NIST's ActEV evaluations.

Alarms and truths are aligned one to one, once, by an assignment that is best over all of them (the Hungarian
method); an alarm of a high score is preferred to one of a low score, and a near one to a far one. At each score the
alarms below it are taken away: a truth whose alarm is gone is missed, an alarm without a truth is false. After the
evaluation plan of TRECVID ActEV (P_miss at a rate of false alarms, and the area under that curve up to a limit, divided
by the limit). NIST counts in false alarms a minute and aligns by overlap; here it is camera-days, and an alarm may be
aligned with a truth if it was raised from 2 s before it to 10 s after its end: it is answered when it is raised.
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
"""False alarms a camera-day up to which the area is taken: twenty times what an operator will bear."""
RATES = (0.1, 0.5, 1.0, 10.0)
"""At which the miss rate is told; .5 a camera-day is the budget that normality is learned for."""


class ScoredAlarm(NamedTuple):
    """An alarm: what and where (``key``), when it was raised, and its score."""

    key: object
    at: float
    score: float


class TruthInterval(NamedTuple):
    """A truth: what and where (``key``), from when to when."""

    key: object
    at: float
    end: float


class MissRateCurve(NamedTuple):
    """The curve's points, from the highest score on; ``rates`` in false alarms a camera-day, ``unit`` that of one."""

    unit: float
    scores: tuple[float, ...]
    rates: tuple[float, ...]
    misses: tuple[float, ...]

    def miss_at(self, rate: float) -> float:
        """The smallest miss rate that can be had with at most so many false alarms a camera-day; 1 where none can."""
        return min((miss for had, miss in zip(self.rates, self.misses, strict=True) if had <= rate), default=1.0)

    def area(self, limit: float = LIMIT) -> float:
        """The area under the curve up to ``limit``, divided by it (nAUDC); 0 is perfect, 1 the silent system's."""
        edges = [0.0, *(rate for rate in self.rates if 0 < rate < limit), limit]
        return sum(self.miss_at(a) * (b - a) for a, b in pairwise(edges)) / limit


def align(alarms: Sequence[ScoredAlarm], truths: Sequence[TruthInterval]) -> Matching:
    """Pairs them one to one, as many as there can be, then by score, then by nearness."""
    places: dict[object, tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for number, alarm in enumerate(alarms):
        places[alarm.key][0].append(number)
    for number, truth in enumerate(truths):
        places[truth.key][1].append(number)
    pairs = [pair for said, done in places.values() for pair in _aligned(alarms, truths, said, done)]
    met_alarms, met_truths = {alarm for alarm, _ in pairs}, {truth for _, truth in pairs}
    return Matching(
        tuple(pairs),
        tuple(number for number in range(len(truths)) if number not in met_truths),
        tuple(number for number in range(len(alarms)) if number not in met_alarms),
    )


def aligned(
    alarms: Sequence[Alarm], truths: Sequence[TruthEvent], key: Callable[[Alarm | TruthEvent], object]
) -> Matching:
    """``align`` as a rule by which ``judgement.judge`` pairs; a truth without an end is an instant."""
    said = [ScoredAlarm(str(key(one)), one.at, one.score) for one in alarms]
    return align(said, [TruthInterval(str(key(one)), one.at, one.at if one.end is None else one.end) for one in truths])


def curve(
    alarms: Sequence[ScoredAlarm], truths: Sequence[TruthInterval], matching: Matching, watched_s: float
) -> MissRateCurve:
    """The curve of aligned alarms.

    Args:
        alarms: and ``truths``, as they were aligned.
        matching: what ``align`` said of them.
        watched_s: camera time in which they were raised, seconds, holes taken out.

    Raises:
        ValueError: there is no truth, or no camera time: nothing could be divided by it.
    """
    if not truths:
        raise ValueError("there is no truth to be missed: ActEV's curve needs at least one")
    if not watched_s > 0:
        raise ValueError("the curve counts false alarms a camera-day: say for how long the cameras were watched")
    hits = np.array([alarms[alarm].score for alarm, _ in matching.pairs])
    false = np.array([alarms[alarm].score for alarm in matching.false])
    scores = sorted({alarm.score for alarm in alarms}, reverse=True)
    days = watched_s / DAY_S
    return MissRateCurve(
        1 / days,
        tuple(scores),
        tuple(float((false >= score).sum() / days) for score in scores),
        tuple(float(1 - (hits >= score).sum() / len(truths)) for score in scores),
    )


def _aligned(
    alarms: Sequence[ScoredAlarm], truths: Sequence[TruthInterval], said: Sequence[int], done: Sequence[int]
) -> list[tuple[int, int]]:
    if not said or not done:
        return []
    at = np.array([alarms[number].at for number in said])[:, None]
    score = np.array([alarms[number].score for number in said])[:, None]
    begin = np.array([truths[number].at for number in done])[None, :]
    end = np.array([truths[number].end for number in done])[None, :]
    may = (at >= begin - BEFORE_S) & (at <= end + AFTER_S)
    nearness = 1 / (1 + np.abs(at - begin))
    # A pair is worth more than all scores together, and a score in 1,000 steps more than all nearness.
    count = min(len(said), len(done)) + 1
    worth = np.where(may, 1 + (np.round(score, 3) + nearness / (1000 * count)) / (2 * count), 0.0)
    return [(said[row], done[column]) for row, column in enumerate(assign(-worth, 0.0).tolist()) if column >= 0]
