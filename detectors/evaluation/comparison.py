"""Two runs on the same truth: what only one of them found, and whether the difference is significant."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import comb
from typing import Any

import numpy as np

from detectors.evaluation.ground_truth import Alarm, TruthEvent
from detectors.evaluation.matching import f1
from detectors.evaluation.results import Results
from lanewatch.records import Float64

DRAWS = 2000
SEED = 1
CELL_S = 3600.0
"""The bootstrap resamples hours of a camera: errors there last for minutes and are not independent."""
MIN_CELLS = 5
"""With fewer there is no interval."""


def compare(first: Results, second: Results) -> dict[str, Any]:
    """Compares the results of two runs by the same labels: see docs/evaluation.md.

    ``p`` is McNemar's exact probability that two equally good runs differ at least so much. ``f1_difference`` is the
    second's minus the first's, with an interval of 95 % by the paired bootstrap over camera-hours.

    Raises:
        ValueError: the truths differ.
    """
    if first.truths != second.truths:
        raise ValueError("the runs were evaluated by different truths; give both the same labels")
    found, other = ({truth for _, truth in run.matching.pairs} for run in (first, second))
    only_first, only_second = sorted(found - other), sorted(other - found)
    return {
        "both": len(found & other),
        "neither": len(first.truths) - len(found | other),
        "only_first": [_truth(first, number) for number in only_first],
        "only_second": [_truth(second, number) for number in only_second],
        "p": _mcnemar(len(only_first), len(only_second)),
        "false_first": first.tally.false,
        "false_second": second.tally.false,
        "f1_difference": second.tally.f1 - first.tally.f1,
        "f1_interval": _interval(first, second),
    }


def _mcnemar(first: int, second: int) -> float:
    """The exact probability of a split at least as uneven, if each side is equally likely."""
    total = first + second
    return float(min(1.0, 2 * sum(comb(total, k) for k in range(min(first, second) + 1)) / 2**total))


def _truth(results: Results, number: int) -> dict[str, Any]:
    truth = results.truths[number]
    return {"camera": truth.camera, "kind": truth.kind, "zone": truth.zone, "at": truth.at, "what": truth.what}


def _interval(first: Results, second: Results) -> tuple[float, float] | None:
    cells: dict[tuple[str, int], Float64] = defaultdict(lambda: np.zeros((2, 3)))
    for run, results in enumerate((first, second)):
        hits = [results.truths[truth] for _, truth in results.matching.pairs]
        false = [results.alarms[alarm] for alarm in results.matching.false]
        missed = [results.truths[truth] for truth in results.matching.missed]
        columns: tuple[Sequence[Alarm | TruthEvent], ...] = hits, false, missed
        for column, items in enumerate(columns):
            for item in items:
                cells[item.camera, int(item.at // CELL_S)][run, column] += 1
    if len(cells) < MIN_CELLS:
        return None
    counts = np.stack([cells[cell] for cell in sorted(cells)])
    random = np.random.default_rng(SEED)
    sums = (counts[random.integers(0, len(counts), len(counts))].sum(0) for _ in range(DRAWS))
    differences = [f1(*second_run) - f1(*first_run) for first_run, second_run in sums]
    low, high = np.quantile(differences, (0.025, 0.975))
    return float(low), float(high)
