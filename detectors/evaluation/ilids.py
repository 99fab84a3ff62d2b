"""i-LIDS of the United Kingdom's Home Office: F1 with a recall bias, which every figure states.

``F1 = (a + 1) R P / (R + a P)``, with recall R, precision P and the recall bias a (The i-LIDS User Guide, Publication
10/11, Home Office CAST 2011): a below 1 weighs false alarms more, as an operator does who must answer each of them
(the guide's role "operational alert"); a above 1 weighs misses more, as for what only triggers a recording ("event
recording"). The guide fixes a for each scenario and role: take it from there; 1, the plain F1, is used where none is
given.
"""

from __future__ import annotations

from typing import NamedTuple


class ToleranceWindow(NamedTuple):
    """Seconds before and after the truth in which an alarm counts."""

    before_s: float
    after_s: float


WINDOW = ToleranceWindow(0.0, 10.0)
"""An alarm is true within ten seconds of the alarm event's beginning."""

RECALL_BIAS = 1.0


def f_biased(precision: float, recall: float, bias: float = RECALL_BIAS) -> float:
    """The F1 of i-LIDS; 0 where both are 0.

    Args:
        precision: share of the alarms that met a truth.
        recall: share of the truths that were met.
        bias: *raising* it gives misses more weight, and false alarms less.

    Raises:
        ValueError: the bias is not above 0.
    """
    if not bias > 0:
        raise ValueError(f"the recall bias must be above 0, not {bias:g}")
    weighed = recall + bias * precision
    return (bias + 1) * recall * precision / weighed if weighed else 0.0
