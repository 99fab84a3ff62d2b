"""A city on one machine: a broker, two of each stage, the service and its console. `make city` runs it."""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from api.storage.data_directory import DataDirectory, DirectoryInUseError
from deploy.kafka_server import running_broker
from deploy.process_group import ProcessGroup
from lanewatch import demo
from lanewatch.config import loader
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.topics import Topics

RATE = 3.5
"""Frames a second of each camera: with four of them a third of what the detector does on two cores."""

PHASE_S = 28.0
"""The cameras show the same clip, each so much further on: something happens every few seconds."""

LEAD_S = 12.0
"""The clip begins so long after the start: the processes need it to be there."""

DEGREES_NORTH = 0.0006
"""Between two cameras: 70 m, neighbours."""

UP_S = 90.0

NUMBERS = ("1번", "2번", "3번", "4번", "5번", "6번", "7번", "8번")


def site_of(cameras: int, address: str, prefix: str, now: float, rate: float = RATE) -> dict[str, Any]:
    """The demo's site with several cameras, as a site file has it.

    Args:
        cameras: how many, at most eight.
        address: the broker's, or several with commas between.
        prefix: of the topics' names.
        now: when they begin to play, wall clock.
        rate: frames a second of each.
    """
    site: dict[str, Any] = YAML(typ="safe").load(demo.SITE.read_text(encoding="utf-8"))
    model = site["cameras"][0]
    begins = datetime.fromisoformat("2026-01-15T02:00:00+09:00").timestamp()
    site["cameras"] = []
    for index in range(cameras):
        camera = deepcopy(model)
        back = index * PHASE_S
        since = datetime.fromtimestamp(now + LEAD_S - back, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        clock = datetime.fromtimestamp(begins - back, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        camera["id"] = f"lane-{index + 1:02}"
        camera["name"] = {"ko": f"들말 삼거리 {NUMBERS[index]}", "en": f"Deulmal junction {index + 1}"}
        camera["url"] = f"file:{demo.CLIP}?loop=1&clock={clock}&since={since}&pace=live&fps=7"
        camera["latitude"] += index * DEGREES_NORTH
        camera["rate"] = {"active": rate, "idle": rate}
        site["cameras"].append(camera)
    site["id"] = "city"
    site["name"] = {"ko": "들말 안전마을 (분산 시연)", "en": "Deulmal village (demo of a city)"}
    site["kafka"] = {
        "brokers": [one.strip() for one in address.split(",")],
        "prefix": prefix,
        "partitions": max(cameras, 2),  # one for each camera: the two of each stage have equal shares
        "frames": {"minutes": 10, "gigabytes": 2},
        "detections": {"minutes": 60, "gigabytes": 1},
        "events": {"minutes": 1440, "gigabytes": 1},
    }
    return site


class LocalCluster:
    """Its processes; a context manager that leaves none behind.

    Args:
        folder: where its site file, events, evidence and logs lie; what an earlier city wrote is replaced.
        cameras: how many.
        port: of the console; 0 takes a free one.
        rate: frames a second of each camera.
        tell: whether the processes' lines are printed.
    """

    def __init__(self, folder: Path, *, cameras: int = 4, port: int = 8000, rate: float = RATE, tell: bool = True):
        self.folder = folder
        self.url = ""
        self._up = threading.Event()
        self._cameras = cameras
        self._port = port
        self._rate = rate
        self._tell = tell
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> LocalCluster:
        try:
            self._start()
        except BaseException:
            self._closing.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _start(self) -> None:
        with DataDirectory(self.folder) as folder:
            folder.empty()
        print_line("looking for a broker, or starting one: Apache Kafka, one node")
        address = self._closing.enter_context(running_broker())
        file = self.folder / "site.yaml"
        prefix = f"lanewatch.city-{int(time.time())}"
        site = site_of(self._cameras, address, prefix, time.time(), self._rate)
        file.write_text(json.dumps(site, ensure_ascii=False, indent=2), encoding="utf-8")
        self._closing.callback(_forget, file)
        self.fleet = self._closing.enter_context(ProcessGroup(self.folder / "logs", tell=self._line))
        data = str(self.folder / "data")
        self._begin("serve", file, "1", "--data", data, "--port", str(self._port))
        for stage in ("correlate", "watch", "detect", "sample"):
            for number in ("1", "2"):
                self._begin(stage, file, number)

    def _begin(self, stage: str, file: Path, number: str, *more: str) -> None:
        name = f"{stage}-{number}"
        self.fleet.start(name, stage, str(file), "--node", name, *more)

    def _line(self, name: str, line: str) -> None:
        if self._tell:
            print(f"{name:<12}| {line}", flush=True)
        if name.startswith("serve") and ": http://" in line:
            self.url = line.split(": ", 1)[1].split()[0]
            self._up.set()

    @property
    def ended(self) -> list[str]:
        """Processes that have ended by themselves."""
        return [name for name, process in self.fleet.processes.items() if not process.running]

    def wait(self, timeout_s: float = UP_S) -> str:
        """Waits until the console is there; its address.

        Raises:
            RuntimeError: it did not come.
        """
        until = time.monotonic() + timeout_s
        while not self._up.wait(0.2):
            if self.ended or time.monotonic() > until:
                raise RuntimeError(f"the city did not come up: {', '.join(self.ended) or 'serve'}; see {self.folder}")
        return self.url

    def events(self) -> list[dict[str, Any]]:
        """What the service has stored, the newest first."""
        with urllib.request.urlopen(f"{self.url}/v1/events?limit=200", timeout=10) as answer:
            found: list[dict[str, Any]] = json.load(answer)["events"]
            return found


def _forget(file: Path) -> None:
    """Takes the city's topics from the broker, which may be somebody else's and stay."""
    site = loader.load(file, resolve=False)
    topics = [topic.name for topic in Topics(site).all]
    try:
        with Broker(site, "city").administering() as admin:
            admin.delete_topics(topics)
    except BrokerError as error:
        print_line(f"its topics are left behind: {error}")


def print_line(line: str) -> None:
    """Prints a line of the city's own."""
    print(f"{'city':<12}| {line}", flush=True)


@contextlib.contextmanager
def _interrupted() -> Iterator[threading.Event]:
    ended = threading.Event()
    before = {number: signal.signal(number, lambda *_: ended.set()) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ended
    finally:
        for number, how in before.items():
            signal.signal(number, how)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a city until it is interrupted."""
    parser = argparse.ArgumentParser(description="A broker, two of each stage and the console on this machine.")
    parser.add_argument("--cameras", type=int, choices=range(1, len(NUMBERS) + 1), default=4, help="default: 4")
    parser.add_argument("--rate", type=float, default=RATE, help=f"frames a second of each (default: {RATE:g})")
    parser.add_argument("--port", type=int, default=8000, help="of the console (default: 8000; 0 takes a free one)")
    parser.add_argument("--data", type=Path, default=Path("var/city"), help="replaced each time (default: var/city)")
    parser.add_argument("--seconds", type=float, help="end after so long, and print what was found")
    arguments = parser.parse_args(argv)
    with _interrupted() as ended:
        try:
            city = LocalCluster(arguments.data, cameras=arguments.cameras, port=arguments.port, rate=arguments.rate)
            with city:
                url = city.wait()
                print_line(f"the console is on {url}   (Ctrl-C ends the city)")
                return _watch(city, ended, arguments.seconds)
        except (DirectoryInUseError, OSError, RuntimeError) as error:
            print(f"city: {error}", file=sys.stderr)
            return 1


def _watch(city: LocalCluster, ended: threading.Event, seconds: float | None) -> int:
    until = None if seconds is None else time.monotonic() + seconds
    while not ended.wait(0.5):
        if city.ended:
            print_line(f"{', '.join(city.ended)} ended by itself; the log is in {city.folder / 'logs'}")
            return 1
        if until is not None and time.monotonic() >= until:
            break
    events = city.events()
    for event in reversed(events):
        print_line(f"{event['started_at'][11:19]} {event['camera']} {event['kind']:<14} {event['sentence']['en']}")
    print_line(f"{len(events)} events; ending all in order")
    return 0


if __name__ == "__main__":
    sys.exit(main())
