"""Kills detect, watch, correlate or serve at a random moment: the events must equal those of an undisturbed run."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.chaos.cluster_under_test import (
    Cluster,
    Listener,
    content,
    new_prefix,
    running_cluster,
    site,
    wait_until,
)
from lanewatch.config.site import Site
from lanewatch.demo import CLIP
from lanewatch.records import Frame
from streams.kafka.client.producers import FrameProducer
from streams.kafka.client.topics import ensure_topics
from streams.sampling.sampler import Sampler
from streams.video import jpeg

CAMERAS = 2
FPS = 3.5
SPEED = 4.0
"""Capture seconds a second. So a round lasts half a minute, and the detector has 28 frames a second."""
CLOCK = "2026-01-15T12:00:00+09:00"
TAKEOVER_S = 15.0
PREROLL = 20
"""Records sent before the clock starts: they pass when all processes run and have their partitions."""
NAMES = {
    "detect": ("detect-1", "detect-2"),
    "watch": ("watch-1", "watch-2"),
    "correlate": ("correlate-1", "correlate-2"),
    "serve": ("serve-1",),
}


def footage(site: Site) -> list[Frame]:
    """All cameras' frames, JPEG-encoded, in the order of capture. They are sampled once for all rounds."""
    samplers = (Sampler(camera, time_zone=site.time_zone, gate=False) for camera in site.cameras)
    frames = [jpeg.pack(frame) for sampler in samplers for frame in sampler]
    return sorted(frames, key=lambda frame: (frame.captured_at, frame.camera))


def rounds(folder: Path, address: str, count: int, seed: int) -> dict[str, Any]:
    """Runs an undisturbed round and ``count`` disturbed ones, whose rows are in ``rounds``."""
    url = f"file:{CLIP}?pace=fast&fps=7&clock={CLOCK}"
    frames = footage(site(new_prefix(), url, CAMERAS, fps=FPS))
    undisturbed = _round(folder / "undisturbed", url, frames, address, None, 0.0)
    rows = []
    rng, stages = random.Random(seed), list(NAMES)
    for number in range(count):
        stage = stages[number % len(stages)]
        moment = rng.uniform(0.05, 0.9)
        disturbed = _round(folder / f"round-{number}", url, frames, address, stage, moment)
        rows.append(_compare(stage, moment, undisturbed, disturbed))
        print(_line(number, rows[-1]), flush=True)
    return {
        "undisturbed_events": len({event.id for event in undisturbed["revisions"]}),
        "undisturbed_revisions": len(undisturbed["revisions"]),
        **{name: undisturbed[name] for name in ("seconds", "up_s", "end_s")},
        "rounds": rows,
    }


def _line(number: int, row: dict[str, Any]) -> str:
    equal = "equal" if row["equal"] else f"NOT EQUAL: lost {row['lost']}, more {row['more']}"
    return (
        f"{number + 1:>3}  {row['stage']:<10} killed at {row['moment']:.0%}  {equal}, doubled {row['doubled']}, "
        f"takeover {row['takeover_s']:.1f} s, round {row['seconds']:.0f} s"
    )


def _compare(stage: str, moment: float, undisturbed: dict[str, Any], disturbed: dict[str, Any]) -> dict[str, Any]:
    expected, found = content(undisturbed["revisions"]), content(disturbed["revisions"])
    return {
        "stage": stage,
        "moment": moment,
        "equal": expected == found,
        "lost": len(expected.keys() - found.keys()),
        "more": len(found.keys() - expected.keys()),
        "doubled": len(disturbed["revisions"]) - len(found),
        "takeover_s": disturbed["takeover_s"],
        "seconds": disturbed["seconds"],
    }


def _round(
    folder: Path, url: str, frames: Sequence[Frame], address: str, stage: str | None, moment: float
) -> dict[str, Any]:
    own_site = site(new_prefix(), url, CAMERAS, fps=FPS)
    cameras = [camera.id for camera in own_site.cameras]
    started = time.monotonic()
    with running_cluster(folder, own_site, address) as cluster:
        ensure_topics(cluster.broker, cluster.topics)
        for kind, names in NAMES.items():
            for name in names:
                cluster.start(kind, name, *(["--max-age", "0"] if kind == "detect" else []))
        cluster.wait_for_service()
        with Listener(cluster) as listener:
            feeder = _Feeder(cluster, frames, cameras)
            feeder.start()
            wait_until(lambda: len(listener.watermarks) == len(cameras), 90, "every camera has a watermark")
            feeder.go.set()
            up_s = time.monotonic() - started
            takeover_s = 0.0
            if stage is not None:
                time.sleep(moment * feeder.duration_s)
                killed = time.monotonic()
                takeover_s = _kill(cluster, stage)
            feeder.join()
            wait_until(lambda: listener.all_ended(cameras), 120, "every camera has ended")
            if stage in {"detect", "watch"}:
                takeover_s = listener.silence_s(killed)
        cluster.drain()
        fed_s = time.monotonic() - started - up_s
        cluster.process_group.end()
        total_s = time.monotonic() - started
        return {
            "revisions": cluster.revisions(),
            "takeover_s": takeover_s,
            "seconds": total_s,
            "up_s": up_s,
            "end_s": total_s - up_s - fed_s,
        }


def _kill(cluster: Cluster, stage: str) -> float:
    """Kills a working process of a stage. The service is restarted; the other stages have a second process.

    Returns:
        The time until the work continues. For the correlation: until the standby has restored the partition. For the
        service: until its committed offset rises. For detect and watch 0: the listener measures their takeover.
    """
    victim = _working_process(cluster, stage)
    cluster.process_group[victim].kill()
    killed = time.monotonic()
    if stage == "serve":
        cluster.process_group[victim].start()
    if stage in {"detect", "watch"}:
        return 0.0
    committed = cluster.committed(stage)
    if stage == "correlate":
        standby = next(name for name in NAMES[stage] if name != victim)
        wait_until(lambda: _has_partitions(cluster, standby), 60, f"{standby} takes over")
    else:
        wait_until(lambda: cluster.committed(stage) > committed, 60, f"{stage} continues")
    return time.monotonic() - killed


def _working_process(cluster: Cluster, stage: str) -> str:
    """The first process of a stage that has partitions, by its metrics."""
    for name in NAMES[stage]:
        if stage == "serve" or _has_partitions(cluster, name):
            return name
    raise RuntimeError(f"no process of {stage} has any partition")


def _has_partitions(cluster: Cluster, name: str) -> bool:
    return cluster.total(name, "lanewatch_partitions") > 0


class _Feeder(threading.Thread):
    """Sends the footage: the pre-roll at once, the rest at its pace once ``go`` is set."""

    def __init__(self, cluster: Cluster, frames: Sequence[Frame], cameras: Sequence[str]) -> None:
        super().__init__(name="feeder", daemon=True)
        self._frames = frames
        self._partitions = {camera: number for number, camera in enumerate(cameras)}
        self._producer = FrameProducer(cluster.broker, cluster.topics)
        self.go = threading.Event()
        self.duration_s = (frames[-1].captured_at - frames[PREROLL].captured_at) / SPEED

    def run(self) -> None:
        for frame in self._frames[:PREROLL]:
            self._producer.send(frame, self._partitions[frame.camera])
        self.go.wait()
        first, started = self._frames[PREROLL].captured_at, time.monotonic()
        for frame in self._frames[PREROLL:]:
            time.sleep(max(0.0, started + (frame.captured_at - first) / SPEED - time.monotonic()))
            self._producer.send(frame, self._partitions[frame.camera])
        self._producer.close(30.0)
