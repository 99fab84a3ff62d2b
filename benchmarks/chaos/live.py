"""Live cameras while samplers are killed and brokers stopped: which events are still found, and when."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.chaos.cluster_under_test import (
    FPS,
    Cluster,
    Listener,
    new_prefix,
    running_cluster,
    site,
    truths,
    wait_until,
)
from benchmarks.events import KINDS
from deploy.kafka_server import BrokerProcess
from detectors.evaluation.alarms import alarm_instants
from detectors.evaluation.matching import AFTER_S, Instant, match
from lanewatch.demo import CLIP

CAMERAS = 4
RATE = 3.5
"""Pictures a second and camera. With twice as many, and evidence of sixty events a minute, two cores are not enough."""
TAKEOVER_S = 15.0
LAG_S = 5.0
"""From a camera's last instant until its events are stored, on a busy machine."""
MAX_AGE_S = "300"
"""Frames that waited in a sampler during a broker outage are detected late instead of shed, so none is lost."""
PERIOD_S = 794 / FPS + 2 / RATE
"""From the first of the clip's 795 pictures to its next showing; the pause between is the source's own. It is a whole
number of grid steps, so every showing is sampled at the same pictures."""
UP_S = 40.0
"""After this time all stages work, and the counted showing starts."""
MAX_GB = 1.2
"""Resident memory of any process, at any time."""

Disturb = Callable[[Cluster, Listener], dict[str, Any]]


def play(folder: Path, address: str, disturb: Disturb | None, loops: int) -> dict[str, Any]:
    """Plays the demo's clip live, in wall time, ``loops`` times after a showing during which the stages start.

    ``disturb`` is called when the first counted showing starts; its result is part of the result.
    """
    since = on_grid(time.time() + UP_S - PERIOD_S)
    stamp = datetime.fromtimestamp(since, UTC).isoformat()
    url = f"file:{CLIP}?loop=1&pace=live&fps={FPS:g}&clock={stamp}&since={stamp}"
    looped = site(new_prefix(), url.replace("+", "%2B"), CAMERAS, fps=RATE)
    begin, end = since + PERIOD_S, since + PERIOD_S * (1 + loops)
    with running_cluster(folder, looped, address) as cluster:
        start(cluster)
        with Listener(cluster) as listener:
            wait_until(lambda: len(listener.watermarks) == CAMERAS, 90, "every camera has a watermark")
            if time.time() > begin:
                raise TimeoutError("the stages were not up when the clip began")
            time.sleep(begin - time.time())
            disturbance = {} if disturb is None else disturb(cluster, listener)
            last = end + AFTER_S + LAG_S
            wait_until(
                lambda: all(seen[-1][1].captured_at >= last for seen in listener.watermarks.values()),
                max(1.0, last - time.time()) + 180.0,
                "every camera's watermark is at the end",
            )
            cluster.drain()
        losses = cluster.losses()
        revisions = cluster.revisions()
        cluster.process_group.end()
    shown = [begin + loop * PERIOD_S for loop in range(-1, loops + 1)]
    around = [truth for begins_at in shown for truth in truths(CAMERAS, begins_at)]
    return disturbance | scored(alarm_instants(revisions), around, begin, end) | {"lost": losses}


def on_grid(at: float) -> float:
    """The next time at which the clip can start so that every run samples the same pictures.

    Otherwise chance decides which of two pictures falls on an instant of the UTC grid, and with it one event in a
    hundred. A sampled picture lies a quarter of a step behind its instant, the next picture three quarters.
    """
    return (math.ceil(at * RATE) + 0.25) / RATE


def start(cluster: Cluster) -> None:
    """Starts two processes of sample, detect and watch, one of correlate and serve."""
    for number in (1, 2):
        cluster.start("sample", f"sample-{number}")
        cluster.start("detect", f"detect-{number}", "--max-age", MAX_AGE_S)
        cluster.start("watch", f"watch-{number}")
    cluster.start("correlate", "correlate-1")
    cluster.start("serve", "serve-1")
    cluster.wait_for_service()


def scored(raised: list[Instant], truths: list[Instant], begin: float, end: float) -> dict[str, Any]:
    """The truths of the counted time that were found within KISA's window, and the false alarms in it.

    Alarms of truths before and after that time are neither found nor false.
    """
    raised = [alarm for alarm in raised if isinstance(alarm.key, tuple) and alarm.key[1] in KINDS]
    matches = match(raised, truths)
    counted = [number for number, truth in enumerate(truths) if begin <= truth.at < end]
    missed = [truths[number] for number in counted if number in set(matches.missed)]
    false = [raised[number] for number in matches.false if begin <= raised[number].at < end]
    return {
        "truths": len(counted),
        "found": len(counted) - len(missed),
        "missed": [(truth.key, round(truth.at - begin, 1)) for truth in missed],
        "false": [(alarm.key, round(alarm.at - begin, 1)) for alarm in false],
    }


def killed_sampler(cluster: Cluster, listener: Listener) -> dict[str, Any]:
    """Kills one of two samplers, waits until the other has its cameras, and starts it again."""
    time.sleep(20.0)
    cameras = {name: cluster.total(name, "lanewatch_cameras") for name in ("sample-1", "sample-2")}
    victim = max(cameras, key=lambda name: cameras[name])
    before = {camera: seen[-1][1].captured_at for camera, seen in listener.watermarks.items()}
    cluster.process_group[victim].kill()
    killed = time.monotonic()
    target = {camera: at + TAKEOVER_S + 1.0 for camera, at in before.items()}
    wait_until(
        lambda: all(seen[-1][1].captured_at > target[camera] for camera, seen in listener.watermarks.items()),
        90,
        "all cameras are sampled again",
    )
    waited_s = time.monotonic() - killed
    captured = [[watermark.captured_at for _, watermark in seen] for seen in listener.watermarks.values()]
    longest = max(after - before for times in captured for before, after in itertools.pairwise(times))
    cluster.process_group[victim].start()
    return {"hole_s": longest, "cameras": cameras[victim], "waited_s": waited_s}


def stopped_broker(process: BrokerProcess, away_s: float) -> Disturb:
    """Stops the broker for a time."""

    def disturb(cluster: Cluster, listener: Listener) -> dict[str, Any]:
        time.sleep(20.0)
        process.stop()
        most_gb = 0.0
        until = time.monotonic() + away_s
        while time.monotonic() < until:
            most_gb = max(most_gb, *(cluster.resident_gb(name) for name in cluster.process_group.processes))
            time.sleep(1.0)
        before = {name: cluster.resident_gb(name) for name in cluster.process_group.processes}
        process.start()
        resident_gb = {name: round(gb, 3) for name, gb in before.items()}
        return {"away_s": away_s, "resident_gb": resident_gb, "most_gb": most_gb}

    return disturb


def restarted_broker(process: BrokerProcess, times: int) -> Disturb:
    """Kills the broker during its work, and starts it again at once."""

    def disturb(cluster: Cluster, listener: Listener) -> dict[str, Any]:
        for _ in range(times):
            time.sleep(15.0)
            process.kill()
            process.start()
        return {"restarts": times}

    return disturb
