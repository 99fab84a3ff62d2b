"""Two runs on the same truth: what one found and the other did not, and whether the difference is more than chance."""

from __future__ import annotations

from collections import defaultdict
from math import comb
from typing import Any

import numpy as np

from detectors.evaluation.matching import f1
from detectors.evaluation.results import Results
from lanewatch.records import Float64

DRAWS = 2000
SEED = 1
CELL_S = 3600.0
"""Runs are drawn anew by the hour of a camera: what goes wrong there goes wrong for minutes, not once."""
FEWEST_CELLS = 5
"""With fewer there is nothing to draw from, and no interval is told."""


def compare(first: Results, second: Results) -> dict[str, Any]:
    """Two judgements by the same labels.

    ``only_first`` and ``only_second`` are the truths that one run found alone, ``p`` McNemar's exact probability that
    two equally good runs differ so much in what they find. ``f1_difference`` is the second's less the first's, with an
    interval of 95 % by the paired bootstrap over camera-hours, None where there are fewer than five.

    Raises:
        ValueError: the truths differ.
    """
    if first.truths != second.truths:
        raise ValueError("the runs were judged by different truths; give both the same labels")
    found, other = ({truth for _, truth in one.matching.pairs} for one in (first, second))
    alone, others = sorted(found - other), sorted(other - found)
    n = len(alone) + len(others)
    return {
        "both": len(found & other),
        "neither": len(first.truths) - len(found | other),
        "only_first": [_told(first, number) for number in alone],
        "only_second": [_told(second, number) for number in others],
        "p": _even(len(alone), n),
        "false_first": first.tally.false,
        "false_second": second.tally.false,
        "f1_difference": second.tally.f1 - first.tally.f1,
        "f1_interval": _interval(first, second),
    }


def _even(count: int, total: int) -> float:
    """The exact probability of a split at least as uneven, where each side is equally likely."""
    fewer = min(count, total - count)
    return float(min(1.0, 2 * sum(comb(total, k) for k in range(fewer + 1)) / 2**total))


def _told(judgement: Results, number: int) -> dict[str, Any]:
    truth = judgement.truths[number]
    return {"camera": truth.camera, "kind": truth.kind, "zone": truth.zone, "at": truth.at, "what": truth.what}


def _interval(first: Results, second: Results) -> tuple[float, float] | None:
    cells: dict[tuple[str, int], Float64] = defaultdict(lambda: np.zeros((2, 3)))
    for run, one in enumerate((first, second)):
        for _, truth in one.matching.pairs:
            cells[_cell(one.truths[truth])][run, 0] += 1
        for alarm in one.matching.false:
            cells[_cell(one.alarms[alarm])][run, 1] += 1
        for truth in one.matching.missed:
            cells[_cell(one.truths[truth])][run, 2] += 1
    if len(cells) < FEWEST_CELLS:
        return None
    counts = np.stack([cells[place] for place in sorted(cells)])
    draw = np.random.default_rng(SEED)
    sums = (counts[draw.integers(0, len(counts), len(counts))].sum(0) for _ in range(DRAWS))
    differences = [f1(*second_run) - f1(*first_run) for first_run, second_run in sums]
    low, high = np.quantile(differences, (0.025, 0.975))
    return float(low), float(high)


def _cell(one: Any) -> tuple[str, int]:
    return one.camera, int(one.at // CELL_S)
