"""Trackers on pets09-s2l1 from the bundled detector's boxes, at 7, 3.5 and 2.33 frames a second: MOTA and IDF1.

Every tracker gets the same boxes (scores of at least .1) at the same frames: of six runs each drops 2 % of the boxes
and begins a frame later. Scored by motmetrics at an overlap of .5 against all labelled people, the 174 labels that
MOTChallenge flags as not to be considered included, since they are people. Lanewatch's boxes are those of ``Tracks``:
seen ones, and for up to half a second those carried on; nothing is filled in afterwards.

Ultralytics' six run with the thresholds that suit these boxes best, found by a grid over this very footage (with their
own defaults they take many weak boxes for people), and remember for as long as Lanewatch does; without camera motion
compensation, since the camera is fixed, and without re-identification networks, which are not on a closed network.

``--all`` adds other scenes, which were looked at but not fitted to: tud-stadtmitte with its public detections, and
caviar's labelled boxes with 3 % of noise; neither has colours here.

    LANEWATCH_DATA=... python -m benchmarks.tracking [--json] [--all]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import motmetrics
import numpy as np

from benchmarks import truth
from lanewatch.records import PERSON, Detections, Float64, Int64, UInt8
from models import appearance, offline
from models.detection import registry
from models.detection.base import Boxes
from models.tracking.tracker import Tracker

PETS_FPS: Final = 7.0
"""The container says 10; the scene was recorded at 7 (113.6 s)."""
LABELLED_FPS: Final = 25.0
RUNS, DROPPED = 6, 0.02
SCORE: Final = 0.1
OVERLAP: Final = 0.5
ROUNDS: Final = 400
BATCH: Final = 12  # pictures at a time; all rates divide it

_FITTED: Final[dict[str, Any]] = {
    "track_high_thresh": 0.4,
    "new_track_thresh": 0.7,
    "match_thresh": 0.95,
    "fuse_score": False,
}
# Each tracker's best mean of MOTA and IDF1 over the three rates on these very boxes: of match_thresh .9 and .95 with
# fuse_score on and off, then of track_high_thresh .4-.6, new_track_thresh .5-.7 and track_low_thresh .1-.35.
OTHERS: Final[dict[str, dict[str, Any]]] = {
    "bytetrack": _FITTED | {"track_low_thresh": 0.25},
    "botsort": _FITTED | {"track_low_thresh": 0.35},
    "ocsort": _FITTED,
    "deepocsort": _FITTED,
    "fasttrack": _FITTED | {"track_high_thresh": 0.6, "new_track_thresh": 0.6, "track_low_thresh": 0.25},
    "tracktrack": _FITTED | {"track_high_thresh": 0.5, "track_low_thresh": 0.35},
}


class Seen(NamedTuple):
    """Boxes of one frame, and what they are of: ids of people, or looks."""

    xyxy: Float64
    ids: Int64


class Footage(NamedTuple):
    """A scene: its records by frame, its truth by frame, and the frames a second."""

    name: str
    records: list[Detections]
    truth: dict[int, Seen]
    fps: float


class Quality(NamedTuple):
    """What motmetrics says of a run."""

    mota: float
    idf1: float


Track = Callable[[Detections], Seen]
"""A tracker that has begun: a record in, the boxes with their ids out."""


def record(at: float, size: tuple[int, int], xyxy: Float64, scores: Any, looks: UInt8) -> Detections:
    """One frame's people."""
    return Detections(
        camera="scene",
        epoch=0,
        slot=round(at * 1000),
        captured_at=at,
        received_at=at,
        width=size[0],
        height=size[1],
        xyxy=xyxy.astype(np.float32),
        scores=scores.astype(np.float32),
        labels=np.full(len(scores), PERSON, np.uint8),
        appearance=looks,
    )


def pets(folder: Path, every: int = 1) -> Footage:
    """The clip with every frame detected, or every second one of it; the others have no boxes."""
    network = registry.load("nanodet-g", "cpu", SCORE)
    records: list[Detections] = []
    with av.open(str(folder / "pets09-s2l1" / "video.avi")) as container:
        frames = (frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False) for frame in container.decode(video=0))
        while batch := list(islice(frames, BATCH)):
            found = iter(network([image for at, image in enumerate(batch) if at % every == 0]))
            for at, image in enumerate(batch):
                boxes = next(found) if at % every == 0 else Boxes.empty()
                people = boxes[boxes.labels == PERSON]
                xyxy, size = people.xyxy.astype(np.float64), (image.shape[1], image.shape[0])
                looks = appearance.describe(image, xyxy)
                records.append(record(len(records) / PETS_FPS, size, xyxy, people.scores, looks))
    return Footage("pets09-s2l1", records, _labels(folder / "pets09-s2l1" / "gt.txt"), PETS_FPS)


