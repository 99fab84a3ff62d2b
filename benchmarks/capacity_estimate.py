"""Computes what a deployment needs: partitions, bytes, cores, GPUs and disk, from measured unit costs.

``UnitCosts`` is the one place for the costs; ``--measure`` measures those again that need no other benchmark.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace

import cv2
import numpy as np

from benchmarks import command
from benchmarks.command import cpu_seconds
from detectors.watch_stage import WatchStage
from lanewatch.records import Detections, Frame, decode, encode
from streams.kafka import codec
from streams.video import jpeg
from tests.detectors.walker_records import along, detections, make_record, site


@dataclass(frozen=True)
class UnitCosts:
    """Costs of one unit on one core of the ledger's machine; seconds are CPU seconds."""

    sample_moving_s: float = 0.020
    """A second of video with motion (``python -m benchmarks.sampling``: 17-20 ms)."""
    sample_idle_s: float = 0.0028
    """A second of video without motion (the same: 2.5-2.8 ms)."""
    pack_s: float = 0.0012
    """Encoding a picture as JPEG (``--measure``)."""
    carry_s: float = 2 / 3500
    """A frame of 40 KB through producer, broker and consumer. Two cores are counted in full at 3,500 a second
    (``benchmarks.kafka``: 3,497 and 4,210 in two runs)."""
    detect_s: float = 2 / 90
    """Decoding a picture and detecting in it (``benchmarks.pipeline``: 90 frames/s on two cores)."""
    fold_s: float = 0.00012
    """A record with a person through the watch stage (``--measure``)."""
    fold_idle_s: float = 0.000011
    """A record without people (``--measure``)."""
    detections_bytes: float = 500
    """A record with one person, before compression: an upper bound (``--measure``)."""
    frame_bytes: float = 40_000
    """A picture as JPEG with its metadata."""


@dataclass(frozen=True)
class Deployment:
    """Assumptions about a deployment."""

    cameras: int
    moving: float = 0.3
    """Share of cameras with motion at a busy hour."""
    active_fps: float = 4.0
    idle_fps: float = 0.2
    """Pictures a second of a camera without motion, in addition to its ticks."""
    ticks: float = 1.0
    retention_min: float = 10.0
    archive_days: float = 30.0
    replication: int = 3
    core_load: float = 0.6
    """Planned share of a core."""
    cameras_per_partition: float = 150.0
    """At 30 % with motion, 200 frames and 8 MB a second."""
    broker_bytes_s: float = 100e6
    """Assumed, not measured: what one broker of a cluster writes, replicas included."""
    gpu_fps: tuple[float, float] = (500.0, 2000.0)
    """Assumed, not measured: pictures a second of one GPU in half precision, decoding included."""


def requirements(deployment: Deployment, unit: UnitCosts) -> dict[str, float]:
    """Partitions, rates in bytes and records a second, cores by stage, GPUs, disk in terabytes."""
    moving = deployment.cameras * deployment.moving
    still = deployment.cameras * (1 - deployment.moving)
    pictures = moving * deployment.active_fps + still * deployment.idle_fps
    records = pictures + still * deployment.ticks
    active = moving * deployment.active_fps
    cores = {
        "sample": moving * unit.sample_moving_s + still * unit.sample_idle_s + pictures * unit.pack_s,
        "broker": pictures * unit.carry_s,
        "detect": pictures * unit.detect_s,
        "watch": active * unit.fold_s + (records - active) * unit.fold_idle_s,
    }
    frames_bytes = pictures * unit.frame_bytes
    disk_bytes = frames_bytes * deployment.retention_min * 60 * deployment.replication
    archive_bytes = records * unit.detections_bytes * 86_400 * deployment.archive_days
    return {
        "cameras": deployment.cameras,
        "pictures_per_s": round(pictures),
        "records_per_s": round(records),
        "frames_mb_per_s": round(frames_bytes / 1e6, 1),
        "partitions": max(4, math.ceil(deployment.cameras / deployment.cameras_per_partition)),
        **{f"{stage}_cores": round(load / deployment.core_load, 1) for stage, load in cores.items()},
        "gpus_least": math.ceil(pictures / deployment.gpu_fps[1]),
        "gpus_most": math.ceil(pictures / deployment.gpu_fps[0]),
        "frames_disk_tb": round(disk_bytes / 1e12, 2),
        "archive_tb": round(archive_bytes / 1e12, 2),
        "brokers": max(3, math.ceil(frames_bytes * deployment.replication / deployment.broker_bytes_s)),
    }


def measured(unit: UnitCosts) -> UnitCosts:
    """The unit costs on this machine."""
    watcher = WatchStage(site(), run="scaling")
    walk = along((0, 500, 790), (20, 500, 500), (60, 520, 500))
    active = detections([walk], fps=4, seconds=60)
    idle = [make_record(active[-1].captured_at + 100 + number, gap="idle") for number in range(2000)]
    state = watcher.start("lane")

    def fold(encoded: list[bytes]) -> None:
        nonlocal state
        for data in encoded:
            state, _ = watcher.step(state, decode(data, Detections))

    encoded = [encode(detections) for detections in active]
    fold(encoded[:40])  # the first use compiles
    state = watcher.start("lane")
    fold_s = cpu_seconds(lambda: fold(encoded)) / len(encoded)
    fold_idle_s = cpu_seconds(lambda: fold([encode(tick) for tick in idle])) / len(idle)
    size = sum(len(codec.encode_detections(detections).value or b"") for detections in active) / len(active)
    return replace(unit, fold_s=fold_s, fold_idle_s=fold_idle_s, detections_bytes=size, pack_s=_pack_s())


def _pack_s() -> float:
    noise = np.random.default_rng(1).integers(0, 255, (45, 80, 3), np.uint8)
    picture = cv2.resize(noise, (960, 540), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    frame = Frame(camera="lane", epoch=1, slot=0, captured_at=0, received_at=0, width=960, height=540, image=picture)
    return cpu_seconds(lambda: [jpeg.pack(frame) for _ in range(100)]) / 100


def main() -> None:
    """Prints a column for each number of cameras."""
    parser = command.parser(__doc__)
    parser.add_argument("--measure", action="store_true", help="measure the costs of the watch stage and of JPEG first")
    parser.add_argument("--cameras", type=int, nargs="+", default=[700, 3500, 100_000])
    options = parser.parse_args()
    unit = measured(UnitCosts()) if options.measure else UnitCosts()
    rows = [requirements(Deployment(cameras), unit) for cameras in options.cameras]

    def table(report: dict[str, object]) -> str:
        lines = [f"{name:<18}" + "".join(f"{row[name]:>14,}" for row in rows) for name in rows[0]]
        return "\n".join([str(report["unit"]), *lines])

    command.show({"unit": asdict(unit), "cities": rows}, table, options.json)


if __name__ == "__main__":
    main()
