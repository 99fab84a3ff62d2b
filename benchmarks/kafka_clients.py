"""Clients that transfer frames over a broker, a process at each end: Lanewatch's own, and librdkafka for comparison."""

from __future__ import annotations

import itertools
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Literal

import cv2
import numpy as np
from confluent_kafka import Consumer, Producer
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import demo, metrics
from lanewatch.config import loader
from lanewatch.config.site import KafkaConfig, Site, TopicRetention
from lanewatch.records import EncodedFrame, Frame
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.producers import FrameProducer
from streams.kafka.client.settings import FRAME_FETCH, FRAME_SEND
from streams.kafka.client.topics import Topics

SIZE = 640, 480
QUALITY = 68
"""JPEG quality at which the demo's pictures have 40 KB."""
WARM_S = 5.0
"""Not measured at the start: connections, the first segments, the JVM's compilation."""
IN_FLIGHT_BYTES = 16_000_000
"""Limit in flight. A producer without a rate is always ahead of the broker; more would only fill the cache."""
LIBRDKAFKA_BYTES = 64_000_000
"""librdkafka's default queue; with 16 MB it is slower."""

Client = Literal["lanewatch", "librdkafka"]


@dataclass(frozen=True)
class Load:
    """The frames to transfer.

    ``address`` names the brokers, separated by commas. ``rate`` is frames a second of all cameras; None: as many as
    possible. It is measured for ``seconds`` after ``WARM_S``.
    """

    address: str
    prefix: str
    partitions: int
    cameras: int
    rate: float | None
    seconds: float

    @property
    def site(self) -> Site:
        """The demo's site with these topics."""
        brokers, frames = tuple(self.address.split(",")), TopicRetention(minutes=1, gigabytes=2)
        kafka = KafkaConfig(brokers=brokers, prefix=self.prefix, partitions=self.partitions, frames=frames)
        return loader.load(demo.SITE).model_copy(update={"kafka": kafka})


def transfer(client: Client, load: Load) -> dict[str, float]:
    """Runs a producer and a consumer, each as a process.

    ``least_per_s`` is of the slowest five seconds, ``p50_ms`` and others are from send to ``Frame``, ``producer_mb``
    and ``consumer_mb`` are peak resident memory.
    """
    context = multiprocessing.get_context("spawn")
    ends = []
    for work in (_consume, _produce):
        near, far = context.Pipe()
        process = context.Process(target=work, args=(client, load, far), daemon=True)
        process.start()
        far.close()
        ends.append((process, near))
    (consumer, to_consumer), (producer, to_producer) = ends
    for pipe in (to_consumer, to_producer):
        pipe.recv()  # ready
    for pipe in (to_producer, to_consumer):
        pipe.send("go")
    figures: dict[str, float] = to_consumer.recv() | to_producer.recv()
    for process in (consumer, producer):
        process.join(10)
    return figures


def pictures() -> list[bytes]:
    """64 pictures of the demo's clip as JPEG, 40 KB on average."""
    video = cv2.VideoCapture(str(demo.CLIP))
    try:
        small = [cv2.resize(video.read()[1], SIZE, interpolation=cv2.INTER_AREA) for _ in range(64)]
    finally:
        video.release()
    return [cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1].tobytes() for picture in small]


def encoded_frame(camera: str, at: float, jpeg: bytes) -> Frame:
    """A frame of one of the ``pictures``, captured and received at one time."""
    width, height = SIZE
    return Frame(
        camera=camera,
        epoch=0,
        slot=round(at * 1000),
        captured_at=at,
        received_at=at,
        width=width,
        height=height,
        packed=EncodedFrame(jpeg),
    )


def _produce(client: Client, load: Load, pipe: Connection) -> None:
    jpegs = pictures()
    send, close = _lanewatch_producer(load) if client == "lanewatch" else _librdkafka_producer(load)
    pipe.send("ready")
    pipe.recv()
    cpu_before, started = time.process_time(), time.monotonic()
    until = started + WARM_S + load.seconds + 1.0  # the consumer stops first
    for number in itertools.count():
        if load.rate is not None:
            time.sleep(max(0.0, started + number / load.rate - time.monotonic()))
        if time.monotonic() >= until:
            break
        now = time.time()
        camera = number % load.cameras
        send(encoded_frame(f"camera-{camera:04d}", now, jpegs[number % len(jpegs)]), camera % load.partitions)
    cores = (time.process_time() - cpu_before) / (time.monotonic() - started)
    dropped = close()
    mean_bytes = round(float(np.mean([len(jpeg) for jpeg in jpegs])))
    figures = {"producer_mb": _peak_mb(), "producer_cores": round(cores, 2), "dropped": dropped}
    pipe.send(figures | {"mean_bytes": mean_bytes})