def stadtmitte(folder: Path) -> Footage:
    """tud-stadtmitte with its public detections."""
    rows = np.loadtxt(folder / "tud-stadtmitte" / "det.txt", delimiter=",")
    records = []
    for number in range(int(rows[:, 0].max())):
        own = rows[rows[:, 0] == number + 1]
        boxes = np.concatenate([own[:, 2:4], own[:, 2:4] + own[:, 4:6]], axis=1)
        records.append(record(number / LABELLED_FPS, (640, 480), boxes, own[:, 6], np.zeros((len(own), 0), np.uint8)))
    return Footage("tud-stadtmitte", records, _labels(folder / "tud-stadtmitte" / "gt.txt"), LABELLED_FPS)


def caviar(folder: Path) -> Iterator[Footage]:
    """Each clip of caviar with its labelled boxes, as a detector with 3 % of noise would have them."""
    draw = np.random.default_rng(5)
    clips: dict[str, dict[int, list[tuple[float, ...]]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(folder / "caviar" / "gt" / "tracks.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            x, y, width, height = (float(row[name]) for name in ("xc", "yc", "w", "h"))
            if row["kind"] == "object" and width > 0 and height > 0:
                box = (float(row["id"]), x - width / 2, y - height / 2, x + width / 2, y + height / 2)
                clips[row["clip"]][int(row["frame"])].append(box)
    for name, frames in clips.items():
        truth = {number: _seen(rows) for number, rows in frames.items()}
        records = []
        for number in range(max(frames) + 1):
            xyxy = truth[number].xyxy if number in truth else np.zeros((0, 4))
            size = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
            noisy = xyxy + draw.normal(0, 0.03, xyxy.shape) * size
            looks = np.zeros((len(xyxy), 0), np.uint8)
            records.append(record(number / LABELLED_FPS, (384, 288), noisy, np.full(len(xyxy), 0.8), looks))
        yield Footage(name, records, truth, LABELLED_FPS)


def _labels(file: Path) -> dict[int, Seen]:
    frames: dict[int, list[tuple[float, ...]]] = defaultdict(list)
    for row in np.loadtxt(file, delimiter=","):
        frame, person, left, top, width, height = row[:6]
        frames[int(frame) - 1].append((person, left, top, left + width, top + height))
    return {frame: _seen(rows) for frame, rows in frames.items()}


def _seen(rows: Sequence[tuple[float, ...]]) -> Seen:
    table = np.array(rows, np.float64)
    return Seen(table[:, 1:], table[:, 0].astype(np.int64))


def run(footage: Footage, every: int, number: int) -> Iterator[tuple[int, Detections]]:
    """One run's records with their frames: its phase shifted, 2 % of its boxes dropped."""
    draw = np.random.default_rng(number)
    for frame in range(number % every, len(footage.records), every):
        whole = footage.records[frame]
        keep = draw.random(len(whole)) >= DROPPED
        size = (whole.width, whole.height)
        xyxy = whole.xyxy[keep].astype(np.float64)
        yield frame, record(whole.captured_at, size, xyxy, whole.scores[keep], whole.appearance[keep])


def quality(track: Track, records: Iterable[tuple[int, Detections]], truth: dict[int, Seen]) -> Quality:
    """Runs a tracker over records and scores it."""
    accumulator = motmetrics.MOTAccumulator(auto_id=True)
    nobody = Seen(np.zeros((0, 4)), np.zeros(0, np.int64))
    for frame, detections in records:
        people, found = truth.get(frame, nobody), track(detections)
        # motmetrics' own distance needs numpy 1; its accumulator takes any, NaN for what is no pair
        overlap = overlaps(people.xyxy, found.xyxy)
        accumulator.update(people.ids, found.ids, np.where(overlap >= OVERLAP, 1 - overlap, np.nan))
    row = motmetrics.metrics.create().compute(accumulator, metrics=["mota", "idf1"], name="run").iloc[0]
    return Quality(float(row["mota"]), float(row["idf1"]))


def overlaps(some: Float64, others: Float64) -> Float64:
    """(N, M) intersection over union."""
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (some, others)]
    shares: Float64 = common / (areas[0][:, None] + areas[1][None, :] - common)
    return shares


def lanewatch() -> Track:
    """This project's tracker with its usual settings."""
    tracker = Tracker()
    state = tracker.start()

    def track(detections: Detections) -> Seen:
        nonlocal state
        state, tracks = tracker.update(state, detections)
        return Seen(tracks.xyxy, tracks.ids)

    return track


class _Results:
    """What ultralytics' trackers take for a detector's results."""

    def __init__(self, xyxy: Any, conf: Any, cls: Any) -> None:
        self.xyxy, self.conf, self.cls = xyxy, conf, cls
        self.xywh = np.concatenate([(xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]], axis=1)

    def __getitem__(self, rows: Any) -> _Results:
        return _Results(self.xyxy[rows], self.conf[rows], self.cls[rows])

    def __len__(self) -> int:
        return len(self.conf)


def other(name: str, fps: float) -> Track:
    """One of ultralytics' trackers."""
    home = Path(str(offline.ultralytics().__file__)).parent
    utils, trackers = import_module("ultralytics.utils"), import_module("ultralytics.trackers.track")
    settings = utils.YAML.load(home / "cfg" / "trackers" / f"{name}.yaml") | OTHERS[name]
    settings |= {"track_buffer": round(3 * fps), "gmc_method": "none", "with_reid": False}
    tracker = trackers.TRACKER_MAP[name](args=utils.IterableSimpleNamespace(**settings, device="cpu"))

    def track(detections: Detections) -> Seen:
        picture = np.zeros((detections.height, detections.width, 3), np.uint8)
        results = _Results(detections.xyxy, detections.scores, np.zeros(len(detections), np.float32))
        rows = np.asarray(tracker.update(results, picture), np.float64).reshape(-1, 8)
        return Seen(rows[:, :4], rows[:, 4].astype(np.int64))

    return track


def rows_of(tracker: str, footages: Sequence[Footage], every: int, name: str) -> dict[str, Any]:
    """A tracker's row: means over runs and scenes, and the least of its runs."""
    fps = footages[0].fps / every
    runs = [
        quality(lanewatch() if tracker == "lanewatch" else other(tracker, fps), run(one, every, number), one.truth)
        for one in footages
        for number in range(RUNS)
    ]
    return {
        "set": name,
        "tracker": tracker,
        "fps": round(fps, 2),
        "mota": round(statistics.fmean(one.mota for one in runs), 4),
        "idf1": round(statistics.fmean(one.idf1 for one in runs), 4),
        "mota_min": round(min(one.mota for one in runs), 4),
        "idf1_min": round(min(one.idf1 for one in runs), 4),
    }


def update_ms(people: int) -> float:
    """Median milliseconds of an update with so many walkers, and one false weak box for each."""
    draw = np.random.default_rng(people)
    looks = draw.integers(0, 255, (2 * people, appearance.SIZE)).astype(np.uint8)
    feet = np.stack([np.linspace(100, 800, people), np.full(people, 400.0)], axis=1)
    tracker, took = Tracker(), []
    state = tracker.start()
    for number in range(ROUNDS):
        at = feet + np.array([number % 100, 0]) + draw.normal(0, 2, feet.shape)
        walkers = np.concatenate([at - np.array([20, 100]), at + np.array([20, 0])], axis=1)
        boxes = np.concatenate([walkers, walkers + np.array([60, 30, 60, 30])])
        scores = np.repeat([0.7, 0.2], people)
        detections = record(number / 5, (1000, 600), boxes, scores, looks)
        began = time.perf_counter()
        state, tracks = tracker.update(state, detections)
        took.append(time.perf_counter() - began)
    assert len(tracks) == people
    return round(statistics.median(took[10:]) * 1000, 4)


def main() -> None:
    """Prints the table, or with ``--json`` the object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object: rows, update_ms_3, update_ms_10")
    parser.add_argument("--all", action="store_true", help="with the other scenes")
    arguments = parser.parse_args()
    folder = truth.folder()
    rows = []
    scenes: list[tuple[str, list[Footage], tuple[int, ...]]] = [("pets09-s2l1", [pets(folder)], (1, 2, 3))]
    if arguments.all:
        scenes.append(("tud-stadtmitte", [stadtmitte(folder)], (4, 8)))
        scenes.append(("caviar", list(caviar(folder)), (4, 8)))
    for name, footages, rates in scenes:
        rows += [rows_of(tracker, footages, every, name) for every in rates for tracker in ("lanewatch", *OTHERS)]
    result = {"rows": rows, "update_ms_3": update_ms(3), "update_ms_10": update_ms(10)}
    if arguments.json:
        print(json.dumps(result))
        return
    print(f"{'set':<16}{'fps':>6}  {'tracker':<12}{'MOTA':>7}{'least':>7}{'IDF1':>7}{'least':>7}")
    for row in rows:
        figures = "".join(f"{row[key]:>7.3f}" for key in ("mota", "mota_min", "idf1", "idf1_min"))
        print(f"{row['set']:<16}{row['fps']:>6.2f}  {row['tracker']:<12}{figures}")
    print(f"an update takes {result['update_ms_3']} ms with three tracks, {result['update_ms_10']} ms with ten")


if __name__ == "__main__":
    main()
