"""A small town for the proofs: a broker, a site of cameras with ground truth, and its stages as processes."""

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
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kafka import TopicPartition

from api.storage.event_store import EventStore
from benchmarks import events as layouts
from benchmarks import truth
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
"""At which the clip was recorded; its labels are given for each frame."""

WIDTH, HEIGHT = 768, 576
SEED = 31
"""Of the layouts: neither that of the events benchmark nor those that the behaviours were written with."""

POLL_MS = 200

_LABEL = re.compile(r'(\w+)="([^"]*)"')


def site(prefix: str, url: str, cameras: int, *, fps: float = FPS) -> Site:
    """Cameras that all see the clip, each with zones, a line and a partition of its own.

    Raises:
        SystemExit: nobody said where the labels are that the layouts are drawn by.
    """
    drawn = truth.layouts(people(), WIDTH, HEIGHT, layouts.HEIGHTS, SEED, cameras)
    return Site(
        id="chaos",
        name=LocalizedName(ko="시험 마을", en="Trial town"),
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
            for number, layout in enumerate(drawn)
        ),
        behaviours={kind: BehaviourConfig(thresholds=dict(values)) for kind, values in layouts.THRESHOLDS.items()},
        kafka=KafkaConfig(prefix=prefix, partitions=cameras),
    )


def people() -> list[truth.Path2D]:
    """The labelled people of the clip."""
    return truth.people(truth.folder() / "pets09-s2l1" / "gt.txt", FPS)


def truths(cameras: int, begin: float) -> list[Instant]:
    """What happens before the cameras while the clip is played once from ``begin`` on, capture time.

    Those that the events benchmark sets aside are left out here too.
    """
    paths = people()
    drawn = truth.layouts(paths, WIDTH, HEIGHT, layouts.HEIGHTS, SEED, cameras)
    zones = {"loitering": "watch", "intrusion": "closed", "line_crossing": "line"}
    return [
        Instant((f"cam-{number}", kind, zones[kind]), begin + one.at)
        for number, layout in enumerate(drawn)
        for kind, happenings in layouts.truths_of(paths, layout).items()
        for one in happenings
        if not one.aside
    ]


def fresh() -> str:
    """A prefix that no other run has."""
    return f"chaos-{uuid.uuid4().hex[:8]}"


