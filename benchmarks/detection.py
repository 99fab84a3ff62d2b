"""Throughput of decoding and detecting alone: the bundled clip, every frame, on each device that is here.

Decoding runs in a thread of its own, as in the pipeline; frames go to the detector in batches of its runner's size.
The CPU's milliseconds a frame tell more than the rate where other work shares the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import statistics
import threading
import time
from typing import Any

import av
import numpy as np

from lanewatch import demo
from lanewatch.records import Image
from models import hardware
from models.detection import registry
from models.detection.base import ObjectDetector
from streams.local.runner import RECORDED_BATCH


def main() -> None:
    """Prints the table, or with ``--json`` the object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object: cores, rows of detector, device, frames_per_s")
    parser.add_argument("--detectors", nargs="+", default=["nanodet-g"], help="names or paths, as a site names them")
    parser.add_argument("--runs", type=int, default=3, help="over the clip; the median counts")
    arguments = parser.parse_args()
    rows = [
        measure(registry.load(name, device), device, arguments.runs)
        for name in arguments.detectors
        for device in hardware.available_devices()
    ]
    if arguments.json:
        print(json.dumps({"cores": len(os.sched_getaffinity(0)), "rows": rows}))
        return
    print(f"{'detector':<24}{'device':<10}{'frames/s':>10}{'CPU ms a frame':>16}")
    for row in rows:
        print(f"{row['detector']:<24}{row['device']:<10}{row['frames_per_s']:>10.1f}{row['cpu_ms']:>16.1f}")


def measure(network: ObjectDetector, device: str, runs: int) -> dict[str, Any]:
    """One detector's row; a first run warms it up and does not count."""
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
    thread = threading.Thread(target=_decode, args=(decoded,), daemon=True)
    thread.start()
    frames, ended = 0, False
    while not ended:
        batch: list[Image] = []
        while len(batch) < RECORDED_BATCH and not ended:
            image = decoded.get()
            if image is None:
                ended = True
            else:
                batch.append(image)
        frames += len(network(batch))
    thread.join()
    return frames


def _decode(decoded: queue.Queue[Image | None]) -> None:
    with av.open(str(demo.CLIP)) as container:
        for frame in container.decode(video=0):
            decoded.put(frame.to_ndarray(format="bgr24").astype(np.uint8, copy=False))
    decoded.put(None)


if __name__ == "__main__":
    main()
