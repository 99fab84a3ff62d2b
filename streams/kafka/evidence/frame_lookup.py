"""Finds and reads what a camera sent at a capture time, in a topic that is ordered by when the broker had it."""

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
from streams.kafka.client.connection import Broker
from streams.kafka.client.settings import FRAME_FETCH
from streams.kafka.client.topics import Topics
from streams.kafka.consumer.retry import RetryPolicy

BEFORE_S = 3.0
"""Reading begins so much before what is wanted: records lie in the order of their arrival, which jitters."""

NEAR_S = 15.0
"""A place from which so much more is read than is wanted is good enough: another look-up costs as much."""

BEHIND_S = 1.0
"""What belongs before a record may come so much behind it: two samplers that hand over reorder within this."""

MOST_BYTES = 64 << 20
"""Of one camera's pictures that are held at once: a minute at 25 frames a second of 40 KB."""

MOST_READ_BYTES = 1 << 30
"""Of the whole partition, other cameras' pictures included: some seconds of the network."""

MOST_S = 60.0
"""One reading, a broker that is away for a while included."""

_GUESSES = 3
_POLL_MS = 200
_FETCH = FRAME_FETCH | {"fetch_max_wait_ms": 50}

log = metrics.log("footage")


class FrameLookup:
    """Reads back a camera's frames. Used by one thread at a time; others wait.

    Where a capture time lies is guessed from how late its camera's records have come, looked up by the broker's stamps,
    and put right by the stamp of what is found there: nobody's clock needs to be right but the broker's own. Where that
    leads nowhere, such as with a recording that is played faster than it was taken, the place is halved in on.
    """

    def __init__(self, broker: Broker, topics: Topics) -> None:
        self._broker = broker
        self._topic = topics.frames.name
        self._lock = threading.Lock()
        self._patience = RetryPolicy("evidence", f"reading {self._topic}")
        self._consumer: KafkaConsumer | None = None
        self._ending = threading.Event()

    def hurry(self) -> None:
        """A broker that is away is waited for no longer."""
        self._ending.set()

    def read(self, camera: str, partition: int, start: float, end: float, late_s: float) -> list[Frame]:
        """Packed frames with ``start <= captured_at <= end``, in order, one for each slot.

        Args:
            camera: whose.
            partition: where its records are.
            start, end: capture time, seconds UTC.
            late_s: arrival less capture time of its records, as far as is known.

        Raises:
            OSError: the broker could not be reached in time.
        """
        give_up_at = time.monotonic() + MOST_S
        while True:
            try:
                with self._lock:
                    found = self._read(TopicPartition(self._topic, partition), camera, (start, end), late_s)
            except KafkaError as error:
                self.close()
                if time.monotonic() > give_up_at or self._ending.is_set():
                    raise OSError(
                        f"{self._topic}-{partition} could not be read within {MOST_S:g} s: {error}"
                    ) from error
                self._patience.failed(error, self._ending)
            else:
                self._patience.succeeded()
                return found

    def close(self) -> None:
        """Ends the connection; the next reading makes a new one."""
        with self._lock:
            consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=1000)

    def _read(self, place: TopicPartition, camera: str, wanted: tuple[float, float], late_s: float) -> list[Frame]:
        if self._consumer is None:
            self._consumer = self._broker.consumer(**_FETCH)
        consumer = self._consumer
        consumer.assign([place])
        first, last = consumer.beginning_offsets([place])[place], consumer.end_offsets([place])[place]
        begin = self._find(place, camera, wanted[0], late_s, (first, last))
        frames: dict[int, Frame] = {}
        held = 0
        for record, frame in self._records(place, camera, begin, last):
            if frame.captured_at > wanted[1] + BEHIND_S:
                break
            if frame.packed is None or not wanted[0] <= frame.captured_at <= wanted[1]:
                continue
            if held + frame.packed.size > MOST_BYTES:
                log.warning(
                    "%s-%d at offset %d: camera %s: more than %d MB of footage in %.0f s, the rest is left out",
                    place.topic,
                    place.partition,
                    record.offset,
                    camera,
                    MOST_BYTES >> 20,
                    wanted[1] - wanted[0],
                )
                break
            known = frames.get(frame.slot)
            if known is None or frame.epoch >= known.epoch:
                frames[frame.slot] = frame
                held += frame.packed.size
        return sorted(frames.values(), key=lambda frame: frame.captured_at)

    def _find(self, place: TopicPartition, camera: str, start: float, late_s: float, bounds: tuple[int, int]) -> int:
        """An offset shortly before the camera's record of a capture time."""
        assert self._consumer is not None
        tried: set[int] = set()
        for _ in range(_GUESSES):
            stamp = max(0, int((start + late_s - BEFORE_S) * 1000))
            found = self._consumer.offsets_for_times({place: stamp})[place]
            offset = bounds[1] if found is None else found.offset
            met = self._first(place, camera, offset, bounds[1])
            if met is None:
                break
            at = met[1].captured_at
            if start - NEAR_S <= at <= start or offset in tried or (at > start and offset <= bounds[0]):
                return offset
            tried.add(offset)
            late_s = met[0].timestamp / 1000 - at
        return self._halve(place, camera, start, bounds)

    def _halve(self, place: TopicPartition, camera: str, start: float, bounds: tuple[int, int]) -> int:
        low, high = bounds  # what comes at low is before start, as far as anything is
        while high - low > 1:
            middle = (low + high) // 2
            met = self._first(place, camera, middle, high)
            if met is None or met[1].captured_at > start:
                high = middle
            else:
                low = middle
        return low

    def _first(self, place: TopicPartition, camera: str, offset: int, last: int) -> tuple[ConsumerRecord, Frame] | None:
        return next(self._records(place, camera, offset, last), None)

    def _records(
        self, place: TopicPartition, camera: str, offset: int, last: int
    ) -> Iterator[tuple[ConsumerRecord, Frame]]:
        """A camera's frames from an offset on, until what was the end when the reading began."""
        consumer = self._consumer
        assert consumer is not None
        consumer.seek(place, offset)
        key, read = camera.encode(), 0
        until = time.monotonic() + MOST_S
        while offset < last and read < MOST_READ_BYTES and time.monotonic() < until:
            for record in consumer.poll(timeout_ms=_POLL_MS).get(place, ()):
                if record.offset >= last:
                    return
                read += max(0, record.serialized_value_size)
                if record.key == key:
                    try:
                        yield record, codec.decode_frame(record)
                    except codec.CodecError as error:
                        metrics.record_refused("evidence", error)
            offset = consumer.position(place)
