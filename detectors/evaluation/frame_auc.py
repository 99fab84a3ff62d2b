"""The area under the ROC curve over frames, as the sets of video anomalies (UCSD Ped, ShanghaiTech) are scored.

Each frame has a score and a label; all frames of all clips are taken together (the micro AUC; some papers average over
clips, the macro AUC). Frames of equal score are one point of the curve, so that a tie counts half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from detectors.evaluation.ground_truth import Alarm, TruthEvent, TruthLabels
from lanewatch.records import Bool, Float64

STEP_S = 1.0
"""Of the grid on which events are laid: what an operator tells apart."""


class Roc(NamedTuple):
    """The curve: false and true positives' shares, (K,) each, rising from (0, 0) to (1, 1)."""

    false: Float64
    true: Float64

    @property
    def auc(self) -> float:
        return float(np.trapezoid(self.true, self.false))


def roc(scores: ArrayLike, labels: ArrayLike) -> Roc:
    """The curve of frames.

    Args:
        scores: (N,) any unit; higher is more suspicious.
        labels: (N,) whether something happens in the frame.

    Raises:
        ValueError: the lengths differ, a score is no number, or all frames have one label.
    """
    values, positive = np.asarray(scores, np.float64).ravel(), np.asarray(labels).ravel().astype(bool)
    if len(values) != len(positive):
        raise ValueError(f"there are {len(values)} scores and {len(positive)} labels; each frame needs one of both")
    if not np.isfinite(values).all():
        raise ValueError(f"{int((~np.isfinite(values)).sum())} frames have a score that is no number")
    if positive.all() or not positive.any():
        raise ValueError("an AUC needs frames in which something happens and frames in which nothing does")
    order = np.argsort(-values, kind="stable")
    last = np.flatnonzero(np.append(np.diff(values[order]) != 0, True))
    true = np.cumsum(positive[order])[last]
    false = last + 1 - true
    return Roc(np.append(0.0, false / (~positive).sum()), np.append(0.0, true / positive.sum()))


def frame_scores(
    labels: TruthLabels, happenings: Sequence[TruthEvent], alarms: Sequence[Alarm], *, step_s: float = STEP_S
) -> tuple[Float64, Bool]:
    """A stretch of a camera as frames: the highest score of the alarms on at each, and whether something happens.

    Args:
        labels: of the stretch, which must have an end.
        happenings: in it, which must have ends.
        alarms: of that camera.
        step_s: of the grid.

    Raises:
        ValueError: an end is missing, with file and line.
    """
    if labels.end is None:
        raise ValueError(f"{labels.file}:1: frames are counted up to the recording's end; give `duration_s`")
    times = np.arange(labels.start, labels.end, step_s)
    score, happens = np.zeros(len(times)), np.zeros(len(times), bool)
    for one in happenings:
        if one.end is None:
            raise ValueError(f"{labels.file}:{one.line}: frames need to know until when it lasts; give `end_s`")
        happens |= (times >= one.at) & (times <= one.end)
    for alarm in alarms:
        on = (times >= alarm.at) & (times <= max(alarm.at + step_s, alarm.end or alarm.at))
        score[on] = np.maximum(score[on], alarm.score)
    return score, happens
