"""Throughput of decoding and detecting alone: the bundled clip, every frame, on each device of this machine.

Decoding runs in its own thread, as in the pipeline; the detector gets frames in batches of its runner's size. On a
shared machine the CPU milliseconds a frame are more reliable than the rate.
"""

from __future__ import annotations

import itertools
import os
import queue
import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any

from benchmarks import command
from benchmarks.datasets import images
from lanewatch import demo
from lanewatch.records import Image
from models import hardware
from models.detection import registry
from models.detection.base import ObjectDetector
from streams.local.runner import RECORDED_BATCH


def main() -> None:
    """Prints the report."""
    parser = command.parser(__doc__, "cores, rows of detector, device, frames_per_s, cpu_ms, batch")
    parser.add_argument("--detectors", nargs="+", default=["nanodet-g"], help="names or paths, as in a site file")
    parser.add_argument("--runs", type=int, default=3, help="over the clip; the median counts (%(default)s)")
    options = parser.parse_args()
    pairs = itertools.product(options.detectors, hardware.available_devices())
    rows = [measure(registry.load(name, device), device, options.runs) for name, device in pairs]
    formats = {"detector": "", "device": "", "frames_per_s": ".1f", "cpu_ms": ".1f"}
    report = {"cores": len(os.sched_getaffinity(0)), "rows": rows}
    command.show(report, lambda report: "\n".join(command.aligned(report["rows"], formats)), options.json)


def measure(network: ObjectDetector, device: str, runs: int) -> dict[str, Any]:
    """A detector's row; a first run warms up and does not count."""
    rates, costs = [], []
    for run in range(runs + 1):
        began, cpu = time.perf_counter(), time.process_time()
        frames = _play(network)
        if run:
            rates.append(frames / (time.perf_counter() - began))
            costs.append((time.process_time() - cpu) / frames * 1000)
    return {
        "detector": network.name,
        "device": device,
        "frames_per_s": round(statistics.median(rates), 1),
        "cpu_ms": round(statistics.median(costs), 2),
        "batch": RECORDED_BATCH,
    }


def _play(network: ObjectDetector) -> int:
    decoded: queue.Queue[Image | None] = queue.Queue(2 * RECORDED_BATCH)
    threading.Thread(target=_decode, args=(decoded,), daemon=True).start()
    pictures = _until_none(decoded)
    frames = 0
    while batch := list(itertools.islice(pictures, RECORDED_BATCH)):
        frames += len(network(batch))
    return frames


def _until_none(decoded: queue.Queue[Image | None]) -> Iterator[Image]:
    while (image := decoded.get()) is not None:
        yield image


def _decode(decoded: queue.Queue[Image | None]) -> None:
    for image in images(demo.CLIP):
        decoded.put(image)
    decoded.put(None)


if __name__ == "__main__":
    main()