def _lanewatch_producer(load: Load) -> tuple[Callable[[Frame, int], None], Callable[[], int]]:
    """A function that sends a frame, and one that closes the producer and returns the number of lost frames."""
    producer = FrameProducer(Broker(load.site, "benchmark", {}), Topics(load.site), max_bytes=2 * IN_FLIGHT_BYTES)

    def send(frame: Frame, partition: int) -> None:
        while producer.in_flight_bytes > IN_FLIGHT_BYTES:
            time.sleep(0.001)
        producer.send(frame, partition)

    def close() -> int:
        producer.close(10)
        return sum(
            int(sample.value)
            for metric in metrics.DROPPED.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.labels["stage"] == "sample"
        )

    return send, close


def _librdkafka_producer(load: Load) -> tuple[Callable[[Frame, int], None], Callable[[], int]]:
    producer = Producer(
        {
            "bootstrap.servers": load.address,
            "acks": 1,
            "batch.size": FRAME_SEND["batch_size"],
            "linger.ms": FRAME_SEND["linger_ms"],
            "queue.buffering.max.kbytes": LIBRDKAFKA_BYTES // 1000,
        }
    )
    topic = Topics(load.site).frames.name

    def send(frame: Frame, partition: int) -> None:
        key, value, headers = codec.encode_frame(frame)
        while True:
            try:
                producer.produce(topic, value, key, partition, headers=[*headers])
            except BufferError:
                producer.poll(0.001)
            else:
                producer.poll(0)
                return

    return send, lambda: int(producer.flush(10))


def _consume(client: Client, load: Load, pipe: Connection) -> None:
    records = _lanewatch_records(load) if client == "lanewatch" else _librdkafka_records(load)
    next(records)  # the partitions are assigned
    pipe.send("ready")
    pipe.recv()
    cpu_before, started = time.process_time(), time.time()
    start = started + WARM_S
    until = start + load.seconds
    delays: list[float] = []
    arrivals: list[float] = []
    for record in records:
        now = time.time()
        if record is not None:
            frame = codec.decode_frame(record)
            now = time.time()
            if start <= now < until:
                delays.append(now - frame.received_at)
                arrivals.append(now)
        if now >= until:
            break
    cores = (time.process_time() - cpu_before) / (time.time() - started)
    if not arrivals:
        raise SystemExit("no frame arrived")
    per_five, _ = np.histogram(arrivals, np.arange(start, until + 0.1, min(5.0, load.seconds)))
    p50, p95 = np.percentile(delays, (50, 95)) * 1000
    pipe.send(
        {
            "frames_per_s": round(len(arrivals) / load.seconds),
            "least_per_s": round(float(per_five.min()) / min(5.0, load.seconds)),
            "frames": len(arrivals),
            "p50_ms": round(float(p50), 1),
            "p95_ms": round(float(p95), 1),
            "max_ms": round(max(delays) * 1000, 1),
            "consumer_mb": _peak_mb(),
            "consumer_cores": round(cores, 2),
        }
    )


def _lanewatch_records(load: Load) -> Iterator[ConsumerRecord | None]:
    """Records as they arrive; None if none arrived for a while. The first None: the partitions are assigned."""
    topics = Topics(load.site)
    consumer = Broker(load.site, "benchmark", {}).member(topics.group("benchmark"), **FRAME_FETCH)
    consumer.subscribe([topics.frames.name])
    while len(consumer.assignment()) < load.partitions:
        consumer.poll(100)
    yield None
    while True:
        polled = consumer.poll(100)
        if not polled:
            yield None
        for batch in polled.values():
            yield from batch


def _librdkafka_records(load: Load) -> Iterator[ConsumerRecord | None]:
    topics = Topics(load.site)
    consumer = Consumer(
        {
            "bootstrap.servers": load.address,
            "group.id": topics.group("benchmark"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "check.crcs": True,
            "fetch.queue.backoff.ms": 5,  # the default of a second makes it idle
            "queued.max.messages.kbytes": LIBRDKAFKA_BYTES // 1000,
        }
    )
    consumer.subscribe([topics.frames.name])
    while len(consumer.assignment()) < load.partitions:
        consumer.poll(0.1)
    yield None
    while True:
        messages = consumer.consume(100, 0.1)
        if not messages:
            yield None
        for message in messages:
            if message.error():
                raise RuntimeError(str(message.error()))
            yield ConsumerRecord(
                message.topic(), message.partition(), 0, message.offset(), message.timestamp()[1], 1,
                message.key(), message.value(), message.headers(), None, 0, 0, 0,
            )  # fmt: skip


def _peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
