"""How well alarms meet the truth: the protocols of KISA, i-LIDS and ActEV, and the area under a frame's ROC curve."""

from detectors.evaluation.answer import alarms
from detectors.evaluation.matching import AFTER_S, BEFORE_S, Instant, Matching, f1, match
from detectors.evaluation.truth import truths

__all__ = ["AFTER_S", "BEFORE_S", "Instant", "Matching", "alarms", "f1", "match", "truths"]
