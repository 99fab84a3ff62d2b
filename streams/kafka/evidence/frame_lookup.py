"""Reads a camera's frames of a given capture time from the topic, which is ordered by arrival at the broker."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from lanewatch import metrics
from lanewatch.records import Frame
from streams.kafka import codec
from streams.kafka.client.connection import OFFSETS_MS, Broker
from streams.kafka.client.kafka_python_patches import topic_id
from streams.kafka.client.settings import FRAME_FETCH
from streams.kafka.client.topics import Topics
from streams.kafka.consumer.retry import RetryPolicy

BEFORE_S = 3.0
"""Reading starts this much before the wanted time: the lateness of records varies, and a handover reorders them."""

REORDER_S = 1.0
"""Two samplers that hand over a camera reorder its records by at most this."""

NEAR_S = 15.0
"""An offset that is this much too early is good enough: a bisection takes as long as reading the rest."""

RECENT_RECORDS = 4096
"""The lateness is measured this far before the end: five seconds of 150 cameras, each with a record a second."""

SEARCH_RECORDS = 512
"""The bisection ends at this many records: 20 MB, read faster than another step takes."""

MAX_BYTES = 64 << 20
"""Of one camera's JPEG images that are returned: a minute at 25 frames a second of 40 KB."""

MAX_READ_BYTES = 1 << 30
"""Of the whole partition, other cameras' frames included: some seconds of the network."""

MAX_S = 60.0
"""Time limit of one reading, with the time in which the broker is unreachable."""

_POLL_MS = 200

log = metrics.log("footage")


class FrameLookup:
    """Reads a camera's frames; one thread at a time, others wait.

    The lateness of the camera's newest records, between capture and append, gives the append time of a capture time;
    only the broker's clock counts. A recording that is played faster than it was taken has no constant lateness: there
    the offset is found by bisection of the capture times.
    """

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._broker = broker
        self._topic = topics.frames.name
        self._lock = threading.Lock()
        self._retry = RetryPolicy("evidence", f"reading {self._topic}")
        self._consumer: KafkaConsumer | None = None
        self._ending = threading.Event()

    def hurry(self) -> None:
        """Stops waiting for an unreachable broker, now and in later readings."""
        self._ending.set()

    def read(self, camera: str, partition: int, start: float, end: float) -> list[Frame]:
        """Encoded frames with ``start <= captured_at <= end``, seconds UTC, ordered, one for each slot.

        Raises:
            OSError: the broker could not be reached in time.
        """
        deadline = time.monotonic() + MAX_S
        while True:
            try:
                with self._lock:
                    found = self._read(TopicPartition(self._topic, partition), camera, start, end)
            except KafkaError as error:
                self.close()
                if time.monotonic() > deadline or self._ending.is_set():
                    raise OSError(f"{self._topic}-{partition} could not be read within {MAX_S:g} s: {error}") from error
                self._retry.failed(error, self._ending)
            else:
                self._retry.succeeded()
                return found

    def close(self) -> None:
        """Closes the connection; the next reading opens another one."""
        with self._lock:
            consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=1000)

    def _read(self, partition: TopicPartition, camera: str, start: float, end: float) -> list[Frame]:
        if self._consumer is None:
            self._consumer = self._broker.consumer(**FRAME_FETCH | {"fetch_max_wait_ms": 50})
        consumer = self._consumer
        consumer.assign([partition])
        first = consumer.beginning_offsets([partition], timeout_ms=OFFSETS_MS)[partition]
        last = consumer.end_offsets([partition], timeout_ms=OFFSETS_MS)[partition]
        offset = _search(consumer, partition, camera, start - BEFORE_S, first, last)
        frames: dict[int, Frame] = {}
        size = 0
        for record, frame in _frames(consumer, partition, camera, offset, last):
            if frame.captured_at > end + REORDER_S:
                break
            if frame.packed is None or not start <= frame.captured_at <= end:
                continue
            if size + frame.packed.size > MAX_BYTES:
                text = "%s-%d at offset %d: camera %s: more than %d MB of frames in %.0f s, the rest is left out"
                log.warning(text, *partition, record.offset, camera, MAX_BYTES >> 20, end - start)
                break
            known = frames.get(frame.slot)
            if known is None or frame.epoch >= known.epoch:
                frames[frame.slot] = frame
                size += frame.packed.size
        return sorted(frames.values(), key=lambda frame: frame.captured_at)


def _search(
    consumer: KafkaConsumer, partition: TopicPartition, camera: str, captured_at: float, first: int, last: int
) -> int:
    """An offset shortly before the camera's frames after a capture time, by the broker's time or by bisection."""
    recent = next(_frames(consumer, partition, camera, max(first, last - RECENT_RECORDS), last), None)
    if recent is not None:
        lateness = recent[0].timestamp / 1000 - recent[1].captured_at
        appended_at_ms = max(0, int((captured_at + lateness) * 1000))
        by_time = consumer.offsets_for_times({partition: appended_at_ms}, timeout_ms=OFFSETS_MS)[partition]
        if by_time is not None:
            found = next(_frames(consumer, partition, camera, by_time.offset, last), None)
            if found is not None and captured_at - NEAR_S <= found[1].captured_at <= captured_at + BEFORE_S - REORDER_S:
                return int(by_time.offset)
    low, high = first, last
    while high - low > SEARCH_RECORDS:
        middle = (low + high) // 2
        found = next(_frames(consumer, partition, camera, middle, high), None)
        if found is not None and found[1].captured_at <= captured_at:
            low = middle
        else:
            high = middle
    return low


def _frames(
    consumer: KafkaConsumer, partition: TopicPartition, camera: str, offset: int, end: int
) -> Iterator[tuple[ConsumerRecord, Frame]]:
    """A camera's records and frames with offsets from ``offset`` up to ``end``, within the limits of a reading.

    It ends early if the topic is deleted meanwhile.
    """
    consumer.seek(partition, offset)
    read_topic = topic_id(consumer, partition.topic)
    key, read = camera.encode(), 0
    deadline = time.monotonic() + MAX_S
    while offset < end and read < MAX_READ_BYTES and time.monotonic() < deadline:
        if topic_id(consumer, partition.topic) != read_topic:
            return
        for record in consumer.poll(timeout_ms=_POLL_MS).get(partition, ()):
            if record.offset >= end:
                return
            read += max(0, record.serialized_value_size)
            if record.key == key:
                try:
                    yield record, codec.decode_frame(record)
                except codec.CodecError as error:
                    metrics.record_refused("evidence", error)
        offset = consumer.position(partition, timeout_ms=OFFSETS_MS) or offset
