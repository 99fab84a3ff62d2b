"""Errors of the bundled detector on real footage beside those of the simulator's model of it.

LANEWATCH_DATA=... python -m benchmarks.simulated_detector [--json]    (protocol: benchmarks/PROTOCOLS.md)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import command
from benchmarks.datasets import PETS, PETS_FPS, mot_labels
from benchmarks.events import pets_detections
from lanewatch.boxes import areas, intersections, iou_matrix
from lanewatch.records import PERSON, UNKNOWN, Bool, Detections, Float64
from models.appearance import similarity
from models.tracking.assignment import FAR, assign
from streams.simulator.detector import detect_labelled_people

MIN_IOU = 0.5
HEIGHTS_PX = (0.0, 55.0, 75.0, 95.0, 1000.0)
OCCLUDED_SHARES = (0.0, 0.05, 0.35, 0.65, 1.01)
SEED = 7


class Labels(NamedTuple):
    """The labelled people of a clip: boxes (F, P, 4) xyxy, nan if a person is not present."""

    boxes: Float64
    fps: float

    @property
    def present(self) -> Bool:
        """(F, P)."""
        present: Bool = np.isfinite(self.boxes[..., 0])
        return present

    @property
    def occluded(self) -> Float64:
        """(F, P) largest share of a box that one nearer person (with a lower foot point) covers."""
        shares = np.zeros(self.boxes.shape[:2])
        for frame, boxes in enumerate(np.nan_to_num(self.boxes)):
            size = areas(boxes)
            nearer = boxes[None, :, 3] > boxes[:, None, 3]
            shared = np.where(nearer, intersections(boxes, boxes), 0).max(axis=1)
            shares[frame] = np.divide(shared, size, out=np.zeros_like(size), where=size > 0)
        return shares


class LabelMatches(NamedTuple):
    """The detection of each label, (F, P) arrays; nan without one.

    ``error`` is (F, P, 4): centre, foot, height (in label heights) and width (in label widths). ``moved``: a motion box
    without a class is on it. ``false_per_frame``: people where there is no label.
    """

    found: Bool
    score: Float64
    error: Float64
    moved: Bool
    false_per_frame: float
    similarities: dict[str, float]


def read_labels(file: Path, fps: float) -> Labels:
    """The labels of a MOTChallenge ground truth."""
    labels = mot_labels(file)
    _, person = np.unique(labels.people, return_inverse=True)
    boxes = np.full((labels.frames.max() + 1, person.max() + 1, 4), np.nan)
    boxes[labels.frames, person] = labels.xyxy
    return Labels(boxes, fps)


def match_labels(labels: Labels, records: Sequence[Detections]) -> LabelMatches:
    """Matches a detector's people to the labels; one record a frame."""
    shape = frames, _ = labels.boxes.shape[:2]
    found, moved = np.zeros(shape, bool), np.zeros(shape, bool)
    score, error = np.full(shape, np.nan), np.full((*shape, 4), np.nan)
    rows = np.full(shape, -1)
    false = 0
    for frame, (boxes, present, record) in enumerate(zip(labels.boxes, labels.present, records, strict=True)):
        people = np.flatnonzero(present)
        detected = np.flatnonzero(record.labels == PERSON)
        overlap = iou_matrix(boxes[people], record.xyxy[detected])
        columns = assign(np.where(overlap >= MIN_IOU, 1 - overlap, FAR), 1.0)
        false += int((overlap < 0.3).all(axis=0).sum()) if len(people) else len(detected)
        moved[frame, people] = _contains_centre(boxes[people], record.xyxy[record.labels == UNKNOWN])
        for person, column in zip(people, columns, strict=True):
            if column >= 0:
                row = rows[frame, person] = detected[column]
                found[frame, person], score[frame, person] = True, record.scores[row]
                error[frame, person] = _error(boxes[person], record.xyxy[row])
    return LabelMatches(found, score, error, moved, false / frames, _similarities(records, rows, labels.fps))


def _contains_centre(boxes: Float64, others: Any) -> Bool:
    """(N,) whether one of the others has its centre in a box."""
    centre = (others[:, :2] + others[:, 2:]) / 2
    inside: Bool = ((centre[None] >= boxes[:, None, :2]) & (centre[None] <= boxes[:, None, 2:])).all(axis=2).any(axis=1)
    return inside


def _error(label: Float64, box: Any) -> tuple[float, float, float, float]:
    height, width = label[3] - label[1], label[2] - label[0]
    return (
        float((box[0] + box[2] - label[0] - label[2]) / 2 / height),
        float((box[3] - label[3]) / height),
        float((box[3] - box[1]) / height - 1),
        float((box[2] - box[0]) / width - 1),
    )


