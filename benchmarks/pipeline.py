"""Throughput: the whole pipeline on the demo's clip, against the plain loop that people write with ultralytics.

Ours is what the demo ships: sample, detect every frame, watch, store, keep the detections, write the evidence. The
loop is ``YOLO('yolov8n.pt').track(clip, stream=True)`` at 640 pixels; that its events may be compared, its boxes and
its track ids are given to the same behaviours. Events are judged against the demo's own labels by KISA's window.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from api.site_service import SiteService
from benchmarks import weights
from detectors import pipeline
from detectors.evaluation.alarms import alarm_instants
from detectors.evaluation.matching import match
from detectors.evaluation.truth_file import truths
from detectors.watch_stage import WatchStage
from lanewatch import demo
from lanewatch.config import loader
from lanewatch.config.site import Site
from lanewatch.records import LABELS, Detections, Event
from models.tracking.tracker import Tracker, TrackerState, Tracks

RUNS = 3


def main() -> None:
    """Prints the table, or with ``--json`` the object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object: frames_per_s, ratio, f1, loop_f1, ...")
    parser.add_argument("--runs", type=int, default=RUNS, help="of ours; the median counts")
    parser.add_argument("--ours", action="store_true", help="leave the loop out")
    arguments = parser.parse_args()
    site = pipeline.as_recordings(loader.load(demo.SITE))
    network = pipeline.load_detector(site)
    rates: list[float] = []
    revisions: list[Event] = []
    frames = 0
    for _ in range(arguments.runs + 1):  # the first warms the caches up and does not count
        seconds, frames, revisions = _ours(site, network)
        rates.append(frames / seconds)
    figures: dict[str, Any] = {
        "frames_per_s": round(statistics.median(rates[1:]), 1),
        "f1": round(_f1(revisions), 3),
        "frames": frames,
        "cores": len(os.sched_getaffinity(0)),
    }
    if not arguments.ours:
        seconds, loop_frames, loop_revisions = _loop(site)
        figures["loop_frames_per_s"] = round(loop_frames / seconds, 1)
        figures["loop_f1"] = round(_f1(loop_revisions), 3)
        figures["ratio"] = round(figures["frames_per_s"] / (loop_frames / seconds), 2)
    print(json.dumps(figures) if arguments.json else _table(figures))


def _ours(site: Site, network: Any) -> tuple[float, int, list[Event]]:
    revisions: list[Event] = []
    with tempfile.TemporaryDirectory() as folder:
        with SiteService(site, Path(folder), run="bench", live=False, network=network) as centre:
            centre.store.listen(lambda stored: revisions.append(stored.event))
            began = time.perf_counter()
            centre.runner.run()
            centre.evidence.settle()
            took = time.perf_counter() - began
        if centre.runner.errors:
            raise SystemExit(f"the clip could not be played: {centre.runner.errors}")
        return took, centre.runner.frames, revisions


class _GivenTracks(Tracker):
    """Takes the ids that another tracker gave to a record's boxes, by slot."""

    def __init__(self, ids: dict[int, list[int]]) -> None:
        super().__init__()
        self._ids = ids
        self._born: dict[int, tuple[float, tuple[float, float]]] = {}

    def update(self, state: TrackerState, detections: Detections) -> tuple[TrackerState, Tracks]:
        """Every box is a track, seen in this record."""
        ids = self._ids[detections.slot]
        xyxy = detections.xyxy.astype(np.float64)
        foot = np.stack([(xyxy[:, 0] + xyxy[:, 2]) / 2, xyxy[:, 3]], axis=1)
        for index, track in enumerate(ids):
            self._born.setdefault(track, (detections.captured_at, (float(foot[index, 0]), float(foot[index, 1]))))
        count = len(ids)
        return state, Tracks(
            ids=np.array(ids, np.int64),
            xyxy=xyxy,
            foot=foot,
            height=xyxy[:, 3] - xyxy[:, 1],
            velocity=np.zeros((count, 2)),
            labels=detections.labels,
            scores=detections.scores,
            born_at=np.array([self._born[track][0] for track in ids], np.float64),
            born_foot=np.array([self._born[track][1] for track in ids], np.float64).reshape(count, 2),
            seen_at=np.full(count, detections.captured_at),
            seen=np.ones(count, bool),
            detection=np.arange(count),
            appearance=detections.appearance,
        )


def _loop(site: Site) -> tuple[float, int, list[Event]]:
    from models import offline

    model = offline.ultralytics().YOLO(str(weights.fetch()))
    names = {index: name for index, name in model.names.items() if name in LABELS}
    ids: dict[int, list[int]] = {}
    camera, frames, records = site.cameras[0].id, 0, []
    clock = _clock(site)
    began = time.perf_counter()
    for result in model.track(str(demo.CLIP), stream=True, imgsz=640, verbose=False):
        boxes = result.boxes.cpu().numpy()
        records.append((boxes.xyxy, boxes.conf, boxes.cls, boxes.id))
        frames += 1
    took = time.perf_counter() - began
    watched = []
    for index, (xyxy, scores, classes, numbers) in enumerate(records):
        kept = [i for i, c in enumerate(classes) if int(c) in names and numbers is not None]
        slot = round((clock + index / 7) * 1000)
        order = sorted(kept, key=lambda i: int(numbers[i]))
        ids[slot] = [int(numbers[i]) for i in order]
        watched.append(
            Detections(
                camera=camera,
                epoch=1,
                slot=slot,
                captured_at=clock + index / 7,
                received_at=0.0,
                width=768,
                height=576,
                xyxy=xyxy[order].astype(np.float32).reshape(-1, 4),
                scores=scores[order].astype(np.float32),
                labels=np.array([LABELS.index(names[int(classes[i])]) for i in order], np.uint8),
                appearance=np.zeros((len(order), 0), np.uint8),
                model="yolov8n",
            )
        )
    watcher = WatchStage(site, run="loop", tracker=_GivenTracks(ids))
    state = watcher.start(camera)
    revisions: list[Event] = []
    for record in watched:
        state, events = watcher.step(state, record)
        revisions += events
    return took, frames, revisions


def _clock(site: Site) -> float:
    from streams.sources.url import SourceUrl

    clock = SourceUrl.parse(site.cameras[0].url).clock
    assert clock is not None
    return clock


def _f1(revisions: list[Event]) -> float:
    return match(alarm_instants(revisions), truths(demo.TRUTH)).f1


def _table(figures: dict[str, Any]) -> str:
    lines = [
        f"clip of {figures['frames']} frames, 768x576, {figures['cores']} cores, every frame detected",
        f"lanewatch, whole pipeline          {figures['frames_per_s']:7.1f} frames/s   event F1 {figures['f1']:.3f}",
    ]
    if "ratio" in figures:
        lines += [
            f"YOLOv8n.track(stream=True) at 640  {figures['loop_frames_per_s']:7.1f} frames/s   "
            f"event F1 {figures['loop_f1']:.3f}",
            f"ratio                              {figures['ratio']:7.2f}",
        ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
