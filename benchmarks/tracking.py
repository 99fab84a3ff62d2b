"""Trackers on pets09-s2l1 with the bundled detector's boxes, at 7, 3.5 and 2.33 frames a second: MOTA and IDF1.

LANEWATCH_DATA=... python -m benchmarks.tracking [--json] [--all]    (protocol: benchmarks/PROTOCOLS.md)
"""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from itertools import islice, product
from pathlib import Path
from typing import Any, Final, NamedTuple

import motmetrics
import numpy as np

from benchmarks import command
from benchmarks.clips import people_record
from benchmarks.datasets import CAVIAR, CAVIAR_FPS, PETS, PETS_FPS, caviar_labels, images, mot_labels
from lanewatch.boxes import iou_matrix
from lanewatch.records import PERSON, Detections, Float64, Int64
from models import appearance, offline_imports
from models.detection import registry
from models.detection.base import Boxes
from models.tracking.tracker import Tracker

STADTMITTE: Final = "tud-stadtmitte"
STADTMITTE_FPS: Final = 25.0
RUNS, DROPPED = 6, 0.02
MIN_SCORE: Final = 0.1
OVERLAP: Final = 0.5
UPDATES: Final = 400
BATCH: Final = 12  # pictures at a time; all rates divide it

_FITTED: Final = {"track_high_thresh": 0.4, "new_track_thresh": 0.7, "match_thresh": 0.95, "fuse_score": False}
# Each tracker's best mean of MOTA and IDF1 over the three rates, on these same boxes. The grid: match_thresh .9 and .95
# with fuse_score on and off, then track_high_thresh .4-.6, new_track_thresh .5-.7 and track_low_thresh .1-.35.
ULTRALYTICS: Final[dict[str, dict[str, Any]]] = {
    "bytetrack": _FITTED | {"track_low_thresh": 0.25},
    "botsort": _FITTED | {"track_low_thresh": 0.35},
    "ocsort": _FITTED,
    "deepocsort": _FITTED,
    "fasttrack": _FITTED | {"track_high_thresh": 0.6, "new_track_thresh": 0.6, "track_low_thresh": 0.25},
    "tracktrack": _FITTED | {"track_high_thresh": 0.5, "track_low_thresh": 0.35},
}


class PeopleBoxes(NamedTuple):
    """The N people in a frame: boxes (N, 4) and ids (N,)."""

    xyxy: Float64
    ids: Int64

    @classmethod
    def of(cls, rows: Sequence[tuple[float, ...]]) -> PeopleBoxes:
        """From rows of id and xyxy."""
        table = np.array(rows, np.float64).reshape(-1, 5)
        return cls(table[:, 1:], table[:, 0].astype(np.int64))


class Footage(NamedTuple):
    """A scene: its records by frame, its ground truth by frame, and the frame rate."""

    name: str
    records: list[Detections]
    truth: dict[int, PeopleBoxes]
    fps: float


class Quality(NamedTuple):
    """motmetrics' figures of a run."""

    mota: float
    idf1: float


UpdateTracker = Callable[[Detections], PeopleBoxes]
"""A started tracker: takes a record, returns the boxes with their track ids."""


def pets(folder: Path, every: int = 1) -> Footage:
    """The PETS clip; only every ``every``-th frame is detected, the others have no boxes."""
    network = registry.load("nanodet-g", "cpu", MIN_SCORE)
    records: list[Detections] = []
    frames = images(folder / PETS / "video.avi")
    while batch := list(islice(frames, BATCH)):
        found = iter(network(batch[::every]))
        for number, image in enumerate(batch):
            boxes = next(found) if number % every == 0 else Boxes.empty()
            people = boxes[boxes.labels == PERSON]
            xyxy, size = people.xyxy.astype(np.float64), (image.shape[1], image.shape[0])
            descriptors = appearance.describe(image, xyxy)
            records.append(people_record("scene", len(records) / PETS_FPS, size, xyxy, people.scores, descriptors))
    return Footage(PETS, records, _truth(folder / PETS / "gt.txt"), PETS_FPS)


