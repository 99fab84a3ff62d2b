"""The stages as processes on this machine: how late a revision is in the store, and how a stage's processes share.

``revision``: eight cameras' frames, packed and sent as a sampler would at their instants; `lanewatch detect`, `watch`
and `serve` carry them on; a client reads each revision over the service's API as soon as its feed tells of it. From the
capture of the frame that caused it, to that.

``sharing``: 64 cameras; two detect workers whose network is a double that takes a stated time for a picture, two
`lanewatch watch`. The load that each took of frames that all could be looked at; then of more than they can, what two
get done beside what one does.
"""

from __future__ import annotations

import itertools
import multiprocessing
import signal
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from kafka import TopicPartition

from benchmarks.chaos.cluster import Town, fresh, town, waited
from benchmarks.kafka_clients import pictures
from benchmarks.latency import follow_events, with_cameras
from lanewatch import demo
from lanewatch.config import loader
from lanewatch.config.site import KafkaConfig, Site
from lanewatch.records import Detections, EncodedFrame, Event, Frame
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.producers import FrameProducer
from streams.kafka.client.topics import Topics, ensure_topics
from streams.kafka.state.site_topic import SiteTopic
from streams.kafka.workers.detect_worker import KafkaDetectWorker
from streams.sampling.sampler import Sampler
from streams.video import jpeg

CAMERAS = 8
FPS = 3.5
PARTITIONS = 8
SIMULATED = 64
PICTURE_S = 0.015
"""What the double takes for a picture: most of it is waiting, so that two of them are as free as two GPUs."""

CALM_FPS, PRESSED_FPS = 0.75, 4.0
"""Of each simulated camera: two doubles have 133 pictures a second, and are given 48, then 256."""

SETTLE_S = 5.0

CLOCK = 1768410000.0
"""Capture time of the clip's first picture: two o'clock at night on 15 January 2026, in Seoul."""


def demo_site(cameras: int, partitions: int) -> Site:
    """The demo's camera so many times over, on topics of its own."""
    site = with_cameras(loader.load(demo.SITE), cameras)
    url = f"file:{demo.CLIP}?clock=2026-01-15T02:00:00+09:00&pace=fast&fps=7"
    each = tuple(camera.model_copy(update={"url": url}) for camera in site.cameras)
    return site.model_copy(update={"cameras": each, "kafka": KafkaConfig(prefix=fresh(), partitions=partitions)})


def revision(address: str, seconds: float) -> dict[str, float]:
    """How late revisions are.

    Returns:
        ``revision_p50_s``, ``revision_p95_s``, ``revision_max_s``, ``revisions``, ``shed`` (frames that the detector
        had no time for: with any, the rate was not sustainable).

    Raises:
        RuntimeError: no event came of it in that time.
    """
    site = demo_site(CAMERAS, CAMERAS)
    first = site.cameras[0].model_copy(update={"rate": site.cameras[0].rate.model_copy(update={"active": FPS})})
    shots = list(
        itertools.takewhile(
            lambda frame: frame.captured_at - CLOCK < seconds, Sampler(first, time_zone=site.time_zone, gate=False)
        )
    )
    read: list[tuple[str, int, float]] = []
    with tempfile.TemporaryDirectory() as folder, town(Path(folder), site, address) as here:
        seats = _published(here)
        for stage in ("detect", "watch", "serve"):
            here.start(stage, f"{stage}-1")
        here.serving()
        threading.Thread(target=follow_events, args=(f"http://127.0.0.1:{here.port}", read), daemon=True).start()
        waited(lambda: _held(here, "detect") == CAMERAS and _held(here, "watch") == CAMERAS, 60, "the stages have work")
        began, captured = _play(here, shots, seats)
        time.sleep(SETTLE_S)
        shed = sum(
            value
            for key, value in here.metrics("detect-1").items()
            if key.startswith("lanewatch_dropped_total{") and 'reason="shed"' in key
        )
        here.fleet.end()
    delays = [at - began - (number / 1000 - CLOCK) for camera, number, at in read if (camera, number) in captured]
    if not delays:
        raise RuntimeError("no event was raised in that time: run it for longer")
    p50, p95 = np.percentile(delays, (50, 95))
    return {
        "revision_p50_s": round(float(p50), 3),
        "revision_p95_s": round(float(p95), 3),
        "revision_max_s": round(max(delays), 3),
        "revisions": len(delays),
        "shed": shed,
    }


def _play(here: Town, shots: Sequence[Frame], seats: dict[str, int]) -> tuple[float, set[tuple[str, int]]]:
    """Sends the cameras' frames at their instants.

    Returns:
        The wall clock at which ``CLOCK`` was, and the camera and capture time (ms) of every picture.
    """
    sender = FrameProducer(here.broker, here.topics)
    began = time.time() + 1.0
    captured = set()
    order = sorted(
        (
            (shot.captured_at + number / (FPS * len(seats)), camera, shot)
            for number, camera in enumerate(seats)
            for shot in shots
        ),
        key=lambda one: one[:2],
    )
    try:
        for captured_at, camera, shot in order:
            at = began + captured_at - CLOCK
            time.sleep(max(0.0, at - time.time()))
            frame = msgspec.structs.replace(
                shot, camera=camera, captured_at=captured_at, slot=round(captured_at * 1000), received_at=time.time()
            )
            sender.send(jpeg.pack(frame), seats[camera] % here.topics.partitions)
            if frame.image is not None:
                captured.add((camera, round(captured_at * 1000)))
    finally:
        sender.close(10)
    return began, captured


