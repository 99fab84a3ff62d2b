"""What carries frames through a broker, one process at each end: Lanewatch's own way, and librdkafka for comparison."""

from __future__ import annotations

import itertools
import multiprocessing
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Literal

import cv2
import numpy as np
import psutil
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
"""With which the demo's clip has pictures of 40 KB."""

WARM_S = 5.0
"""Left out at the start: connections, the first segments, a Java machine that compiles."""

MAX_RECORD_BYTES = 16_000_000
"""In flight at most: an unpaced producer is always ahead of the broker, and what waits only costs its cache."""

THEIR_ROOM_BYTES = 64_000_000
"""librdkafka's own usual size; with 16 MB it is slower."""

Carrier = Literal["lanewatch", "librdkafka"]


@dataclass(frozen=True)
class Load:
    """What is carried.

    Attributes:
        address: of the broker, or several with commas between.
        prefix: of the topics.
        partitions: of the frames topic.
        cameras: that the frames are said to be from.
        rate: frames a second of them all; None is as fast as it goes.
        seconds: for so long, after ``WARM_S``.
    """

    address: str
    prefix: str
    partitions: int
    cameras: int
    rate: float | None
    seconds: float

    @property
    def site(self) -> Site:
        """The demo's, with these topics."""
        kafka = KafkaConfig(
            brokers=tuple(self.address.split(",")),
            prefix=self.prefix,
            partitions=self.partitions,
            frames=TopicRetention(minutes=1, gigabytes=2),
        )
        return loader.load(demo.SITE).model_copy(update={"kafka": kafka})


def carry(carrier: Carrier, load: Load) -> dict[str, float]:
    """Runs a producer and a consumer as processes of their own.

    Returns:
        ``frames_per_s``, ``least_per_s`` (the slowest five seconds), ``p50_ms``, ``p95_ms``, ``max_ms`` (from send to
        ``Frame``), ``frames``, ``producer_mb``, ``consumer_mb`` (resident at most), ``mean_bytes``, ``dropped``,
        ``producer_cores``, ``consumer_cores``.
    """
    context = multiprocessing.get_context("spawn")
    ends = []
    for work in (_consume, _produce):
        near, far = context.Pipe()
        process = context.Process(target=work, args=(carrier, load, far), daemon=True)
        process.start()
        far.close()
        ends.append((process, near))
    (consumer, told), (producer, sent) = ends
    for end in (told, sent):
        end.recv()  # it is ready
    for end in (sent, told):
        end.send("go")
    figures: dict[str, float] = told.recv() | sent.recv()
    for process in (consumer, producer):
        process.join(10)
    return figures


def pictures() -> list[bytes]:
    """Pictures of the demo's clip as JPEG files: 64 of them, of 40 KB on average."""
    video = cv2.VideoCapture(str(demo.CLIP))
    try:
        return [_jpeg(cv2.resize(video.read()[1], SIZE, interpolation=cv2.INTER_AREA)) for _ in range(64)]
    finally:
        video.release()


def _jpeg(picture: Any) -> bytes:
    return bytes(cv2.imencode(".jpg", picture, (cv2.IMWRITE_JPEG_QUALITY, QUALITY))[1].tobytes())


def _produce(carrier: Carrier, load: Load, pipe: Connection) -> None:
    jpegs = pictures()
    send, ended = _sending(carrier, load)
    pipe.send("ready")
    pipe.recv()
    me = psutil.Process()
    before, began = sum(me.cpu_times()[:2]), time.monotonic()
    until = began + WARM_S + load.seconds + 1.0  # the consumer stops first
    for number in itertools.count():
        if load.rate is not None:
            time.sleep(max(0.0, began + number / load.rate - time.monotonic()))
        if time.monotonic() >= until:
            break
        now = time.time()
        frame = Frame(
            camera=f"camera-{number % load.cameras:04d}",
            epoch=0,
            slot=round(now * 1000),
            captured_at=now,
            received_at=now,
            width=SIZE[0],
            height=SIZE[1],
            packed=EncodedFrame(jpegs[number % len(jpegs)]),
        )
        send(frame, number % load.cameras % load.partitions)
    cores = (sum(me.cpu_times()[:2]) - before) / (time.monotonic() - began)
    dropped = ended()
    pipe.send(
        {
            "producer_mb": _peak_mb(),
            "producer_cores": round(cores, 2),
            "dropped": dropped,
            "mean_bytes": round(float(np.mean([len(one) for one in jpegs]))),
        }
    )


def _sending(carrier: Carrier, load: Load) -> tuple[Callable[[Frame, int], None], Callable[[], int]]:
    """What sends a frame, and what ends it and tells how many frames were lost."""
    return _our_sender(load) if carrier == "lanewatch" else _their_producer(load)


def _our_sender(load: Load) -> tuple[Callable[[Frame, int], None], Callable[[], int]]:
    sender = FrameProducer(Broker(load.site, "benchmark", {}), Topics(load.site), max_bytes=2 * MAX_RECORD_BYTES)

    def send(frame: Frame, partition: int) -> None:
        while sender.in_flight_bytes > MAX_RECORD_BYTES:
            time.sleep(0.001)
        sender.send(frame, partition)

    def ended() -> int:
        sender.close(10)
        return sum(
            int(sample.value)
            for metric in metrics.DROPPED.collect()
            for sample in metric.samples
            if sample.name.endswith("_total") and sample.labels["stage"] == "sample"
        )

    return send, ended


def _their_producer(load: Load) -> tuple[Callable[[Frame, int], None], Callable[[], int]]:
    producer = Producer(
        {
            "bootstrap.servers": load.address,
            "acks": 1,
            "batch.size": FRAME_SEND["batch_size"],
            "linger.ms": FRAME_SEND["linger_ms"],
            "queue.buffering.max.kbytes": THEIR_ROOM_BYTES // 1000,
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


def _consume(carrier: Carrier, load: Load, pipe: Connection) -> None:
    records = _our_records(load) if carrier == "lanewatch" else _their_records(load)
    next(records)  # it has its partitions
    pipe.send("ready")
    pipe.recv()
    me = psutil.Process()
    before, began = sum(me.cpu_times()[:2]), time.time()
    start = began + WARM_S
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
    cores = (sum(me.cpu_times()[:2]) - before) / (time.time() - began)
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


def _our_records(load: Load) -> Iterator[ConsumerRecord | None]:
    """Records as they come; a None where none came for a while, the first once the partitions are there."""
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


def _their_records(load: Load) -> Iterator[ConsumerRecord | None]:
    topics = Topics(load.site)
    consumer = Consumer(
        {
            "bootstrap.servers": load.address,
            "group.id": topics.group("benchmark"),
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
            "check.crcs": True,
            "fetch.queue.backoff.ms": 5,  # with its usual second it waits for nothing
            "queued.max.messages.kbytes": THEIR_ROOM_BYTES // 1000,
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
        for one in messages:
            if one.error():
                raise RuntimeError(str(one.error()))
            yield ConsumerRecord(
                one.topic(), one.partition(), 0, one.offset(), one.timestamp()[1], 1,
                one.key(), one.value(), one.headers(), None, 0, 0, 0,
            )  # fmt: skip


def _peak_mb() -> int:
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
