"""The cluster that the chaos proofs disturb: a site of cameras with ground truth, and its stages as processes."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from kafka import TopicPartition

from api.storage.event_store import EventStore
from benchmarks import command, zone_event_ground_truth
from benchmarks import events as layouts
from deploy.kafka_server import free_port
from deploy.process_group import ProcessGroup
from detectors.evaluation.matching import Instant
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import BehaviourConfig, Camera, KafkaConfig, SamplingRate, Site
from lanewatch.records import Event, Watermark
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics

FPS = 7.0
"""The clip's frame rate. Its labels are given for each frame."""
WIDTH, HEIGHT = 768, 576
SEED = 31
"""Of the layouts. The events benchmark and the tuning of the behaviours used other seeds."""
POLL_MS = 200
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def site(prefix: str, url: str, cameras: int, *, fps: float = FPS) -> Site:
    """A site whose cameras all show the clip, each with its own zones, line and partition.

    The layouts are drawn from labels in the folder LANEWATCH_DATA.
    """
    layouts_by_camera = zone_event_ground_truth.layouts(people(), WIDTH, HEIGHT, layouts.ZONE_HEIGHTS, SEED, cameras)
    return Site(
        id="chaos",
        name=LocalizedName(ko="시험 마을", en="Trial site"),
        time_zone="Asia/Seoul",
        cameras=tuple(
            Camera(
                id=f"cam-{number}",
                name=LocalizedName(ko=f"시험 {number}", en=f"Trial {number}"),
                url=url,
                latitude=36.78,
                longitude=126.45 + number * 0.001,
                rate=SamplingRate(active=fps, idle=fps),
                zones=layouts.zones_of(layout, WIDTH, HEIGHT),
                lines=layouts.lines_of(layout, WIDTH, HEIGHT),
            )
            for number, layout in enumerate(layouts_by_camera)
        ),
        behaviours={kind: BehaviourConfig(thresholds=dict(values)) for kind, values in layouts.THRESHOLDS.items()},
        kafka=KafkaConfig(prefix=prefix, partitions=cameras),
    )


def people() -> list[zone_event_ground_truth.PersonPath]:
    """The labelled people of the clip."""
    return zone_event_ground_truth.person_paths(command.data_folder() / "pets09-s2l1" / "gt.txt", FPS)


def truths(cameras: int, begin: float) -> list[Instant]:
    """The ground truth of one showing of the clip that starts at capture time ``begin``.

    Truths that the events benchmark sets aside are left out here too.
    """
    paths = people()
    layouts_by_camera = zone_event_ground_truth.layouts(paths, WIDTH, HEIGHT, layouts.ZONE_HEIGHTS, SEED, cameras)
    zones = {"loitering": "watch", "intrusion": "closed", "line_crossing": "line"}
    return [
        Instant((f"cam-{number}", kind, zones[kind]), begin + happening.at)
        for number, layout in enumerate(layouts_by_camera)
        for kind, happenings in layouts.ground_truth(paths, layout).items()
        for happening in happenings
        if not happening.ignored
    ]


def new_prefix() -> str:
    """A topic prefix that no other run has."""
    return f"chaos-{uuid.uuid4().hex[:8]}"