def sharing(address: str, seconds: float) -> dict[str, float]:
    """How processes of a stage share.

    Returns:
        ``spread`` and ``watch_spread`` (the most over the least of two, less one), ``second_worker`` (what two detect
        workers get done of what one does), ``one_per_s``, ``two_per_s``.
    """
    site = demo_site(SIMULATED, PARTITIONS)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, town(Path(folder), site, address) as here:
        seats = _published(here)
        for name in ("watch-1", "watch-2"):
            here.start("watch", name)
        workers = [context.Process(target=_double, args=(site, address, f"detect-{n}"), daemon=True) for n in (1, 2)]
        for worker in workers:
            worker.start()
        tally = _Tally(here)
        waited(lambda: _held(here, "watch") == PARTITIONS, 60, "the watchers have work")
        with _Feeding(here, seats) as feeding:
            waited(lambda: len(tally.detected()) == 2, 60, "both workers are at work")
            time.sleep(SETTLE_S)
            calm, watched = tally.detected(seconds), tally.judged()
            feeding.fps = PRESSED_FPS
            time.sleep(SETTLE_S)
            two = sum(tally.detected(seconds).values()) / seconds
            workers[1].terminate()
            workers[1].join(20)
            time.sleep(SETTLE_S)
            one = sum(tally.detected(seconds).values()) / seconds
        workers[0].kill()
        here.fleet.kill()
    return {
        "spread": _spread(calm),
        "watch_spread": _spread(watched),
        "second_worker": round(two / one, 2),
        "one_per_s": round(one, 1),
        "two_per_s": round(two, 1),
    }


def _spread(counts: Counter[str]) -> float:
    return round(max(counts.values()) / min(counts.values()) - 1, 3)


class _Tally:
    """Reads what the workers and the watchers have told."""

    def __init__(self, here: Town) -> None:
        self._topics = here.topics
        self._consumer = here.broker.consumer()
        places = [TopicPartition(here.topics.detections.name, number) for number in range(PARTITIONS)]
        self._events = TopicPartition(here.topics.events.name, 0)
        self._consumer.assign([*places, self._events])
        self._consumer.seek_to_beginning()
        self._judged: Counter[str] = Counter()

    def detected(self, seconds: float = 0.5) -> Counter[str]:
        """Pictures by worker, in the time from now on."""
        while self._read(0.2).total() > 200:
            pass  # what came before now
        self._judged.clear()
        return self._read(seconds)

    def judged(self) -> Counter[str]:
        """Pictures by watcher in the time of the last ``detected``."""
        return Counter(self._judged)

    def _read(self, seconds: float) -> Counter[str]:
        found: Counter[str] = Counter()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            for place, records in self._consumer.poll(min(100, int(left * 1000))).items():
                for record in records:
                    if place != self._events:
                        found[codec.decode_detections(record).model] += 1
                        continue
                    told = codec.decode_event_record(record)
                    if not isinstance(told, Event):
                        node = record.key.decode().partition("/")[0]
                        self._judged[node] += sum(one.pictures for one in told.values())
        return found


class _Feeding(threading.Thread):
    """Sends 40 KB pictures of all cameras at a rate that may be changed."""

    def __init__(self, here: Town, seats: dict[str, int]) -> None:
        super().__init__(name="feeding", daemon=True)
        self.fps = CALM_FPS
        self._here, self._seats = here, seats
        self._ended = threading.Event()

    def __enter__(self) -> _Feeding:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        jpegs = pictures()
        sender = FrameProducer(self._here.broker, self._here.topics)
        next_at = time.time()
        for number in itertools.count():
            if self._ended.is_set():
                break
            now = time.time()
            camera = list(self._seats)[number % len(self._seats)]
            packed = EncodedFrame(jpegs[number % len(jpegs)])
            frame = Frame(
                camera=camera, epoch=0, slot=round(now * 1000), captured_at=now, received_at=now, width=640, height=480,
                packed=packed,
            )  # fmt: skip
            sender.send(frame, self._seats[camera] % self._here.topics.partitions)
            next_at = max(next_at + 1 / (self.fps * len(self._seats)), now - 1.0)
            self._ended.wait(max(0.0, next_at - time.time()))
        sender.close(5)


class _PacedDouble:
    """A detector that takes its time and finds nothing; its records bear its process's name."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, frames: Sequence[Frame]) -> list[Detections]:
        time.sleep(PICTURE_S * sum(frame.image is not None for frame in frames))
        return [Detections.empty(frame, model=self._name) for frame in frames]


def _double(site: Site, address: str, node: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    broker = Broker(site, node, {"LANEWATCH_KAFKA": address})
    KafkaDetectWorker(broker, Topics(site), _PacedDouble(node), node=node, most_age_s=None).run(stop)


def _published(here: Town) -> dict[str, int]:
    """The site is in its topic; the cameras' seats."""
    ensure_topics(here.broker, here.topics)
    with SiteTopic(here.broker, here.topics) as sites:
        sites.read()
        sites.publish(here.site)
        sites.wait()
        return dict(sites.seats)


def _held(here: Town, stage: str) -> int:
    """Partitions that a stage's processes have in all."""
    names = [name for name in here.fleet.processes if name.startswith(stage)]
    samples = [sample for name in names for sample in here.metrics(name).items()]
    return int(sum(value for key, value in samples if key.startswith("lanewatch_partitions{")))
