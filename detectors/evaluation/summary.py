"""An evaluation as plain values: what ``--json`` prints, and what the report says in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectors.evaluation import actev, confidence_interval, frame_auc, ilids, kisa
from detectors.evaluation.actev import MissRateCurve
from detectors.evaluation.dataset import Dataset
from detectors.evaluation.frame_auc import Roc
from detectors.evaluation.ground_truth import Alarm, TruthEvent, TruthLabels
from detectors.evaluation.matching import AFTER_S, BEFORE_S
from detectors.evaluation.results import Results, Tally

HOUR_S = 3600.0


def summary(case: Dataset, judgement: Results, protocol: str, dimensions: Sequence[str], bias: float) -> dict[str, Any]:
    """All figures of one run.

    Args:
        case: what was evaluated.
        judgement: of it, by the protocol's rule.
        protocol: ``kisa``, ``ilids``, ``actev`` or ``frames``.
        dimensions: by which figures are told apart too.
        bias: the recall bias of i-LIDS.
    """
    total = judgement.tally
    result: dict[str, Any] = {
        "protocol": protocol,
        "window_s": list(ilids.WINDOW) if protocol == "ilids" else [BEFORE_S, AFTER_S],
        "events": case.events,
        "truth": list(case.truths),
        "overall": row(total),
        "by": {name: {key: row(one) for key, one in judgement.by(name).items()} for name in dimensions},
        "aside": excluded(case, judgement),
        "missed": [_truth(judgement.truths[number]) for number in judgement.matching.missed],
        "false": [_alarm(judgement.alarms[number]) for number in judgement.matching.false],
    }
    if protocol == "kisa":
        result["passes"] = _anything(total) and total.f1 >= kisa.PASSES
    elif protocol == "ilids":
        precision, recall = _share(total.hits, total.hits + total.false), _share(total.hits, total.hits + total.missed)
        result |= {"recall_bias": bias, "f1_biased": ilids.f_biased(precision, recall, bias)}
    return result


def excluded(case: Dataset, judgement: Results) -> dict[str, int]:
    """What of a run was not judged, by reason."""
    return dict(sorted((case.aside | judgement.aside).items()))


def row(tally: Tally) -> dict[str, Any]:
    """One line of a table; shares with Wilson's interval, the rate of false alarms with Poisson's."""
    alarms, truths = tally.hits + tally.false, tally.hits + tally.missed
    days = None if tally.watched_s is None else tally.watched_s / actev.DAY_S
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
        "camera_hours": None if tally.watched_s is None else tally.watched_s / HOUR_S,
        "false_per_camera_day": None if days is None else tally.false / days,
        "false_interval": None if days is None else [edge / days for edge in confidence_interval.poisson(tally.false)],
    }


def curve(judgement: Results) -> MissRateCurve:
    """ActEV's curve of what was aligned.

    Raises:
        ValueError: there is no truth, or nobody knows for how long the cameras were watched.
    """
    said = [actev.ScoredAlarm(None, one.at, one.score) for one in judgement.alarms]
    done = [actev.TruthInterval(None, one.at, one.end or one.at) for one in judgement.truths]
    return actev.curve(said, done, judgement.matching, judgement.tally.watched_s or 0.0)


def curve_values(curve: MissRateCurve) -> dict[str, Any]:
    """The curve, the miss rate at the usual rates and the area under it."""
    return {
        "limit": actev.LIMIT,
        "area": curve.area(),
        "miss_at": {f"{rate:g}": curve.miss_at(rate) for rate in actev.RATES},
        "one_alarm": curve.unit,
        "points": [list(point) for point in zip(curve.scores, curve.rates, curve.misses, strict=True)],
    }


def frame_curves(labels: Sequence[TruthLabels], judgement: Results) -> tuple[Roc, dict[str, Any]]:
    """The ROC curve over all frames of all stretches, and its areas, by stretch too; of the kinds that were judged.

    Raises:
        ValueError: as ``frames.laid_out`` and ``frames.roc``.
    """
    truths = {(one.camera, one.kind, one.at) for one in judgement.truths}
    laid = [
        frame_auc.frame_scores(
            one,
            [it for it in one.happenings if (it.camera, it.kind, it.at) in truths],
            [alarm for alarm in judgement.alarms if alarm.camera == one.camera],
        )
        for one in labels
    ]
    scores, happens = [score for some, _ in laid for score in some], [it for _, some in laid for it in some]
    whole = frame_auc.roc(scores, happens)
    apart = {
        one.file: frame_auc.roc(score, happen).auc
        for one, (score, happen) in zip(labels, laid, strict=True)
        if happen.any() and not happen.all()
    }
    mean = sum(apart.values()) / len(apart) if apart else None
    return whole, {
        "step_s": frame_auc.STEP_S,
        "frames": len(scores),
        "auc": whole.auc,
        "auc_mean": mean,
        "by_file": apart,
    }


def _anything(total: Tally) -> bool:
    """Whether there was anything to judge: of nothing F1 is 1, and says nothing."""
    return any((total.hits, total.false, total.missed))


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def _truth(one: TruthEvent) -> dict[str, Any]:
    named = {"camera": one.camera, "kind": one.kind, "zone": one.zone, "at": one.at}
    return named | {"condition": one.condition, "pattern": one.pattern, "what": one.what}


def _alarm(one: Alarm) -> dict[str, Any]:
    named = {"camera": one.camera, "kind": one.kind, "zone": one.zone, "at": one.at}
    return named | {"condition": one.condition, "score": one.score, "id": one.id}