class Cluster:
    """A site and its stages as processes; the folder holds the site file, the logs and the event store."""

    def __init__(self, folder: Path, site: Site, address: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.site = site
        self.folder = folder
        self.file = folder / "site.yaml"  # JSON is YAML
        self.file.write_text(json.dumps(site.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False))
        environment = {"LANEWATCH_KAFKA": address, "OMP_NUM_THREADS": "1"}
        self.process_group = ProcessGroup(folder / "logs", environment=environment)
        self.broker = Broker(site, "chaos", environment)
        self.topics = Topics(site)
        self.port = free_port()
        self._metrics: dict[str, int] = {}

    def start(self, stage: str, name: str, *options: str) -> None:
        """Starts a process of a stage, called ``name``."""
        port = self._metrics.setdefault(name, free_port())
        common = ("--node", name, "--metrics-port", str(port))
        if stage == "serve":
            options = ("--port", str(self.port), "--data", str(self.folder / "served"), *options)
        self.process_group.start(name, stage, str(self.file), *common, *options)

    def metrics(self, name: str) -> dict[str, float]:
        """A process's Prometheus samples by ``name{labels}``; empty if it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics[name]}/metrics", timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {key: float(value) for key, value in samples}

    def total(self, name: str, metric: str) -> float:
        """The sum of a process's samples of a metric."""
        return sum(value for key, value in self.metrics(name).items() if key.startswith(f"{metric}{{"))

    def losses(self) -> dict[str, float]:
        """Dropped records of the running processes by stage and reason, and unwatched seconds by reason."""
        found: dict[str, float] = {}
        for name in self.process_group.processes:
            for sample, value in self.metrics(name).items():
                metric, _, rest = sample.partition("{")
                if value and metric in {"lanewatch_dropped_total", "lanewatch_unwatched_seconds_total"}:
                    labels = dict(_LABEL.findall(rest))
                    key = f"{labels.get('stage', 'unwatched_s')} {labels['reason']}"
                    found[key] = round(found.get(key, 0.0) + value, 1)
        return found

    def resident_gb(self, name: str) -> float:
        """A process's resident memory in GB; 0 if it does not run."""
        try:
            pages = int(Path(f"/proc/{self.process_group[name].pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e9

    def wait_for_service(self, timeout_s: float = 60.0) -> None:
        """Waits until the service answers; RuntimeError if a process has ended by itself."""
        wait_until(lambda: _answers(self.port) or self._check_processes(), timeout_s, "the service answers")

    def _check_processes(self) -> bool:
        for process in self.process_group.processes.values():
            if process.exit_code not in (None, -9):
                raise RuntimeError(f"{process.name} ended: {process.log.read_text(errors='replace')[-800:]}")
        return False

    def revisions(self) -> list[Event]:
        """All event revisions of the store, in the order in which they were stored."""
        store = EventStore(self.folder / "served" / "events.db")
        found: list[Event] = []
        position = 0
        with closing(store):
            while entries := store.since(position, 500):
                found += [entry.event for entry in entries if entry.change == "event"]
                position = entries[-1].position
        return found

    def committed(self, stage: str) -> int:
        """The offset that a stage's group has committed in the events topic."""
        with self.broker.consumer(group_id=self.topics.group(stage)) as consumer:
            return consumer.committed(TopicPartition(self.topics.events.name, 0)) or 0

    def drain(self, timeout_s: float = 120.0) -> None:
        """Waits until all events so far are correlated, and all of those are stored."""
        self._wait_until_read("correlate", timeout_s)
        self._wait_until_read("serve", timeout_s)

    def _wait_until_read(self, stage: str, timeout_s: float) -> None:
        partition = TopicPartition(self.topics.events.name, 0)
        with self.broker.consumer() as consumer:
            end = int(consumer.end_offsets([partition])[partition])
        wait_until(lambda: self.committed(stage) >= end, timeout_s, f"{stage} has read all events")


class Listener:
    """Reads a cluster's events topic from its beginning; each record with the time of its arrival (monotonic)."""

    def __init__(self, cluster: Cluster) -> None:
        self.watermarks: dict[str, list[tuple[float, Watermark]]] = {}
        self._cluster = cluster
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="listener", daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def silence_s(self, since: float) -> float:
        """The longest time without a watermark of a camera, from ``since`` on (monotonic): a takeover's duration."""
        longest = 0.0
        for watermarks in self.watermarks.values():
            times = [since, *(arrived_at for arrived_at, _ in watermarks if arrived_at >= since)]
            longest = max(longest, *(after - before for before, after in itertools.pairwise(times)), 0.0)
        return longest

    def all_ended(self, cameras: Sequence[str]) -> bool:
        """Whether the last watermark of each camera says that it ended."""
        return all(camera in self.watermarks and self.watermarks[camera][-1][1].gap == "ended" for camera in cameras)

    def _follow(self) -> None:
        partition = TopicPartition(self._cluster.topics.events.name, 0)
        with self._cluster.broker.consumer() as consumer:
            consumer.assign([partition])
            consumer.seek_to_beginning(partition)
            while not self._ended.is_set():
                for record in consumer.poll(POLL_MS).get(partition, []):
                    decoded = codec.decode_event_record(record)
                    arrived_at = time.monotonic()
                    if not isinstance(decoded, Event):
                        for camera, watermark in decoded.items():
                            self.watermarks.setdefault(camera, []).append((arrived_at, watermark))


def wait_until(condition: Callable[[], bool], timeout_s: float, description: str) -> None:
    """Waits until a condition holds; TimeoutError if it did not in time."""
    started = time.monotonic()
    while not condition():
        if time.monotonic() - started > timeout_s:
            raise TimeoutError(f"not within {timeout_s:g} s: {description}")
        time.sleep(0.1)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


@contextmanager
def running_cluster(folder: Path, site: Site, address: str) -> Iterator[Cluster]:
    """A cluster whose processes are killed at the end."""
    cluster = Cluster(folder, site, address)
    try:
        yield cluster
    except TimeoutError:
        cluster.process_group.signal(signal.SIGUSR1)  # each process logs where its threads are
        time.sleep(2.0)
        raise
    finally:
        cluster.process_group.kill()


def content(revisions: Sequence[Event]) -> Mapping[tuple[str, int], Any]:
    """Event revisions by id and number; AssertionError if one was stored twice with different contents."""
    found: dict[tuple[str, int], Any] = {}
    for event in revisions:
        key = (event.id, event.revision)
        if key in found and found[key] != event:
            raise AssertionError(f"event {event.id}, revision {event.revision} was stored with two contents")
        found[key] = event
    return found
