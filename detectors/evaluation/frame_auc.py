"""The area under the ROC curve over frames, as for the video anomaly sets UCSD Ped and ShanghaiTech.

All frames of all clips are pooled (the micro AUC). Frames of equal score are one point, so that a tie counts half.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from detectors.evaluation.ground_truth import Alarm, TruthEvent, TruthLabels
from lanewatch.records import Bool, Float64

STEP_S = 1.0
"""Of the grid of frames: the resolution that matters to an operator."""


class Roc(NamedTuple):
    """False and true positive rates, (K,) each, rising from (0, 0) to (1, 1)."""

    false: Float64
    true: Float64

    @property
    def auc(self) -> float:
        return float(np.trapezoid(self.true, self.false))


def roc(scores: ArrayLike, labels: ArrayLike) -> Roc:
    """The ROC curve of (N,) frames by score, in any unit, and label: whether an event is in progress.

    Raises:
        ValueError: the lengths differ, a score is not finite, or all frames have the same label.
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


def frame_scores(labels: TruthLabels, events: Sequence[TruthEvent], alarms: Sequence[Alarm]) -> tuple[Float64, Bool]:
    """A stretch of a camera as frames: the highest score of the open alarms, and whether an event is in progress.

    Raises:
        ValueError: an end is missing; the message has file and line.
    """
    if labels.end is None:
        raise ValueError(f"{labels.file}:1: frames are counted up to the recording's end; give `duration_s`")
    times = np.arange(labels.start, labels.end, STEP_S)
    scores, positive = np.zeros(len(times)), np.zeros(len(times), bool)
    for event in events:
        if event.end is None:
            raise ValueError(f"{labels.file}:{event.line}: frames need to know until when it lasts; give `end_s`")
        positive |= (times >= event.at) & (times <= event.end)
    for alarm in alarms:
        is_open = (times >= alarm.at) & (times <= max(alarm.at + STEP_S, alarm.end or alarm.at))
        scores[is_open] = np.maximum(scores[is_open], alarm.score)
    return scores, positive
