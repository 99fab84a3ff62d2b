"""The last records of topics, read without a consumer group."""

from __future__ import annotations

import time
from collections.abc import Mapping

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch.records import Watermark
from streams.kafka import codec

RECENT_S = 10.0
"""Watchers send a watermark each second; ten of them give a rate, and leave room for a slow watcher."""

READ_S = 5.0
"""Time limit of a reading; a reachable broker takes milliseconds."""


class CameraWatermarks:
    """A camera's last watermark, and its frames a second over the recent ones."""

    def __init__(self, appended_at: float) -> None:
        self.latest: Watermark | None = None
        self._first_at = self._latest_at = appended_at
        self._pictures = 0

    def add(self, appended_at: float, watermark: Watermark) -> None:
        """Adds the next watermark; the frames of the first one were before the measured time."""
        self._pictures += watermark.pictures if self.latest is not None else 0
        self._latest_at, self.latest = appended_at, watermark

    @property
    def rate(self) -> float | None:
        """Frames a second; None with a single watermark."""
        duration = self._latest_at - self._first_at
        return self._pictures / duration if duration > 0 else None


class RecentWatermarks:
    """What the end of the topic ``events`` says about cameras, and about partitions of ``detections``.

    Attributes:
        cameras: By camera id.
        offsets: By partition, the offset up to which its watcher has processed it.
    """

    def __init__(self) -> None:
        self.cameras: dict[str, CameraWatermarks] = {}
        self.offsets: dict[int, int] = {}

    def add(self, record: ConsumerRecord) -> None:
        """Adds a record of the topic; events and foreign records are skipped."""
        try:
            content = codec.decode_event_record(record)
        except codec.CodecError:
            return
        if not isinstance(content, dict):
            return
        appended_at = record.timestamp / 1000
        for camera, watermark in content.items():
            self.cameras.setdefault(camera, CameraWatermarks(appended_at)).add(appended_at, watermark)
        # The id of a watermark record is NODE/PARTITION/OFFSET.
        id = next((value for name, value in record.headers if name == "ce_id"), b"").decode("utf-8", "replace")
        _, partition, offset = ("/" * 2 + id).rsplit("/", 2)
        if partition.isdecimal() and offset.isdecimal():
            self.offsets[int(partition)] = max(int(offset), self.offsets.get(int(partition), 0))


def read_watermarks(consumer: KafkaConsumer, events: TopicPartition) -> RecentWatermarks:
    """The watermarks of the last ``RECENT_S`` of the topic ``events``.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    watermarks = RecentWatermarks()
    end = consumer.end_offsets([events])[events]
    begin = consumer.beginning_offsets([events])[events]
    last = read_records(consumer, {events: end - 1}).get(events) if end > begin else None
    if last is None:
        return watermarks
    start = consumer.offsets_for_times({events: last.timestamp - int(RECENT_S * 1000)})[events]
    consumer.assign([events])
    consumer.resume(events)
    consumer.seek(events, begin if start is None else start.offset)
    deadline = time.monotonic() + READ_S
    while consumer.position(events) < end and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=200).values():
            for record in records:
                watermarks.add(record)
    return watermarks


def read_records(
    consumer: KafkaConsumer, offsets: Mapping[TopicPartition, int]
) -> dict[TopicPartition, ConsumerRecord]:
    """The record at each offset, or the next one if that was deleted; records that do not arrive in time are absent.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    if not offsets:
        return {}
    found: dict[TopicPartition, ConsumerRecord] = {}
    consumer.assign(list(offsets))
    consumer.resume(*offsets)  # partitions that an earlier call has paused would stay paused
    for partition, offset in offsets.items():
        consumer.seek(partition, offset)
    deadline = time.monotonic() + READ_S
    while len(found) < len(offsets) and time.monotonic() < deadline:
        for partition, records in consumer.poll(timeout_ms=200).items():
            found.setdefault(partition, records[0])
            consumer.pause(partition)
    return found
