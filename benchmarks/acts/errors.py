"""The bundled detector's errors on real footage, and those of the simulator's model of it, side by side.

Ground truth is matched to named people by intersection over union (at least .5, as many as can be). A miss is a
labelled person whom no box meets. What the model does is measured in the same way, from the same labelled boxes put
through it, so that the two columns differ by the model's error and by chance only.

    LANEWATCH_DATA=... python -m benchmarks.acts.errors [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import truth
from benchmarks.events import FPS, footage
from lanewatch.boxes import areas, intersections, iou_matrix
from lanewatch.records import PERSON, UNKNOWN, Bool, Detections, Float64
from models.appearance import similarity
from models.tracking.assignment import FAR, assign
from streams.simulator import detector

MEETS = 0.5
TALL = (0.0, 55.0, 75.0, 95.0, 1000.0)
HIDDEN = (0.0, 0.05, 0.35, 0.65, 1.01)
SEED = 7


class Labels(NamedTuple):
    """The labelled people of a clip: boxes (F, P, 4), nan where somebody is not there; the last axis is xyxy."""

    boxes: Float64
    fps: float

    @property
    def there(self) -> Bool:
        """(F, P)."""
        known: Bool = np.isfinite(self.boxes[..., 0])
        return known

    @property
    def hidden(self) -> Float64:
        """(F, P) share of a box that those nearer to the camera (lower feet) cover, the largest of them."""
        shares = np.zeros(self.boxes.shape[:2])
        for frame, boxes in enumerate(np.nan_to_num(self.boxes)):
            size = areas(boxes)
            nearer = boxes[None, :, 3] > boxes[:, None, 3]
            shared = np.where(nearer, intersections(boxes, boxes), 0).max(axis=1)
            shares[frame] = np.divide(shared, size, out=np.zeros_like(size), where=size > 0)
        return shares


class Seen(NamedTuple):
    """What became of each label: (F, P) arrays, and what nobody labelled."""

    found: Bool
    score: Float64
    offset: Float64  # (F, P, 4): middle, foot, height and width against the label, in its heights
    moved: Bool
    false: float  # named boxes a frame that meet no label
    looks: dict[str, float]


def labels(file: Path, fps: float) -> Labels:
    """A MOTChallenge ground truth."""
    rows = np.loadtxt(file, delimiter=",")
    _, person = np.unique(rows[:, 1], return_inverse=True)
    frame = rows[:, 0].astype(int) - 1
    boxes = np.full((frame.max() + 1, person.max() + 1, 4), np.nan)
    boxes[frame, person] = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)
    return Labels(boxes, fps)


def met(truths: Labels, records: Sequence[Detections]) -> Seen:
    """What a detector made of the labelled people; one record a frame."""
    frames, people = truths.boxes.shape[:2]
    found, moved = np.zeros((frames, people), bool), np.zeros((frames, people), bool)
    score, offset = np.full((frames, people), np.nan), np.full((frames, people, 4), np.nan)
    rows = np.full((frames, people), -1)
    false = 0
    for frame, (boxes, there, record) in enumerate(zip(truths.boxes, truths.there, records, strict=True)):
        who = np.flatnonzero(there)
        named = np.flatnonzero(record.labels == PERSON)
        share = iou_matrix(boxes[who], record.xyxy[named])
        pairs = assign(np.where(share >= MEETS, 1 - share, FAR), 1.0)
        false += int((share < 0.3).all(axis=0).sum()) if len(who) else len(named)
        other = record.xyxy[record.labels == UNKNOWN]
        moved[frame, who] = _stand_in(boxes[who], other)
        for person, column in zip(who, pairs, strict=True):
            if column >= 0:
                rows[frame, person] = named[column]
                found[frame, person], score[frame, person] = True, record.scores[named[column]]
                offset[frame, person] = _offset(boxes[person], record.xyxy[named[column]])
    return Seen(found, score, offset, moved, false / frames, _looks(records, rows, truths.fps))


def _stand_in(boxes: Float64, others: Any) -> Bool:
    """Whether the middle of what moved unnamed lies within a label."""
    middle = (others[:, :2] + others[:, 2:]) / 2
    within: Bool = ((middle[None] >= boxes[:, None, :2]) & (middle[None] <= boxes[:, None, 2:])).all(axis=2).any(axis=1)
    return within


def _offset(label: Float64, box: Any) -> tuple[float, float, float, float]:
    tall, wide = label[3] - label[1], label[2] - label[0]
    return (
        float((box[0] + box[2] - label[0] - label[2]) / 2 / tall),
        float((box[3] - label[3]) / tall),
        float((box[3] - box[1]) / tall - 1),
        float((box[2] - box[0]) / wide - 1),
    )


def _looks(records: Sequence[Detections], rows: Any, fps: float) -> dict[str, float]:
    """How alike looks are: of one person after half a second and after three, and of two people in one frame."""
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
        who = own[own >= 0]
        others += similarity(record.appearance[who], record.appearance[who])[np.triu_indices(len(who), 1)].tolist()
    result["others"] = float(np.mean(others))
    return result


def statistics(truths: Labels, seen: Seen) -> dict[str, Any]:
    """The figures that are compared."""
    there, hidden = truths.there, truths.hidden
    tall = truths.boxes[..., 3] - truths.boxes[..., 1]
    missed = there & ~seen.found
    clear = there & (hidden < 0.2)
    runs = _runs(missed, there) / truths.fps
    steps = {name: max(1, round(lag * truths.fps)) for name, lag in (("again_150_ms", 0.15), ("again_1_s", 1.0))}
    return {
        "miss_rate": float(missed[there].mean()),
        "miss_rate_clear": float(missed[clear].mean()),
        "miss_by_height": _by(missed, tall, clear, TALL),
        "miss_by_hidden": _by(missed, hidden, there, HIDDEN),
        "miss_run_s_mean": float(runs.mean()),
        "miss_run_s_p90": float(np.quantile(runs, 0.9)),
        **{name: _again(missed, there, step) for name, step in steps.items()},
        "jitter": [float(np.nanstd(seen.offset[clear], axis=0)[i]) for i in range(4)],
        "bias": [float(np.nanmean(seen.offset[clear], axis=0)[i]) for i in range(4)],
        "jitter_kept_150_ms": _kept(seen.offset, steps["again_150_ms"]),
        "score_quantiles": np.nanquantile(seen.score, [0.1, 0.25, 0.5, 0.75, 0.9]).round(3).tolist(),
        "moved_where_missed": float(seen.moved[missed].mean()),
        "false_per_frame": seen.false,
        **seen.looks,
    }


def _by(missed: Bool, value: Float64, among: Bool, edges: Sequence[float]) -> list[float]:
    rates = []
    for low, high in pairwise(edges):
        chosen = among & (value >= low) & (value < high)
        rates.append(round(float(missed[chosen].mean()), 4) if chosen.sum() >= 30 else -1.0)
    return rates


def _runs(missed: Bool, there: Bool) -> Float64:
    """Lengths in frames of the runs of misses of each person."""
    lengths = []
    for own, known in zip(missed.T, there.T, strict=True):
        edges = np.flatnonzero(np.diff(np.concatenate(([False], own & known, [False])).astype(np.int8)))
        lengths += (edges[1::2] - edges[::2]).tolist()
    return np.array(lengths or [0], np.float64)


def _again(missed: Bool, there: Bool, step: int) -> float:
    """Of those who are missed and still there a little later, the share that is missed then too."""
    both = missed[:-step] & there[step:]
    return float(missed[step:][both].mean())


def _kept(offset: Float64, step: int) -> list[float]:
    """Correlation of each of the box's errors with itself a little later."""
    centred = offset - np.nanmean(offset, axis=0)
    before, after = centred[:-step], centred[step:]
    both = np.isfinite(before[..., 0]) & np.isfinite(after[..., 0])
    return [float(np.corrcoef(before[both][:, i], after[both][:, i])[0, 1].round(3)) for i in range(4)]


def modelled(truths: Labels, seed: int = SEED) -> list[Detections]:
    """The labelled people of a clip as the simulator's detector sees them by day."""
    return list(detector.labelled(truths.boxes, truths.fps, np.random.default_rng(seed)))


def measure(folder: Path) -> dict[str, Any]:
    """``real`` and ``modelled`` figures of pets09-s2l1."""
    truths = labels(folder / "pets09-s2l1" / "gt.txt", FPS)
    pictures = [record for record in footage(folder) if record.gap is None]
    return {
        "real": statistics(truths, met(truths, pictures)),
        "modelled": statistics(truths, met(truths, modelled(truths))),
    }


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = ["pets09-s2l1, bundled detector", f"{'figure':<22}{'real':<46}modelled"]
    for name, real in report["real"].items():
        lines.append(f"{name:<22}{_text(real):<46}{_text(report['modelled'][name])}")
    return "\n".join(lines)


def _text(value: Any) -> str:
    return " ".join(f"{one:.3f}" for one in (value if isinstance(value, list) else [value]))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object instead of a table")
    options = parser.parse_args(arguments)
    report = measure(truth.folder())
    print(json.dumps(report) if options.json else table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