def stadtmitte(folder: Path) -> Footage:
    """tud-stadtmitte with its public detections."""
    rows = np.loadtxt(folder / STADTMITTE / "det.txt", delimiter=",")
    records = []
    for number in range(int(rows[:, 0].max())):
        own = rows[rows[:, 0] == number + 1]
        boxes = np.concatenate([own[:, 2:4], own[:, 2:4] + own[:, 4:6]], axis=1)
        records.append(people_record("scene", number / STADTMITTE_FPS, (640, 480), boxes, own[:, 6]))
    return Footage(STADTMITTE, records, _truth(folder / STADTMITTE / "gt.txt"), STADTMITTE_FPS)


def caviar(folder: Path) -> Iterator[Footage]:
    """Each clip of CAVIAR with its labelled boxes and 3 % of noise."""
    draw = np.random.default_rng(5)
    clips: dict[str, dict[int, list[tuple[float, ...]]]] = defaultdict(lambda: defaultdict(list))
    for label in caviar_labels(folder):
        left, top, right, bottom = label.box
        if label.kind == "object" and left < right and top < bottom:
            clips[label.clip][label.frame].append((label.id, *label.box))
    for name, frames in clips.items():
        truth = {number: PeopleBoxes.of(rows) for number, rows in frames.items()}
        records = []
        for number in range(max(frames) + 1):
            xyxy = truth.get(number, PeopleBoxes.of(())).xyxy
            size = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
            noisy = xyxy + draw.normal(0, 0.03, xyxy.shape) * size
            records.append(people_record("scene", number / CAVIAR_FPS, (384, 288), noisy, np.full(len(xyxy), 0.8)))
        yield Footage(name, records, truth, CAVIAR_FPS)


def _truth(file: Path) -> dict[int, PeopleBoxes]:
    labels = mot_labels(file)
    return {
        frame: PeopleBoxes(labels.xyxy[labels.frames == frame], labels.people[labels.frames == frame])
        for frame in np.unique(labels.frames).tolist()
    }


def run(footage: Footage, every: int, number: int) -> Iterator[tuple[int, Detections]]:
    """One run's frames and records: its start shifted, 2 % of its boxes dropped."""
    draw = np.random.default_rng(number)
    for frame in range(number % every, len(footage.records), every):
        whole = footage.records[frame]
        rows = draw.random(len(whole)) >= DROPPED
        size = (whole.width, whole.height)
        descriptors = whole.appearance[rows]
        yield frame, people_record("scene", whole.captured_at, size, whole.xyxy[rows], whole.scores[rows], descriptors)


def quality(update: UpdateTracker, records: Iterable[tuple[int, Detections]], truth: dict[int, PeopleBoxes]) -> Quality:
    """Runs a tracker over records and compares it with the ground truth."""
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    for frame, detections in records:
        people, found = truth.get(frame, PeopleBoxes.of(())), update(detections)
        # motmetrics' own distance needs numpy 1; its accumulator accepts any distances, NaN for no pair
        overlap = iou_matrix(people.xyxy, found.xyxy)
        accumulator.update(people.ids, found.ids, np.where(overlap >= OVERLAP, 1 - overlap, np.nan))
    row = motmetrics.metrics.create().compute(accumulator, metrics=["mota", "idf1"], name="run").iloc[0]
    return Quality(float(row["mota"]), float(row["idf1"]))


def lanewatch_tracker() -> UpdateTracker:
    """This project's tracker with its default settings."""
    tracker = Tracker()
    state = tracker.start()

    def update(detections: Detections) -> PeopleBoxes:
        nonlocal state
        state, tracks = tracker.update(state, detections)
        return PeopleBoxes(tracks.xyxy, tracks.ids)

    return update


class _Results:
    """A detector's results in the form that ultralytics' trackers read."""

    def __init__(self, xyxy: Any, conf: Any, cls: Any) -> None:
        self.xyxy, self.conf, self.cls = xyxy, conf, cls
        self.xywh = np.concatenate([(xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]], axis=1)

    def __getitem__(self, rows: Any) -> _Results:
        return _Results(self.xyxy[rows], self.conf[rows], self.cls[rows])

    def __len__(self) -> int:
        return len(self.conf)


