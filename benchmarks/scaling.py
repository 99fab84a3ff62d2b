"""What a city needs, on paper: partitions, bytes, cores, GPUs and disk from measured unit costs.

``UNIT`` is the one place for the costs; ``--measure`` measures those again that need no other benchmark.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace

import cv2
import numpy as np

from detectors.watch_stage import WatchStage
from lanewatch.records import Detections, Frame, decode, encode
from streams.kafka import codec
from streams.video import jpeg
from tests.detectors.walker_records import along, detections, record, site


@dataclass(frozen=True)
class Unit:
    """Costs of one of each, on one core of the ledger's machine; seconds are CPU seconds."""

    sample_moving_s: float = 0.020
    """A second of moving video (``python -m benchmarks.sampling``: 17-20 ms)."""
    sample_idle_s: float = 0.0028
    """A second of video in which nothing moves (the same: 2.5-2.8 ms)."""
    pack_s: float = 0.0012
    """A picture to JPEG (``--measure``)."""
    carry_s: float = 2 / 3500
    """A frame of 40 KB through producer, broker and consumer: two cores, counted in full, at 3,500
    a second (``benchmarks.kafka``: 3,497 and 4,210 in two runs)."""
    detect_s: float = 2 / 90
    """A picture through the bundled detector, its decoding too (``benchmarks.pipeline``: 90 frames/s on two cores)."""
    fold_s: float = 0.00012
    """A record with somebody in it through the watcher (``--measure``)."""
    fold_idle_s: float = 0.000011
    """A record with nobody in it (``--measure``)."""
    detections_bytes: float = 500
    """A record with one person, before compression: an upper bound (``--measure``)."""
    frame_bytes: float = 40_000
    """A picture as JPEG with what it has on top."""


@dataclass(frozen=True)
class City:
    """What is assumed of a city."""

    cameras: int
    moving: float = 0.3
    """Share of cameras before which something moves, at a busy hour."""
    active_fps: float = 4.0
    idle_fps: float = 0.2
    """Looks at a still camera a second, above its pixel-less ticks."""
    ticks: float = 1.0
    retention_min: float = 10.0
    kept_days: float = 30.0
    replication: int = 3
    busy: float = 0.6
    """Share of a core that is planned for."""
    per_partition: float = 150.0
    """Cameras: at 30 % moving, 200 frames and 8 MB a second."""
    broker_bytes_s: float = 100e6
    """Assumed and not measured: what one broker of a cluster writes, copies included."""
    gpu_fps: tuple[float, float] = (500.0, 2000.0)
    """Assumed and not measured: pictures a second of one GPU in half precision, decoding included."""


def need(city: City, unit: Unit) -> dict[str, float]:
    """Partitions, rates in bytes and records a second, cores by stage, GPUs, disk in terabytes."""
    moving, still = city.cameras * city.moving, city.cameras * (1 - city.moving)
    pictures = moving * city.active_fps + still * city.idle_fps
    records = pictures + still * city.ticks
    cores = {
        "sample": moving * unit.sample_moving_s + still * unit.sample_idle_s + pictures * unit.pack_s,
        "broker": pictures * unit.carry_s,
        "detect": pictures * unit.detect_s,
        "watch": moving * city.active_fps * unit.fold_s + (records - moving * city.active_fps) * unit.fold_idle_s,
    }
    frames_bytes = pictures * unit.frame_bytes
    kept = records * unit.detections_bytes
    return {
        "cameras": city.cameras,
        "pictures_per_s": round(pictures),
        "records_per_s": round(records),
        "frames_mb_per_s": round(frames_bytes / 1e6, 1),
        "partitions": max(4, math.ceil(city.cameras / city.per_partition)),
        **{f"{stage}_cores": round(each / city.busy, 1) for stage, each in cores.items()},
        "gpus_least": math.ceil(pictures / city.gpu_fps[1]),
        "gpus_most": math.ceil(pictures / city.gpu_fps[0]),
        "frames_disk_tb": round(frames_bytes * city.retention_min * 60 * city.replication / 1e12, 2),
        "archive_tb": round(kept * 86_400 * city.kept_days / 1e12, 2),
        "brokers": max(3, math.ceil(frames_bytes * city.replication / city.broker_bytes_s)),
    }


def measured(unit: Unit) -> Unit:
    """The unit costs that this machine gives now."""
    watcher = WatchStage(site(), run="scaling")
    walk = along((0, 500, 790), (20, 500, 500), (60, 520, 500))
    busy = detections([walk], fps=4, seconds=60)
    idle = [record(busy[-1].captured_at + 100 + number, gap="idle") for number in range(2000)]
    packed = [encode(one) for one in busy]
    state = watcher.start("lane")

    def fold(records: list[bytes]) -> None:
        nonlocal state
        for one in records:
            state, _ = watcher.step(state, decode(one, Detections))

    fold(packed[:40])  # what is compiled at the first use
    state = watcher.start("lane")
    fold_s = _cpu(lambda: fold(packed)) / len(packed)
    fold_idle_s = _cpu(lambda: fold([encode(one) for one in idle])) / len(idle)
    size = sum(len(codec.encode_detections(one).value or b"") for one in busy) / len(busy)
    return replace(unit, fold_s=fold_s, fold_idle_s=fold_idle_s, detections_bytes=size, pack_s=_pack_s())


def _pack_s(size: tuple[int, int] = (540, 960), times: int = 100) -> float:
    noise = np.random.default_rng(1).integers(0, 255, (size[0] // 12, size[1] // 12, 3), np.uint8)
    picture = cv2.resize(noise, size[::-1], interpolation=cv2.INTER_CUBIC)
    frame = Frame(
        camera="lane",
        epoch=1,
        slot=0,
        captured_at=0,
        received_at=0,
        width=size[1],
        height=size[0],
        image=picture.astype(np.uint8),
    )

    def pack() -> None:
        for _ in range(times):
            jpeg.pack(frame)

    return _cpu(pack) / times


def _cpu(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    """Prints a row for each size of city."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true", help="measure the watcher's and JPEG's unit costs first")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cameras", type=int, nargs="+", default=[700, 3500, 100_000])
    arguments = parser.parse_args()
    unit = measured(Unit()) if arguments.measure else Unit()
    rows = [need(City(cameras), unit) for cameras in arguments.cameras]
    if arguments.json:
        print(json.dumps({"unit": asdict(unit), "cities": rows}))
        return
    print(asdict(unit))
    for name in rows[0]:
        print(f"{name:<18}" + "".join(f"{row[name]:>14,}" for row in rows))


if __name__ == "__main__":
    main()
