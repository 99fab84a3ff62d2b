"""i-LIDS of the United Kingdom's Home Office: F1 with a recall bias, which is printed beside every figure.

``F1 = (a + 1) R P / (R + a P)``, with recall R, precision P and the recall bias a (The i-LIDS User Guide, Publication
10/11, Home Office CAST 2011). A bias below 1 weighs false alarms more, for operators that must answer each of them (the
guide's role "operational alert"). A bias above 1 weighs misses more, for a system that only triggers a recording
("event recording"). The guide fixes the bias for each scenario and role. The default is 1, the plain F1.
"""

from __future__ import annotations

from typing import NamedTuple


class ToleranceWindow(NamedTuple):
    """Seconds before and after the truth in which an alarm counts."""

    before_s: float
    after_s: float


WINDOW = ToleranceWindow(0.0, 10.0)
"""An alarm is true within ten seconds of the event's beginning."""

RECALL_BIAS = 1.0


def f_biased(precision: float, recall: float, bias: float = RECALL_BIAS) -> float:
    """The F1 of i-LIDS; 0 if both are 0.

    Args:
        precision: Share of the alarms that are true.
        recall: Share of the truths that were found.
        bias: *Raising* it gives misses more weight, and false alarms less.

    Raises:
        ValueError: the bias is not above 0.
    """
    if not bias > 0:
        raise ValueError(f"the recall bias must be above 0, not {bias:g}")
    weighted = recall + bias * precision
    return (bias + 1) * recall * precision / weighted if weighted else 0.0
