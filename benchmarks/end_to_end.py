"""The stages as processes on this machine: the latency of revisions, and the sharing of load (see PROTOCOLS.md)."""

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

from benchmarks.chaos.cluster_under_test import Cluster, new_prefix, running_cluster, wait_until
from benchmarks.kafka_clients import encoded_frame, pictures
from benchmarks.latency import follow_events, with_cameras
from lanewatch import demo
from lanewatch.config import loader
from lanewatch.config.site import KafkaConfig, Site
from lanewatch.records import Detections, Event, Frame
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.producers import FrameProducer
from streams.kafka.client.topics import Topics, ensure_topics
from streams.kafka.state.site_topic import SiteTopic
from streams.kafka.workers.detect_worker import DetectWorker
from streams.sampling.sampler import Sampler
from streams.video import jpeg

CAMERAS = 8
FPS = 3.5
PARTITIONS = 8
SIMULATED = 64
PICTURE_S = 0.015
"""The double's time for a picture. Most of it is waiting, so two doubles run as independently as two GPUs."""
CALM_FPS, PRESSED_FPS = 0.75, 4.0
"""Frame rates of each simulated camera. Two doubles can process 133 pictures a second; they get 48, then 256."""
SETTLE_S = 5.0
CLOCK = 1768410000.0
"""Capture time of the clip's first picture: 02:00 on 15 January 2026, in Seoul."""


def demo_site(cameras: int, partitions: int) -> Site:
    """The demo's site with its camera repeated, and with its own topics."""
    site = with_cameras(loader.load(demo.SITE), cameras)
    url = f"file:{demo.CLIP}?clock=2026-01-15T02:00:00+09:00&pace=fast&fps=7"
    repeated = tuple(camera.model_copy(update={"url": url}) for camera in site.cameras)
    kafka = KafkaConfig(prefix=new_prefix(), partitions=partitions)
    return site.model_copy(update={"cameras": repeated, "kafka": kafka})


def revision(address: str, seconds: float) -> dict[str, float]:
    """Measures the latency of revisions.

    ``shed`` counts frames without detection because of overload. If there are any, the rate was not sustainable.
    """
    site = demo_site(CAMERAS, CAMERAS)
    first = site.cameras[0].model_copy(update={"rate": site.cameras[0].rate.model_copy(update={"active": FPS})})
    sampled = Sampler(first, time_zone=site.time_zone, gate=False)
    frames = list(itertools.takewhile(lambda frame: frame.captured_at - CLOCK < seconds, sampled))
    read: list[tuple[str, int, float]] = []
    with tempfile.TemporaryDirectory() as folder, running_cluster(Path(folder), site, address) as cluster:
        slots = _publish(cluster)
        for stage in ("detect", "watch", "serve"):
            cluster.start(stage, f"{stage}-1")
        cluster.wait_for_service()
        threading.Thread(target=follow_events, args=(f"http://127.0.0.1:{cluster.port}", read), daemon=True).start()
        for stage in ("detect", "watch"):
            _wait_until_assigned(cluster, stage, CAMERAS)
        started_at, captured = _play(cluster, frames, slots)
        time.sleep(SETTLE_S)
        samples = cluster.metrics("detect-1").items()
        shed = sum(value for key, value in samples if "dropped_total{" in key and 'reason="shed"' in key)
        cluster.process_group.end()
    delays = [at - started_at - (number / 1000 - CLOCK) for camera, number, at in read if (camera, number) in captured]
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


def _play(cluster: Cluster, frames: Sequence[Frame], slots: dict[str, int]) -> tuple[float, set[tuple[str, int]]]:
    """Sends the cameras' frames at their instants.

    Returns the wall clock time of the capture time ``CLOCK``, and each picture's camera and capture time (ms).
    """
    producer = FrameProducer(cluster.broker, cluster.topics)
    started_at = time.time() + 1.0
    captured = set()
    shown = (
        (frame.captured_at + number / (FPS * len(slots)), camera, frame)
        for number, camera in enumerate(slots)
        for frame in frames
    )
    order = sorted(shown, key=lambda entry: entry[:2])
    try:
        for captured_at, camera, source in order:
            time.sleep(max(0.0, started_at + captured_at - CLOCK - time.time()))
            frame = msgspec.structs.replace(
                source, camera=camera, captured_at=captured_at, slot=round(captured_at * 1000), received_at=time.time()
            )
            producer.send(jpeg.pack(frame), slots[camera] % cluster.topics.partitions)
            if frame.image is not None:
                captured.add((camera, round(captured_at * 1000)))
    finally:
        producer.close(10)
    return started_at, captured


