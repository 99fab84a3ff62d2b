"""Detect, watch, correlate or serve killed at a random moment: the events must equal those of an undisturbed run."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.chaos.cluster import Listener, Town, content, fresh, site, town, waited
from lanewatch.config.site import Site
from lanewatch.records import Frame
from streams.kafka.client.producers import FrameProducer
from streams.kafka.client.topics import ensure_topics
from streams.sampling.sampler import Sampler
from streams.video import jpeg

CAMERAS = 2
FPS = 3.5
SPEED = 4.0
"""Capture seconds a second: a round of the clip lasts half a minute, and the detector has 28 frames a second."""

CLOCK = "2026-01-15T12:00:00+09:00"
STAGES = ("detect", "watch", "correlate", "serve")
TAKEOVER_S = 15.0
PREROLL = 20
"""Records before the clock starts: processes are up, partitions are given, the first frames have gone through."""

NAMES = {
    "detect": ("detect-1", "detect-2"),
    "watch": ("watch-1", "watch-2"),
    "correlate": ("correlate-1", "correlate-2"),
    "serve": ("serve-1",),
}


def footage(what: Site) -> list[Frame]:
    """Every camera's frames as they travel, in the order of capture: sampled once, the same in every round."""
    frames = [
        jpeg.pack(frame) for camera in what.cameras for frame in Sampler(camera, time_zone=what.time_zone, gate=False)
    ]
    return sorted(frames, key=lambda frame: (frame.captured_at, frame.camera))


def rounds(folder: Path, clip: Path, address: str, count: int, seed: int) -> dict[str, Any]:
    """One undisturbed round and ``count`` disturbed ones.

    Returns:
        ``rounds``: for each the stage, the moment, whether the events were equal, lost and doubled ones, the takeover.
    """
    url = f"file:{clip}?pace=fast&fps=7&clock={CLOCK}"
    frames = footage(site(fresh(), url, CAMERAS, fps=FPS))
    whole = _round(folder / "undisturbed", url, frames, address, None, 0.0)
    rows = []
    draw = random.Random(seed)
    for number in range(count):
        stage = STAGES[number % len(STAGES)]
        moment = draw.uniform(0.05, 0.9)
        one = _round(folder / f"round-{number}", url, frames, address, stage, moment)
        rows.append(_compared(stage, moment, whole, one))
        print(_line(number, rows[-1]), flush=True)
    return {
        "undisturbed_events": len({event.id for event in whole["revisions"]}),
        "undisturbed_revisions": len(whole["revisions"]),
        "seconds": whole["seconds"],
        "up_s": whole["up_s"],
        "end_s": whole["end_s"],
        "rounds": rows,
    }


def _line(number: int, row: dict[str, Any]) -> str:
    equal = "equal" if row["equal"] else f"NOT EQUAL: lost {row['lost']}, more {row['more']}"
    return (
        f"{number + 1:>3}  {row['stage']:<10} killed at {row['moment']:.0%}  {equal}, doubled {row['doubled']}, "
        f"takeover {row['takeover_s']:.1f} s, round {row['seconds']:.0f} s"
    )


def _compared(stage: str, moment: float, whole: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
    expected, found = content(whole["revisions"]), content(one["revisions"])
    return {
        "stage": stage,
        "moment": moment,
        "equal": expected == found,
        "lost": len(expected.keys() - found.keys()),
        "more": len(found.keys() - expected.keys()),
        "doubled": len(one["revisions"]) - len(found),
        "takeover_s": one["takeover_s"],
        "seconds": one["seconds"],
    }


def _round(
    folder: Path, url: str, frames: Sequence[Frame], address: str, stage: str | None, moment: float
) -> dict[str, Any]:
    what = site(fresh(), url, CAMERAS, fps=FPS)
    cameras = [camera.id for camera in what.cameras]
    begun = time.monotonic()
    with town(folder, what, address) as here:
        ensure_topics(here.broker, here.topics)
        for kind, names in NAMES.items():
            for name in names:
                here.start(kind, name, *(["--max-age", "0"] if kind == "detect" else []))
        here.serving()
        with Listener(here) as listener:
            feeder = _Feeder(here, frames, cameras)
            feeder.start()
            waited(lambda: all(camera in listener.reached for camera in cameras), 90, "every camera is judged")
            feeder.go()
            up_s = time.monotonic() - begun
            takeover_s = 0.0
            if stage is not None:
                time.sleep(moment * feeder.lasts_s)
                killed = time.monotonic()
                takeover_s = _killed(here, stage)
            feeder.join()
            waited(lambda: listener.over(cameras), 120, "every camera has ended")
            if stage in {"detect", "watch"}:
                takeover_s = listener.silence_s(killed)
        here.settled()
        fed_s = time.monotonic() - begun - up_s
        here.fleet.end()
        whole_s = time.monotonic() - begun
        return {
            "revisions": here.revisions(),
            "takeover_s": takeover_s,
            "seconds": whole_s,
            "up_s": up_s,
            "end_s": whole_s - up_s - fed_s,
        }


def _killed(here: Town, stage: str) -> float:
    """Kills the process of a stage that is at work; the service is started again, others have a standby.

    Returns:
        How long until its work went on: until the standby of the correlation has its partition, restored, until the
        service's place in the events topic has moved; 0 for those that the cameras' silence tells of.
    """
    victim = _at_work(here, stage)
    here.fleet[victim].kill()
    killed = time.monotonic()
    if stage == "serve":
        here.again(victim)
    if stage in {"detect", "watch"}:
        return 0.0
    place = here.place(stage)
    if stage == "correlate":
        standby = next(name for name in NAMES[stage] if name != victim)
        waited(lambda: _has_any(here, standby), 60, f"{standby} goes on")
    else:
        waited(lambda: here.place(stage) > place, 60, f"{stage} goes on")
    return time.monotonic() - killed


def _at_work(here: Town, stage: str) -> str:
    """One of a stage's processes that has partitions, as its metrics tell; the first one where both have."""
    for name in NAMES[stage]:
        if stage == "serve" or _has_any(here, name):
            return name
    raise RuntimeError(f"no process of {stage} has any partition")


def _has_any(here: Town, name: str) -> bool:
    return any(key.startswith("lanewatch_partitions{") and value > 0 for key, value in here.metrics(name).items())


class _Feeder(threading.Thread):
    """Sends the footage at its pace: some records first, so that everything is awake, the rest when told to go."""

    def __init__(self, here: Town, frames: Sequence[Frame], cameras: Sequence[str]) -> None:
        super().__init__(name="feeder", daemon=True)
        self._frames = frames
        self._seats = {camera: number for number, camera in enumerate(cameras)}
        self._sender = FrameProducer(here.broker, here.topics)
        self._went = threading.Event()
        self.lasts_s = (frames[-1].captured_at - frames[PREROLL].captured_at) / SPEED

    def go(self) -> None:
        """Sends the rest at its pace."""
        self._went.set()

    def run(self) -> None:
        for frame in self._frames[:PREROLL]:
            self._sender.send(frame, self._seats[frame.camera])
        self._went.wait()
        first, begun = self._frames[PREROLL].captured_at, time.monotonic()
        for frame in self._frames[PREROLL:]:
            time.sleep(max(0.0, begun + (frame.captured_at - first) / SPEED - time.monotonic()))
            self._sender.send(frame, self._seats[frame.camera])
        self._sender.close(30.0)