class Town:
    """A site, its stages as processes and what they have told so far.

    Args:
        folder: where its site file, logs and store lie.
        what: the site.
        address: of the broker.
    """

    def __init__(self, folder: Path, what: Site, address: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.site = what
        self.folder = folder
        self.file = folder / "site.yaml"  # JSON is YAML
        self.file.write_text(json.dumps(what.model_dump(mode="json", exclude_defaults=True), ensure_ascii=False))
        environment = {"LANEWATCH_KAFKA": address, "OMP_NUM_THREADS": "1"}
        self.fleet = ProcessGroup(folder / "logs", environment=environment)
        self.broker = Broker(what, "chaos", environment)
        self.topics = Topics(what)
        self.port = free_port()
        self._metrics: dict[str, int] = {}

    def start(self, stage: str, name: str, *more: str) -> None:
        """Starts a stage under a name."""
        port = self._metrics.setdefault(name, free_port())
        common = ("--node", name, "--metrics-port", str(port))
        if stage == "serve":
            more = ("--port", str(self.port), "--data", str(self.folder / "served"), *more)
        self.fleet.start(name, stage, str(self.file), *common, *more)

    def again(self, name: str) -> None:
        """Starts a stage that was killed, as it was started before."""
        self.fleet[name].start()

    def metrics(self, name: str) -> dict[str, float]:
        """A process's Prometheus samples by ``name{labels}``; empty where it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics[name]}/metrics", timeout=2) as answer:
                text = answer.read().decode()
        except OSError:
            return {}
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if line and not line.startswith("#"))
        return {key: float(value) for key, value in samples}

    def lost(self) -> dict[str, float]:
        """What the processes that run now did without, by stage and reason, and the seconds unwatched, by reason."""
        found: dict[str, float] = {}
        for name in self.fleet.processes:
            for key, value in self.metrics(name).items():
                metric, _, rest = key.partition("{")
                if value and metric in {"lanewatch_dropped_total", "lanewatch_unwatched_seconds_total"}:
                    labels = dict(_LABEL.findall(rest))
                    what = f"{labels.get('stage', 'unwatched_s')} {labels['reason']}"
                    found[what] = round(found.get(what, 0.0) + value, 1)
        return found

    def resident(self, name: str) -> float:
        """A process's resident memory in GB; 0 where it does not run."""
        try:
            pages = int(Path(f"/proc/{self.fleet[name].pid}/statm").read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e9

    def serving(self, timeout_s: float = 60.0) -> None:
        """Waits until the service answers."""
        waited(lambda: _answers(self.port) or self._dead(), timeout_s, "the service answers")

    def _dead(self) -> bool:
        """Raises where a process has ended by itself."""
        for process in self.fleet.processes.values():
            if process.status not in (None, -9):
                raise RuntimeError(f"{process.name} ended: {process.log.read_text(errors='replace')[-800:]}")
        return False

    def revisions(self) -> list[Event]:
        """Every revision in the store, in the order in which they were stored."""
        store = EventStore(self.folder / "served" / "events.db")
        try:
            found: list[Event] = []
            position = 0
            while entries := store.since(position, 500):
                found += [entry.event for entry in entries if entry.change == "event"]
                position = entries[-1].position
            return found
        finally:
            store.close()

    def place(self, stage: str) -> int:
        """How far a stage's group has come in the events topic."""
        with self.broker.consumer(group_id=self.topics.group(stage)) as consumer:
            return consumer.committed(TopicPartition(self.topics.events.name, 0)) or 0

    def settled(self, timeout_s: float = 120.0) -> None:
        """Waits until all that was told by now has been correlated, and all of that has been stored."""
        self._caught_up("correlate", timeout_s)
        self._caught_up("serve", timeout_s)

    def _caught_up(self, stage: str, timeout_s: float) -> None:
        end = self._end()
        waited(lambda: self.place(stage) >= end, timeout_s, f"{stage} is where the events end")

    def _end(self) -> int:
        place = TopicPartition(self.topics.events.name, 0)
        with self.broker.consumer() as consumer:
            return int(consumer.end_offsets([place])[place])


class Listener:
    """Follows a town's events topic from its beginning: what was told, and when it came here."""

    def __init__(self, town: Town) -> None:
        self.reached: dict[str, list[tuple[float, Watermark]]] = {}
        self.events: list[tuple[float, Event]] = []
        self._town = town
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="listener", daemon=True)

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def silence_s(self, since: float) -> float:
        """The longest time from ``since`` on (monotonic) in which a camera's judging stood still: a takeover's."""
        longest = 0.0
        for marks in self.reached.values():
            times = [since, *(came for came, _ in marks if came >= since)]
            longest = max(longest, *(after - before for before, after in itertools.pairwise(times)), 0.0)
        return longest

    def over(self, cameras: Sequence[str]) -> bool:
        """Whether the last word of each camera was its end."""
        return all(camera in self.reached and self.reached[camera][-1][1].gap == "ended" for camera in cameras)

    def _follow(self) -> None:
        place = TopicPartition(self._town.topics.events.name, 0)
        with self._town.broker.consumer() as consumer:
            consumer.assign([place])
            consumer.seek_to_beginning(place)
            while not self._ended.is_set():
                for record in consumer.poll(POLL_MS).get(place, []):
                    what = codec.decode_event_record(record)
                    came = time.monotonic()
                    if isinstance(what, Event):
                        self.events.append((came, what))
                    else:
                        for camera, one in what.items():
                            self.reached.setdefault(camera, []).append((came, one))


def waited(holds: Callable[[], bool], timeout_s: float, what: str) -> float:
    """Waits until something holds; how long it took.

    Raises:
        TimeoutError: it did not in time.
    """
    begun = time.monotonic()
    while not holds():
        if time.monotonic() - begun > timeout_s:
            raise TimeoutError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.1)
    return time.monotonic() - begun


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 0.5).close()
    except OSError:
        return False
    return True


@contextmanager
def town(folder: Path, what: Site, address: str) -> Iterator[Town]:
    """A town whose processes end with it."""
    made = Town(folder, what, address)
    try:
        yield made
    except TimeoutError:
        made.fleet.signal(signal.SIGUSR1)  # where each of them is, into its log
        time.sleep(2.0)
        raise
    finally:
        made.fleet.kill()


def content(revisions: Sequence[Event]) -> Mapping[tuple[str, int], Any]:
    """Revisions by id and number; told twice with other content, both count as different."""
    found: dict[tuple[str, int], Any] = {}
    for event in revisions:
        key = (event.id, event.revision)
        if key in found and found[key] != event:
            raise AssertionError(f"event {event.id}, revision {event.revision} was stored with two contents")
        found[key] = event
    return found