def sharing(address: str, seconds: float) -> dict[str, float]:
    """Measures how the processes of a stage share the load.

    ``spread`` and ``watch_spread``: the larger load of two divided by the smaller, minus 1. ``second_worker``: the
    throughput of two detect workers divided by that of one.
    """
    site = demo_site(SIMULATED, PARTITIONS)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, running_cluster(Path(folder), site, address) as cluster:
        slots = _publish(cluster)
        for name in ("watch-1", "watch-2"):
            cluster.start("watch", name)
        names = ("detect-1", "detect-2")
        workers = [context.Process(target=_run_double, args=(site, address, name), daemon=True) for name in names]
        for worker in workers:
            worker.start()
        tally = _Tally(cluster)
        _wait_until_assigned(cluster, "watch", PARTITIONS)
        with _Feeding(cluster, slots) as feeding:
            wait_until(lambda: len(tally.detected()) == 2, 60, "both workers work")
            time.sleep(SETTLE_S)
            detected, watched = tally.detected(seconds), tally.watched()
            feeding.fps = PRESSED_FPS
            time.sleep(SETTLE_S)
            two_workers_rate = sum(tally.detected(seconds).values()) / seconds
            workers[1].terminate()
            workers[1].join(20)
            time.sleep(SETTLE_S)
            one_worker_rate = sum(tally.detected(seconds).values()) / seconds
        workers[0].kill()
        cluster.process_group.kill()
    return {
        "spread": _spread(detected),
        "watch_spread": _spread(watched),
        "second_worker": round(two_workers_rate / one_worker_rate, 2),
        "one_per_s": round(one_worker_rate, 1),
        "two_per_s": round(two_workers_rate, 1),
    }


def _spread(counts: Counter[str]) -> float:
    return round(max(counts.values()) / min(counts.values()) - 1, 3)


class _Tally:
    """Counts the pictures that each worker and each watcher processed."""

    def __init__(self, cluster: Cluster) -> None:
        self._topics = cluster.topics
        self._consumer = cluster.broker.consumer()
        partitions = [TopicPartition(cluster.topics.detections.name, number) for number in range(PARTITIONS)]
        self._events = TopicPartition(cluster.topics.events.name, 0)
        self._consumer.assign([*partitions, self._events])
        self._consumer.seek_to_beginning()
        self._watched: Counter[str] = Counter()

    def detected(self, seconds: float = 0.5) -> Counter[str]:
        """Pictures by worker in the next ``seconds``."""
        while self._read(0.2).total() > 200:
            pass  # skips the backlog
        self._watched.clear()
        return self._read(seconds)

    def watched(self) -> Counter[str]:
        """Pictures by watcher during the last call of ``detected``."""
        return Counter(self._watched)

    def _read(self, seconds: float) -> Counter[str]:
        found: Counter[str] = Counter()
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            for partition, records in self._consumer.poll(min(100, int(left * 1000))).items():
                for record in records:
                    if partition != self._events:
                        found[codec.decode_detections(record).model] += 1
                        continue
                    decoded = codec.decode_event_record(record)
                    if not isinstance(decoded, Event):
                        node = record.key.decode().partition("/")[0]
                        self._watched[node] += sum(watermark.pictures for watermark in decoded.values())
        return found


class _Feeding(threading.Thread):
    """Sends pictures of 40 KB for all cameras at ``fps`` each, which may be changed."""

    def __init__(self, cluster: Cluster, slots: dict[str, int]) -> None:
        super().__init__(name="feeding", daemon=True)
        self.fps = CALM_FPS
        self._here, self._slots = cluster, slots
        self._ended = threading.Event()

    def __enter__(self) -> _Feeding:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self.join()

    def run(self) -> None:
        jpegs = pictures()
        producer = FrameProducer(self._here.broker, self._here.topics)
        next_at = time.time()
        for number in itertools.count():
            if self._ended.is_set():
                break
            now = time.time()
            camera = list(self._slots)[number % len(self._slots)]
            frame = encoded_frame(camera, now, jpegs[number % len(jpegs)])
            producer.send(frame, self._slots[camera] % self._here.topics.partitions)
            next_at = max(next_at + 1 / (self.fps * len(self._slots)), now - 1.0)
            self._ended.wait(max(0.0, next_at - time.time()))
        producer.close(5)


class _PacedDouble:
    """A detector of a given speed that detects nothing. Its records have its process's name as the model."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, frames: Sequence[Frame]) -> list[Detections]:
        time.sleep(PICTURE_S * sum(frame.image is not None for frame in frames))
        return [Detections.empty(frame, model=self._name) for frame in frames]


def _run_double(site: Site, address: str, node: str) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    broker = Broker(site, node, {"LANEWATCH_KAFKA": address})
    DetectWorker(broker, Topics(site), _PacedDouble(node), max_age_s=None).run(stop)


def _publish(cluster: Cluster) -> dict[str, int]:
    """Publishes the site; returns the cameras' partition slots."""
    ensure_topics(cluster.broker, cluster.topics)
    with SiteTopic(cluster.broker, cluster.topics) as sites:
        sites.read()
        sites.publish(cluster.site)
        sites.wait()
        return dict(sites.partition_slots)


def _wait_until_assigned(cluster: Cluster, stage: str, partitions: int) -> None:
    """Waits until a stage's processes have so many partitions in all."""
    names = [name for name in cluster.process_group.processes if name.startswith(stage)]
    wait_until(
        lambda: sum(cluster.total(name, "lanewatch_partitions") for name in names) == partitions,
        60,
        f"{stage} has all partitions",
    )