def ultralytics_tracker(name: str, fps: float) -> UpdateTracker:
    """One of ultralytics' trackers."""
    home = Path(str(offline_imports.ultralytics().__file__)).parent
    utils, trackers = import_module("ultralytics.utils"), import_module("ultralytics.trackers.track")
    settings = utils.YAML.load(home / "cfg" / "trackers" / f"{name}.yaml") | ULTRALYTICS[name]
    settings |= {"track_buffer": round(3 * fps), "gmc_method": "none", "with_reid": False}
    tracker = trackers.TRACKER_MAP[name](args=utils.IterableSimpleNamespace(**settings, device="cpu"))

    def update(detections: Detections) -> PeopleBoxes:
        picture = np.zeros((detections.height, detections.width, 3), np.uint8)
        results = _Results(detections.xyxy, detections.scores, np.zeros(len(detections), np.float32))
        rows = np.asarray(tracker.update(results, picture), np.float64).reshape(-1, 8)
        return PeopleBoxes(rows[:, :4], rows[:, 4].astype(np.int64))

    return update


def row_of(tracker: str, footages: Sequence[Footage], every: int, name: str) -> dict[str, Any]:
    """A tracker's row: means over runs and scenes, and the least of its runs."""
    fps = footages[0].fps / every
    runs = []
    for footage, number in product(footages, range(RUNS)):
        update = lanewatch_tracker() if tracker == "lanewatch" else ultralytics_tracker(tracker, fps)
        runs.append(quality(update, run(footage, every, number), footage.truth))
    mota, idf1 = zip(*runs, strict=True)
    return {
        "set": name,
        "tracker": tracker,
        "fps": round(fps, 2),
        "mota": round(statistics.fmean(mota), 4),
        "idf1": round(statistics.fmean(idf1), 4),
        "mota_min": round(min(mota), 4),
        "idf1_min": round(min(idf1), 4),
    }


def update_ms(people: int) -> float:
    """Median milliseconds of an update with some walkers, and one false weak box for each."""
    draw = np.random.default_rng(people)
    descriptors = draw.integers(0, 255, (2 * people, appearance.SIZE)).astype(np.uint8)
    feet = np.stack([np.linspace(100, 800, people), np.full(people, 400.0)], axis=1)
    tracker, durations = Tracker(), []
    state = tracker.start()
    for number in range(UPDATES):
        at = feet + np.array([number % 100, 0]) + draw.normal(0, 2, feet.shape)
        walkers = np.concatenate([at - np.array([20, 100]), at + np.array([20, 0])], axis=1)
        boxes = np.concatenate([walkers, walkers + np.array([60, 30, 60, 30])])
        detections = people_record("scene", number / 5, (1000, 600), boxes, np.repeat([0.7, 0.2], people), descriptors)
        began = time.perf_counter()
        state, tracks = tracker.update(state, detections)
        durations.append(time.perf_counter() - began)
    assert len(tracks) == people
    return round(statistics.median(durations[10:]) * 1000, 4)


def main() -> None:
    """Prints the report."""
    parser = command.parser(__doc__, "rows, update_ms_3, update_ms_10")
    parser.add_argument("--all", action="store_true", help="with the other scenes")
    options = parser.parse_args()
    folder = command.data_folder()
    scenes: list[tuple[str, list[Footage], tuple[int, ...]]] = [(PETS, [pets(folder)], (1, 2, 3))]
    if options.all:
        scenes += [(STADTMITTE, [stadtmitte(folder)], (4, 8)), (CAVIAR, list(caviar(folder)), (4, 8))]
    rows = [
        row_of(tracker, footages, every, name)
        for name, footages, rates in scenes
        for every in rates
        for tracker in ("lanewatch", *ULTRALYTICS)
    ]
    command.show({"rows": rows, "update_ms_3": update_ms(3), "update_ms_10": update_ms(10)}, table, options.json)


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    formats = {"set": "", "fps": ".2f", "tracker": ""}
    formats |= dict.fromkeys(("mota", "mota_min", "idf1", "idf1_min"), ".3f")
    update = f"an update takes {report['update_ms_3']} ms with three tracks, {report['update_ms_10']} ms with ten"
    return "\n".join([*command.aligned(report["rows"], formats), update])


if __name__ == "__main__":
    main()
