"""Live cameras while samplers are killed, brokers stopped and neighbours misbehave: what is still found, and when."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.chaos.cluster import FPS, Listener, Town, fresh, site, town, truths, waited
from deploy.kafka_server import BrokerProcess
from detectors.evaluation.alarms import alarm_instants
from detectors.evaluation.matching import AFTER_S, Instant, match

CAMERAS = 4
RATE = 3.5
"""Pictures a second and camera: at twice as many, with sixty events a minute to cut, two cores are the limit."""

TAKEOVER_S = 15.0

LAG_S = 5.0
"""After a camera's last instant until its events are stored, on a busy machine."""

MOST_AGE_S = "300"
"""Frames that waited in a sampler while the broker was away are looked at late rather than shed: nothing is lost."""

PERIOD_S = 794 / FPS + 2 / RATE
"""From the first of the clip's 795 pictures to its next showing: the pause is the source's own. It is a whole number of
the grid's steps, so that every showing is sampled at the same pictures."""

UP_S = 40.0
"""After so long all stages are at work, and the round that counts begins."""

MOST_GB = 1.2
"""Of any one process, whatever the broker does."""

Disturb = Callable[[Town, Listener], dict[str, Any]]


class Scene:
    """The clip in a loop before live cameras, and the round of it that counts.

    Capture time is wall time, so that what is found can be told while it is.
    """

    def __init__(self, folder: Path, clip: Path, address: str, period_s: float, *, loops: int = 1) -> None:
        self._folder = folder
        self._address = address
        self._clip = clip
        self._period_s = period_s
        self._loops = loops

    def play(self, name: str, disturb: Disturb | None = None, *, cameras: int = CAMERAS) -> dict[str, Any]:
        """Plays the clip's loops before the cameras; the end of one in which everything starts does not count.

        Args:
            name: of the run, and its folder.
            disturb: called at the beginning of what counts; what it returns is in the result.
        """
        since = on_grid(time.time() + UP_S - self._period_s)
        stamp = datetime.fromtimestamp(since, UTC).isoformat()
        url = f"file:{self._clip}?loop=1&pace=live&fps={FPS:g}&clock={stamp}&since={stamp}"
        what = site(fresh(), url.replace("+", "%2B"), cameras, fps=RATE)
        begin, end = since + self._period_s, since + self._period_s * (1 + self._loops)
        with town(self._folder / name, what, self._address) as here:
            start(here)
            with Listener(here) as listener:
                waited(lambda: len(listener.reached) == cameras, 90, "every camera is judged")
                if time.time() > begin:
                    raise TimeoutError("the stages were not up when the clip began")
                time.sleep(begin - time.time())
                told = {} if disturb is None else disturb(here, listener)
                last = end + AFTER_S + LAG_S
                waited(
                    lambda: all(marks[-1][1].captured_at >= last for marks in listener.reached.values()),
                    max(1.0, last - time.time()) + 180.0,
                    "every camera is judged to the end",
                )
                here.settled()
            lost = here.lost()
            revisions = here.revisions()
            here.fleet.end()
        around = [one for loop in range(-1, self._loops + 1) for one in truths(cameras, begin + loop * self._period_s)]
        return told | scored(alarm_instants(revisions), around, begin, end) | {"lost": lost}


def on_grid(at: float) -> float:
    """The next moment at which a clip can begin so that, in every run, the same of its pictures are sampled.

    Which of two pictures falls on an instant of the UTC grid would otherwise be chance, and with it one event in a
    hundred. Each picture that is sampled lies a quarter of a step behind its instant, the next one three quarters.
    """
    return (math.ceil(at * RATE) + 0.25) / RATE


KINDS = ("loitering", "intrusion", "line_crossing")


def start(here: Town) -> None:
    """Two of each stage, and the service."""
    for number in (1, 2):
        here.start("sample", f"sample-{number}")
        here.start("detect", f"detect-{number}", "--max-age", MOST_AGE_S)
        here.start("watch", f"watch-{number}")
    here.start("correlate", "correlate-1")
    here.start("serve", "serve-1")
    here.serving()


def scored(raised: list[Instant], truths: list[Instant], begin: float, end: float) -> dict[str, Any]:
    """What of the time that counts was found within KISA's window, and what was raised in it besides.

    Truths before and after it have their alarms too: those are neither found nor false.
    """
    raised = [one for one in raised if isinstance(one.key, tuple) and one.key[1] in KINDS]
    met = match(raised, truths)
    counted = [number for number, one in enumerate(truths) if begin <= one.at < end]
    missed = [truths[number] for number in counted if number in set(met.missed)]
    false = [raised[number] for number in met.false if begin <= raised[number].at < end]
    return {
        "truths": len(counted),
        "found": len(counted) - len(missed),
        "missed": [(one.key, round(one.at - begin, 1)) for one in missed],
        "false": [(one.key, round(one.at - begin, 1)) for one in false],
    }


def killed_sampler(here: Town, listener: Listener) -> dict[str, Any]:
    """Kills one of two samplers; its cameras are the other's after a while. Later it comes back."""
    time.sleep(20.0)
    had = {name: _cameras(here, name) for name in ("sample-1", "sample-2")}
    victim = max(had, key=lambda name: had[name])
    before = {camera: marks[-1][1].captured_at for camera, marks in listener.reached.items()}
    here.fleet[victim].kill()
    killed = time.monotonic()
    again = {camera: at + TAKEOVER_S + 1.0 for camera, at in before.items()}
    waited(
        lambda: all(marks[-1][1].captured_at > again[camera] for camera, marks in listener.reached.items()),
        90,
        "all cameras are sampled again",
    )
    waited_s = time.monotonic() - killed
    longest = max(_hole(listener, camera) for camera in listener.reached)
    here.again(victim)
    return {"hole_s": longest, "cameras": had[victim], "waited_s": waited_s}


def _cameras(here: Town, name: str) -> float:
    return sum(value for key, value in here.metrics(name).items() if key.startswith("lanewatch_cameras{"))


def _hole(listener: Listener, camera: str) -> float:
    """The longest time between two tellings of how far a camera was judged, capture time."""
    times = [one.captured_at for _, one in listener.reached[camera]]
    return max((after - before for before, after in itertools.pairwise(times)), default=0.0)


def stopped_broker(process: BrokerProcess, away_s: float) -> Disturb:
    """Stops the broker for a time."""

    def disturb(here: Town, listener: Listener) -> dict[str, Any]:
        time.sleep(20.0)
        process.stop()
        most = 0.0
        until = time.monotonic() + away_s
        while time.monotonic() < until:
            most = max(most, *(here.resident(name) for name in here.fleet.processes))
            time.sleep(1.0)
        before = {name: here.resident(name) for name in here.fleet.processes}
        process.start()
        return {"away_s": away_s, "resident_gb": {name: round(gb, 3) for name, gb in before.items()}, "most_gb": most}

    return disturb


def restarted_broker(process: BrokerProcess, times: int) -> Disturb:
    """Kills the broker in the middle of its work and starts it again at once."""

    def disturb(here: Town, listener: Listener) -> dict[str, Any]:
        for _ in range(times):
            time.sleep(15.0)
            process.kill()
            process.start()
        return {"restarts": times}

    return disturb
