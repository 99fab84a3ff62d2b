"""i-LIDS of the United Kingdom's Home Office: F1 with a recall bias, which is printed beside every figure.

``F1 = (a + 1) R P / (R + a P)``, with recall R, precision P and the recall bias a (The i-LIDS User Guide, Publication
10/11, Home Office CAST 2011). The guide fixes the bias for each scenario and role; see docs/evaluation.md.
"""

from __future__ import annotations

WINDOW = 0.0, 10.0
"""An alarm is true within ten seconds of the event's beginning: seconds before and after it."""


def f_biased(precision: float, recall: float, bias: float) -> float:
    """The F1 of i-LIDS; 0 if both are 0. *Raising* the bias gives misses more weight, and false alarms less.

    Raises:
        ValueError: the bias is not above 0.
    """
    if not bias > 0:
        raise ValueError(f"the recall bias must be above 0, not {bias:g}")
    weighted = recall + bias * precision
    return (bias + 1) * recall * precision / weighted if weighted else 0.0
