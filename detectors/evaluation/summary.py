"""An evaluation as plain values: the output of ``--json``, from which the report is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectors.evaluation import actev_protocol, confidence_interval, frame_auc, ilids_protocol, kisa_protocol
from detectors.evaluation.actev_protocol import MissRateCurve
from detectors.evaluation.dataset import Dataset
from detectors.evaluation.frame_auc import Roc
from detectors.evaluation.ground_truth import Alarm, TruthEvent, TruthLabels
from detectors.evaluation.matching import AFTER_S, BEFORE_S
from detectors.evaluation.results import Results, Tally

HOUR_S = 3600.0
_COMMON = ("camera", "kind", "zone", "at", "condition")


def summary(
    dataset: Dataset, results: Results, protocol: str, dimensions: Sequence[str], bias: float
) -> dict[str, Any]:
    """All figures of one run by a protocol, also split by ``dimensions``; ``bias`` is the recall bias of i-LIDS."""
    total = results.tally
    values: dict[str, Any] = {
        "protocol": protocol,
        "window_s": list(ilids_protocol.WINDOW) if protocol == "ilids" else [BEFORE_S, AFTER_S],
        "events": dataset.source,
        "truth": list(dataset.truth_sources),
        "overall": row(total),
        "by": {name: {value: row(tally) for value, tally in results.by(name).items()} for name in dimensions},
        "aside": excluded(dataset, results),
        "missed": [_truth(results.truths[number]) for number in results.matching.missed],
        "false": [_alarm(results.alarms[number]) for number in results.matching.false],
    }
    if protocol == "kisa":
        values["passes"] = any((total.hits, total.false, total.missed)) and total.f1 >= kisa_protocol.PASSES
    elif protocol == "ilids":
        precision, recall = _share(total.hits, total.hits + total.false), _share(total.hits, total.hits + total.missed)
        values |= {"recall_bias": bias, "f1_biased": ilids_protocol.f_biased(precision, recall, bias)}
    return values


def excluded(dataset: Dataset, results: Results) -> dict[str, int]:
    """The number of excluded alarms and truths, by reason."""
    return dict(sorted((dataset.excluded | results.excluded).items()))


def row(tally: Tally) -> dict[str, Any]:
    """One row of a table: proportions with Wilson's interval, the rate of false alarms with Poisson's."""
    alarms, truths = tally.hits + tally.false, tally.hits + tally.missed
    days = None if tally.observed_s is None else tally.observed_s / actev_protocol.DAY_S
    return {
        "truths": truths,
        "alarms": alarms,
        "hits": tally.hits,
        "false": tally.false,
        "missed": tally.missed,
        "precision": _share(tally.hits, alarms),
        "precision_interval": list(confidence_interval.wilson(tally.hits, alarms)),
        "recall": _share(tally.hits, truths),
        "recall_interval": list(confidence_interval.wilson(tally.hits, truths)),
        "f1": tally.f1,
        "camera_hours": None if tally.observed_s is None else tally.observed_s / HOUR_S,
        "false_per_camera_day": None if days is None else tally.false / days,
        "false_interval": None if days is None else [edge / days for edge in confidence_interval.poisson(tally.false)],
    }


def curve(results: Results) -> MissRateCurve:
    """ActEV's curve of aligned alarms.

    Raises:
        ValueError: there is no truth, or the observation time is unknown.
    """
    alarms = [actev_protocol.ScoredAlarm(None, alarm.at, alarm.score) for alarm in results.alarms]
    truths = [actev_protocol.TruthInterval(None, truth.at, truth.end or truth.at) for truth in results.truths]
    return actev_protocol.curve(alarms, truths, results.matching, results.tally.observed_s or 0.0)


def curve_values(curve: MissRateCurve) -> dict[str, Any]:
    """The curve, the miss rate at ``actev_protocol.RATES`` and the area under it."""
    return {
        "limit": actev_protocol.LIMIT,
        "area": curve.area(),
        "miss_at": {f"{rate:g}": curve.miss_at(rate) for rate in actev_protocol.RATES},
        "one_alarm": curve.one_alarm,
        "points": [list(point) for point in zip(curve.scores, curve.rates, curve.misses, strict=True)],
    }


def frame_curves(labels: Sequence[TruthLabels], results: Results) -> tuple[Roc, dict[str, Any]]:
    """The ROC curve over all frames of all stretches, its area, and the area for each file; of the evaluated kinds.

    Raises:
        ValueError: as ``frame_auc.frame_scores`` and ``frame_auc.roc``.
    """
    evaluated = {(truth.camera, truth.kind, truth.at) for truth in results.truths}
    frames = [
        frame_auc.frame_scores(
            stretch,
            [event for event in stretch.events if (event.camera, event.kind, event.at) in evaluated],
            [alarm for alarm in results.alarms if alarm.camera == stretch.camera],
        )
        for stretch in labels
    ]
    scores = [score for stretch_scores, _ in frames for score in stretch_scores]
    total = frame_auc.roc(scores, [label for _, stretch_labels in frames for label in stretch_labels])
    by_file = {
        stretch.file: frame_auc.roc(scores, positive).auc
        for stretch, (scores, positive) in zip(labels, frames, strict=True)
        if positive.any() and not positive.all()
    }
    return total, {
        "step_s": frame_auc.STEP_S,
        "frames": len(scores),
        "auc": total.auc,
        "auc_mean": sum(by_file.values()) / len(by_file) if by_file else None,
        "by_file": by_file,
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _truth(truth: TruthEvent) -> dict[str, Any]:
    return {name: getattr(truth, name) for name in (*_COMMON, "pattern", "what")}


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {name: getattr(alarm, name) for name in (*_COMMON, "score", "id")}
