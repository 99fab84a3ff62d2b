"""A small site on a real broker, with its own topics, for the tests of the workers."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import numpy as np
from kafka import TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError

from lanewatch.config.site import Site
from lanewatch.records import Detections, Frame
from streams.kafka import codec
from streams.kafka.client import topics as kafka_topics
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.codec import Message
from streams.video import jpeg

PARTITIONS = 3
WAIT_S = 240.0


class Worker(Protocol):
    """The interface of all workers."""

    def run(self, stop: threading.Event) -> None: ...


class KafkaSite:
    """A site with its own topics on the broker, and clients that write and read them.

    Args:
        address: the broker's.
        cameras: their ids; their partition slots are their positions in this list.
        prefix: of the topics; None makes a new one.
    """

    def __init__(
        self,
        address: str,
        cameras: Sequence[str] = ("a", "b", "c"),
        partitions: int = PARTITIONS,
        prefix: str | None = None,
    ) -> None:
        name = {"ko": "시험", "en": "test"}
        self.site = Site.model_validate(
            {
                "id": "test",
                "name": name,
                "kafka": {
                    "brokers": [address],
                    "prefix": prefix or f"t{uuid.uuid4().hex[:10]}",
                    "partitions": partitions,
                },
                "cameras": [
                    {"id": camera, "name": name, "url": "rtsp://127.0.0.1/1", "latitude": 36, "longitude": 127}
                    for camera in cameras
                ],
            }
        )
        self.seats = {camera: seat for seat, camera in enumerate(cameras)}
        self.broker = Broker(self.site, "test", environment={})
        self.topics = Topics(self.site)
        kafka_topics.ensure_topics(self.broker, self.topics)
        self._producer = self.broker.producer(linger_ms=0, max_request_size=8 << 20)

    def close(self) -> None:
        """Closes the producer."""
        self._producer.close(timeout=5)

    def send(self, topic: str, partition: int, message: Message) -> Any:
        """Sends a record; the future has its position."""
        return self._producer.send(topic, message.value, message.key, message.headers, partition)

    def frame(self, frame: Frame, *extra: tuple[str, bytes]) -> Any:
        """Sends a frame to its camera's partition."""
        message = codec.encode_frame(frame)
        message.headers.extend(extra)
        return self.send(self.topics.frames.name, self.seats[frame.camera] % self.topics.partitions, message)

    def flush(self) -> None:
        """Waits until the broker has all."""
        self._producer.flush(timeout=10)

    def records(self, topic: str, enough: Callable[[list[ConsumerRecord]], bool]) -> list[ConsumerRecord]:
        """The records of a topic, read until ``enough`` accepts them.

        Raises:
            TimeoutError: the time ran out.
        """
        consumer = self.broker.consumer(fetch_max_wait_ms=50)
        try:
            partitions = [TopicPartition(topic, partition) for partition in consumer.partitions_for_topic(topic)]
            consumer.assign(partitions)
            found: list[ConsumerRecord] = []
            until = time.monotonic() + WAIT_S
            while not enough(found):
                if time.monotonic() > until:
                    raise TimeoutError(f"{topic}: not enough in {WAIT_S:g} s: {len(found)} records")
                for records in consumer.poll(timeout_ms=100).values():
                    found += records
            return found
        finally:
            consumer.close()

    def detections(self, count: int) -> list[Detections]:
        """At least the first ``count`` detections."""
        records = self.records(self.topics.detections.name, lambda found: len(found) >= count)
        return [codec.decode_detections(record) for record in records]

    def committed(self, stage: str, topic: str) -> dict[int, int]:
        """What a stage's group has committed, by partition."""
        admin = self.broker.admin()
        try:
            group = self.topics.group(stage)
            offsets = admin.list_group_offsets([group])[group]
            return {key.partition: committed.offset for key, committed in offsets.items() if key.topic == topic}
        except (CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError):
            return {}  # the first group of this broker is just being made
        finally:
            admin.close()


def picture(camera: str, slot: int, *, size: tuple[int, int] = (36, 64), **parts: Any) -> Frame:
    """A packed frame of a second's grid."""
    image = np.full((*size, 3), slot % 200, np.uint8)
    at = parts.pop("captured_at", slot / 1000)
    frame = Frame(
        camera=camera,
        epoch=1,
        slot=slot,
        captured_at=at,
        received_at=time.time(),
        width=size[1],
        height=size[0],
        image=image,
        **parts,
    )
    return jpeg.pack(frame)


@contextmanager
def running(worker: Worker) -> Iterator[threading.Event]:
    """Runs a worker in a thread. Leaving the context stops it and raises its error."""
    stop = threading.Event()
    raised: list[BaseException] = []

    def run() -> None:
        try:
            worker.run(stop)
        except BaseException as error:  # noqa: BLE001 - handed on below
            raised.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield stop
    finally:
        stop.set()
        thread.join(WAIT_S)
    assert not thread.is_alive()
    if raised:
        raise raised[0]


def until(happened: Callable[[], object], what: str, seconds: float = WAIT_S) -> None:
    """Waits for something.

    Raises:
        TimeoutError: it did not happen in time.
    """
    limit = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > limit:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.01)