def _similarities(records: Sequence[Detections], rows: Any, fps: float) -> dict[str, float]:
    """Mean similarity of one person after half a second and after three, and of two people in one frame."""
    result = {}
    for name, lag in (("same_half_s", round(0.5 * fps)), ("same_3_s", round(3 * fps))):
        values = [
            float(similarity(records[f].appearance[[a]], records[f + lag].appearance[[b]])[0, 0])
            for f in range(0, len(records) - lag, 3)
            for a, b in zip(rows[f], rows[f + lag], strict=True)
            if a >= 0 and b >= 0
        ]
        result[name] = float(np.mean(values))
    others: list[float] = []
    for record, own in zip(records[::5], rows[::5], strict=True):
        descriptors = record.appearance[own[own >= 0]]
        others += similarity(descriptors, descriptors)[np.triu_indices(len(descriptors), 1)].tolist()
    result["others"] = float(np.mean(others))
    return result


def statistics(labels: Labels, matches: LabelMatches) -> dict[str, Any]:
    """The figures that are compared."""
    present, occluded = labels.present, labels.occluded
    height = labels.boxes[..., 3] - labels.boxes[..., 1]
    missed = present & ~matches.found
    clear = present & (occluded < 0.2)
    runs_s = _run_lengths(missed, present) / labels.fps
    lags = {name: max(1, round(lag * labels.fps)) for name, lag in (("again_150_ms", 0.15), ("again_1_s", 1.0))}
    return {
        "miss_rate": float(missed[present].mean()),
        "miss_rate_clear": float(missed[clear].mean()),
        "miss_by_height": _miss_rates(missed, height, clear, HEIGHTS_PX),
        "miss_by_hidden": _miss_rates(missed, occluded, present, OCCLUDED_SHARES),
        "miss_run_s_mean": float(runs_s.mean()),
        "miss_run_s_p90": float(np.quantile(runs_s, 0.9)),
        **{name: _missed_again(missed, present, lag) for name, lag in lags.items()},
        "jitter": np.nanstd(matches.error[clear], axis=0).tolist(),
        "bias": np.nanmean(matches.error[clear], axis=0).tolist(),
        "jitter_kept_150_ms": _error_correlation(matches.error, lags["again_150_ms"]),
        "score_quantiles": np.nanquantile(matches.score, [0.1, 0.25, 0.5, 0.75, 0.9]).round(3).tolist(),
        "moved_where_missed": float(matches.moved[missed].mean()),
        "false_per_frame": matches.false_per_frame,
        **matches.similarities,
    }


def _miss_rates(missed: Bool, value: Float64, among: Bool, edges: Sequence[float]) -> list[float]:
    """Miss rates by range of a value; -1 for a range with fewer than 30 labels."""
    rates = []
    for low, high in pairwise(edges):
        chosen = among & (value >= low) & (value < high)
        rates.append(round(float(missed[chosen].mean()), 4) if chosen.sum() >= 30 else -1.0)
    return rates


def _run_lengths(missed: Bool, present: Bool) -> Float64:
    """Lengths in frames of each person's runs of misses."""
    lengths = []
    for own in (missed & present).T:
        edges = np.flatnonzero(np.diff(np.concatenate(([False], own, [False])).astype(np.int8)))
        lengths += (edges[1::2] - edges[::2]).tolist()
    return np.array(lengths or [0], np.float64)


def _missed_again(missed: Bool, present: Bool, lag: int) -> float:
    """Of people who are missed, and still present a little later, the share that is missed then, too."""
    both = missed[:-lag] & present[lag:]
    return float(missed[lag:][both].mean())


def _error_correlation(error: Float64, lag: int) -> list[float]:
    """Correlation of each of the box's errors with itself a little later."""
    centred = error - np.nanmean(error, axis=0)
    before, after = centred[:-lag], centred[lag:]
    both = np.isfinite(before[..., 0]) & np.isfinite(after[..., 0])
    return [float(np.corrcoef(before[both][:, i], after[both][:, i])[0, 1].round(3)) for i in range(4)]


def modelled(labels: Labels) -> list[Detections]:
    """The detections of the simulator's model, by day."""
    return list(detect_labelled_people(labels.boxes, labels.fps, np.random.default_rng(SEED)))


def measure(folder: Path) -> dict[str, Any]:
    """``real`` and ``modelled`` figures of pets09-s2l1."""
    labels = read_labels(folder / PETS / "gt.txt", PETS_FPS)
    pictures = [record for record in pets_detections(folder) if record.gap is None]
    return {
        "real": statistics(labels, match_labels(labels, pictures)),
        "modelled": statistics(labels, match_labels(labels, modelled(labels))),
    }


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    lines = [f"{PETS}, bundled detector", f"{'figure':<22}{'real':<46}modelled"]
    for name, real in report["real"].items():
        lines.append(f"{name:<22}{_text(real):<46}{_text(report['modelled'][name])}")
    return "\n".join(lines)


def _text(value: float | list[float]) -> str:
    return " ".join(f"{number:.3f}" for number in (value if isinstance(value, list) else [value]))


def main() -> None:
    """Prints the report."""
    options = command.parser(__doc__).parse_args()
    command.show(measure(command.data_folder()), table, options.json)


if __name__ == "__main__":
    main()
