"""A cluster on one machine: a broker, two processes of each stage, and the service. `make cluster` runs it."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading
import time
import urllib.request
from collections.abc import Sequence
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from api.storage.data_directory import DataDirectory, DirectoryInUseError
from deploy.kafka_server import running_broker, until_interrupted
from deploy.process_group import ProcessGroup
from lanewatch import demo
from lanewatch.config import loader
from streams.kafka.client.connection import Broker
from streams.kafka.client.errors import BrokerError
from streams.kafka.client.topics import Topics

RATE = 3.5
"""Frames a second of each camera: four cameras take a third of the detector's capacity on two cores."""

PHASE_S = 28.0
"""All cameras show the same clip, each shifted by this, so that there is an event every few seconds."""

LEAD_S = 12.0
"""The clip starts this long after the processes, which need the time to start."""

DEGREES_NORTH = 0.0006
"""Between two cameras: 70 m, so that they are neighbours."""

START_S = 90.0


def make_site(cameras: int, address: str, prefix: str, now: float, rate: float = RATE) -> dict[str, Any]:
    """The content of a site file: the demo's site with up to eight cameras.

    Args:
        address: The broker's; several are separated by commas.
        prefix: Of the topics' names.
        now: Wall clock of the start.
        rate: Frames a second of each camera.
    """
    site: dict[str, Any] = YAML(typ="safe").load(demo.SITE.read_text(encoding="utf-8"))
    template = site["cameras"][0]
    clip_start = datetime.fromisoformat("2026-01-15T02:00:00+09:00").timestamp()
    site["cameras"] = []
    for index in range(cameras):
        camera = deepcopy(template)
        shift = index * PHASE_S
        since = datetime.fromtimestamp(now + LEAD_S - shift, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        clock = datetime.fromtimestamp(clip_start - shift, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        camera["id"] = f"lane-{index + 1:02}"
        camera["name"] = {"ko": f"들말 삼거리 {index + 1}번", "en": f"Deulmal junction {index + 1}"}
        camera["url"] = f"file:{demo.CLIP}?loop=1&clock={clock}&since={since}&pace=live&fps=7"
        camera["latitude"] += index * DEGREES_NORTH
        camera["rate"] = {"active": rate, "idle": rate}
        site["cameras"].append(camera)
    site["id"] = "cluster"
    site["name"] = {"ko": "들말 안전마을 (분산 시연)", "en": "Deulmal village (cluster demo)"}
    site["kafka"] = {
        "brokers": [broker.strip() for broker in address.split(",")],
        "prefix": prefix,
        "partitions": max(cameras, 2),  # one for each camera, so that the two processes of a stage have equal parts
        "frames": {"minutes": 10, "gigabytes": 2},
        "detections": {"minutes": 60, "gigabytes": 1},
        "events": {"minutes": 1440, "gigabytes": 1},
    }
    return site


class LocalCluster:
    """The processes of a cluster; a context manager that ends all of them.

    Args:
        folder: For site file, events, evidence and logs; the content of an earlier run is replaced.
        port: Of the console; 0: a free one.
        rate: Frames a second of each camera.
        verbose: Whether to print the processes' logs.
    """

    def __init__(self, folder: Path, *, cameras: int = 4, port: int = 8000, rate: float = RATE, verbose: bool = True):
        self.folder = folder
        self.url = ""
        self._started = threading.Event()
        self._cameras = cameras
        self._port = port
        self._rate = rate
        self._verbose = verbose

    def __enter__(self) -> LocalCluster:
        with DataDirectory(self.folder) as folder:
            folder.empty()
        print_line("starting Apache Kafka, one node (or using the broker of LANEWATCH_KAFKA)")
        with contextlib.ExitStack() as closing:
            address = closing.enter_context(running_broker())
            file = self.folder / "site.yaml"
            prefix = f"lanewatch.cluster-{int(time.time())}"
            site = make_site(self._cameras, address, prefix, time.time(), self._rate)
            file.write_text(json.dumps(site, ensure_ascii=False, indent=2), encoding="utf-8")
            closing.callback(_delete_topics, file)
            self.processes = closing.enter_context(ProcessGroup(self.folder / "logs", on_line=self._on_line))
            data = str(self.folder / "data")
            self._start_stage("serve", file, "1", "--data", data, "--port", str(self._port))
            for stage in ("correlate", "watch", "detect", "sample"):
                for number in ("1", "2"):
                    self._start_stage(stage, file, number)
            self._closing = closing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _start_stage(self, stage: str, file: Path, number: str, *more: str) -> None:
        name = f"{stage}-{number}"
        self.processes.start(name, stage, str(file), "--node", name, *more)

    def _on_line(self, name: str, line: str) -> None:
        if self._verbose:
            print(f"{name:<12}| {line}", flush=True)
        if name.startswith("serve") and ": http://" in line:
            self.url = line.split(": ", 1)[1].split()[0]
            self._started.set()

    @property
    def ended(self) -> list[str]:
        """Names of processes that have ended unexpectedly."""
        return [name for name, process in self.processes.processes.items() if not process.running]

    def wait(self, timeout_s: float = START_S) -> str:
        """Waits for the console, and returns its URL.

        Raises:
            RuntimeError: it did not start.
        """
        deadline = time.monotonic() + timeout_s
        while not self._started.wait(0.2):
            if self.ended or time.monotonic() > deadline:
                raise RuntimeError(f"the cluster did not start: {', '.join(self.ended) or 'serve'}; see {self.folder}")
        return self.url

    def events(self) -> list[dict[str, Any]]:
        """The stored events, newest first."""
        with urllib.request.urlopen(f"{self.url}/v1/events?limit=200", timeout=10) as response:
            found: list[dict[str, Any]] = json.load(response)["events"]
            return found


def _delete_topics(file: Path) -> None:
    """Deletes the cluster's topics from the broker, which may be in use by others."""
    site = loader.load(file, resolve=False)
    topics = [topic.name for topic in Topics(site).all]
    try:
        with Broker(site, "cluster").open_admin() as admin:
            admin.delete_topics(topics)
    except BrokerError as error:
        print_line(f"its topics could not be deleted: {error}")


def print_line(line: str) -> None:
    """Prints a line of the cluster itself."""
    print(f"{'cluster':<12}| {line}", flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a cluster until it is interrupted."""
    parser = argparse.ArgumentParser(
        description="Runs a broker, two processes of each stage, and the console on this machine."
    )
    parser.add_argument("--cameras", type=int, choices=range(1, 9), default=4, help="default: 4")
    parser.add_argument("--rate", type=float, default=RATE, help=f"frames a second of each camera (default: {RATE:g})")
    parser.add_argument("--port", type=int, default=8000, help="of the console (default: 8000; 0 takes a free one)")
    parser.add_argument(
        "--data", type=Path, default=Path("var/cluster"), help="folder, replaced each time (default: var/cluster)"
    )
    parser.add_argument("--seconds", type=float, help="end after this time, and print the events")
    arguments = parser.parse_args(argv)
    ended = until_interrupted()
    try:
        cluster = LocalCluster(arguments.data, cameras=arguments.cameras, port=arguments.port, rate=arguments.rate)
        with cluster:
            url = cluster.wait()
            print_line(f"the console is on {url}   (Ctrl-C ends the cluster)")
            return _watch(cluster, ended, arguments.seconds)
    except (DirectoryInUseError, OSError, RuntimeError) as error:
        print(f"cluster: {error}", file=sys.stderr)
        return 1


def _watch(cluster: LocalCluster, ended: threading.Event, seconds: float | None) -> int:
    deadline = None if seconds is None else time.monotonic() + seconds
    while not ended.wait(0.5):
        if cluster.ended:
            print_line(f"{', '.join(cluster.ended)} ended unexpectedly; the log is in {cluster.folder / 'logs'}")
            return 1
        if deadline is not None and time.monotonic() >= deadline:
            break
    events = cluster.events()
    for event in reversed(events):
        print_line(f"{event['started_at'][11:19]} {event['camera']} {event['kind']:<14} {event['sentence']['en']}")
    print_line(f"{len(events)} events; ending all processes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
