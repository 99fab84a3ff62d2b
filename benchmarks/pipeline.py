"""Throughput of the whole pipeline on the demo's clip, compared with a plain loop over ultralytics.

PROTOCOLS.md describes both. Events are compared with the demo's own labels in KISA's window.
"""

from __future__ import annotations

import os
import queue
import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np

from api.in_process_service import InProcessService
from benchmarks import clips, command, yolo_weights
from detectors import pipeline
from detectors.evaluation.alarms import alarm_instants
from detectors.evaluation.matching import match
from detectors.evaluation.truth_file import truths
from lanewatch import demo
from lanewatch.config import loader
from lanewatch.config.site import Site
from lanewatch.records import LABELS, Detections, Event, Image
from models import offline_imports
from models.detection.base import ObjectDetector
from models.tracking.tracker import Tracker, TrackerState, Tracks
from streams.local.runner import RECORDED_BATCH
from streams.sources.url import SourceUrl

RUNS = 3


def main() -> None:
    """Prints the report."""
    parser = command.parser(__doc__, "frames_per_s, limit_ratio, ratio, f1, loop_f1, ...")
    parser.add_argument("--runs", type=int, default=RUNS, help="of ours; the median counts (%(default)s)")
    parser.add_argument("--ours", action="store_true", help="leave the loop out")
    options = parser.parse_args()
    site = pipeline.as_recordings(loader.load(demo.SITE))
    network = pipeline.load_detector(site)
    rates: list[float] = []
    limits: list[float] = []
    revisions: list[Event] = []
    frames = 0
    for _ in range(options.runs + 1):  # the first run fills the caches and does not count
        limits.append(_decode_and_detect(network))
        seconds, frames, revisions = _pipeline(site, network)
        rates.append(frames / seconds)
    rate, limit = statistics.median(rates[1:]), statistics.median(limits[1:])
    figures: dict[str, Any] = {
        "frames_per_s": round(rate, 1),
        "limit_frames_per_s": round(limit, 1),
        "limit_ratio": round(rate / limit, 3),
        "f1": round(_f1(revisions), 3),
        "frames": frames,
        "cores": len(os.sched_getaffinity(0)),
    }
    if not options.ours:
        seconds, loop_frames, loop_revisions = _ultralytics_loop(site)
        figures["loop_frames_per_s"] = round(loop_frames / seconds, 1)
        figures["loop_f1"] = round(_f1(loop_revisions), 3)
        figures["ratio"] = round(figures["frames_per_s"] / (loop_frames / seconds), 2)
    command.show(figures, table, options.json)


def _decode_and_detect(network: ObjectDetector) -> float:
    """Frames per second of decoding and detecting alone: no pipeline with this detector can be faster."""
    batches: queue.Queue[list[Image]] = queue.Queue(2)

    def decode() -> None:
        pictures: list[Image] = []
        with av.open(str(demo.CLIP)) as container:
            container.streams.video[0].codec_context.thread_count = 1
            for picture in container.decode(video=0):
                pictures.append(np.asarray(picture.to_ndarray(format="bgr24"), np.uint8))
                if len(pictures) == RECORDED_BATCH:
                    batches.put(pictures)
                    pictures = []
        batches.put(pictures)
        batches.put([])

    began, frames = time.perf_counter(), 0
    decoder = threading.Thread(target=decode)
    decoder.start()
    while pictures := batches.get():
        frames += len(network(pictures))
    decoder.join()
    return frames / (time.perf_counter() - began)


def _pipeline(site: Site, network: ObjectDetector) -> tuple[float, int, list[Event]]:
    """Seconds, frames and revisions of one run."""
    revisions: list[Event] = []
    with tempfile.TemporaryDirectory() as folder:
        with InProcessService(site, Path(folder), run="bench", live=False, network=network) as service:
            service.store.listen(lambda stored: revisions.append(stored.event))
            began = time.perf_counter()
            service.runner.run()
            service.evidence.settle()
            seconds = time.perf_counter() - began
        if service.runner.errors:
            raise SystemExit(f"the clip could not be played: {service.runner.errors}")
        return seconds, service.runner.frames, revisions


class _GivenTracks(Tracker):
    """Uses the ids that another tracker assigned to a record's boxes, by slot."""

    def __init__(self, ids: dict[int, list[int]]) -> None:
        super().__init__()
        self._ids = ids
        self._first_points: dict[int, tuple[float, tuple[float, float]]] = {}

    def update(self, state: TrackerState, detections: Detections) -> tuple[TrackerState, Tracks]:
        """Makes each box a track that is seen in this record."""
        ids = self._ids[detections.slot]
        xyxy = detections.xyxy.astype(np.float64)
        foot = np.stack([(xyxy[:, 0] + xyxy[:, 2]) / 2, xyxy[:, 3]], axis=1)
        for index, track in enumerate(ids):
            self._first_points.setdefault(
                track, (detections.captured_at, (float(foot[index, 0]), float(foot[index, 1])))
            )
        count = len(ids)
        return state, Tracks(
            ids=np.array(ids, np.int64),
            xyxy=xyxy,
            foot=foot,
            height=xyxy[:, 3] - xyxy[:, 1],
            velocity=np.zeros((count, 2)),
            labels=detections.labels,
            scores=detections.scores,
            born_at=np.array([self._first_points[track][0] for track in ids], np.float64),
            born_foot=np.array([self._first_points[track][1] for track in ids], np.float64).reshape(count, 2),
            seen_at=np.full(count, detections.captured_at),
            seen=np.ones(count, bool),
            detection=np.arange(count),
            appearance=detections.appearance,
        )


def _ultralytics_loop(site: Site) -> tuple[float, int, list[Event]]:
    """Seconds and frames of the loop, and the revisions of its detections."""
    model = offline_imports.ultralytics().YOLO(str(yolo_weights.fetch()))
    label_of = {index: LABELS.index(name) for index, name in model.names.items() if name in LABELS}
    began = time.perf_counter()
    tracked = model.track(str(demo.CLIP), stream=True, imgsz=640, verbose=False)
    results = [result.boxes.cpu().numpy() for result in tracked]
    seconds = time.perf_counter() - began
    camera = site.cameras[0].id
    clock = SourceUrl.parse(site.cameras[0].url).clock or 0.0
    ids: dict[int, list[int]] = {}
    records = []
    for index, boxes in enumerate(results):
        numbers = [] if boxes.id is None else boxes.id.astype(int).tolist()
        order = sorted(range(len(numbers)), key=lambda row: numbers[row])
        rows = [row for row in order if int(boxes.cls[row]) in label_of]
        captured_at = clock + index / 7
        ids[round(captured_at * 1000)] = [numbers[row] for row in rows]
        record = clips.people_record(camera, captured_at, (768, 576), boxes.xyxy[rows], boxes.conf[rows])
        labels = np.array([label_of[int(boxes.cls[row])] for row in rows], np.uint8)
        records.append(msgspec.structs.replace(record, labels=labels, model="yolov8n"))
    return seconds, len(results), list(clips.revisions(records, site, tracker=_GivenTracks(ids)))


def _f1(revisions: list[Event]) -> float:
    return match(alarm_instants(revisions), truths(demo.TRUTH)).f1


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [
        f"clip of {figures['frames']} frames, 768x576, {figures['cores']} cores, every frame detected",
        f"decoding and detecting alone       {figures['limit_frames_per_s']:7.1f} frames/s   "
        f"whole pipeline / this: {figures['limit_ratio']:.2f}",
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
