"""The ends of topics, read by hand without being a member of anything: what came last, and what waits since when."""

from __future__ import annotations

import time
from collections.abc import Mapping

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch.records import Watermark
from streams.kafka import codec

MARKS_S = 10.0
"""Watchers tell once a second how far they are; ten of those give a rate, and leave room for a slow one."""

WAIT_S = 5.0
"""A broker that is well gives the records within milliseconds."""


class CameraMark:
    """What the events topic's end says of a camera: the last word about it, and its pictures a second."""

    def __init__(self, told_at: float) -> None:
        self.since = self.told_at = told_at
        self.reached: Watermark | None = None
        self._pictures = 0

    def add(self, told_at: float, reached: Watermark) -> None:
        """Takes another word about the camera; the first one's pictures were before the time that is looked at."""
        self._pictures += reached.pictures if self.reached is not None else 0
        self.told_at, self.reached = told_at, reached

    @property
    def rate(self) -> float | None:
        """Pictures a second; None where it was told of only once."""
        took = self.told_at - self.since
        return self._pictures / took if took > 0 else None


class TopicMarks:
    """How far cameras and partitions have been judged, by the last seconds of the events topic."""

    def __init__(self) -> None:
        self.cameras: dict[str, CameraMark] = {}
        self.places: dict[int, int] = {}
        self.newest: float | None = None

    def take(self, record: ConsumerRecord) -> None:
        """Takes a record of the topic; what is none of ours is not this reader's to complain of."""
        told_at = record.timestamp / 1000
        self.newest = max(told_at, self.newest or 0.0)
        try:
            told = codec.decode_event_record(record)
        except codec.CodecError:
            return
        if not isinstance(told, dict):
            return
        for camera, reached in told.items():
            self.cameras.setdefault(camera, CameraMark(told_at)).add(told_at, reached)
        place = _place(record)
        if place is not None:
            self.places[place[0]] = max(place[1], self.places.get(place[0], 0))


def read_marks(consumer: KafkaConsumer, events: TopicPartition) -> TopicMarks:
    """What the watchers said in the topic's last seconds.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    found = TopicMarks()
    end = consumer.end_offsets([events])[events]
    begin = consumer.beginning_offsets([events])[events]
    if end <= begin:
        return found
    last = read_records(consumer, {events: end - 1}).get(events)
    if last is None:
        return found
    since = consumer.offsets_for_times({events: last.timestamp - int(MARKS_S * 1000)})[events]
    consumer.assign([events])
    consumer.resume(events)
    consumer.seek(events, begin if since is None else since.offset)
    until = time.monotonic() + WAIT_S
    while consumer.position(events) < end and time.monotonic() < until:
        for polled in consumer.poll(timeout_ms=200).values():
            for record in polled:
                found.take(record)
    return found


def read_records(consumer: KafkaConsumer, places: Mapping[TopicPartition, int]) -> dict[TopicPartition, ConsumerRecord]:
    """The record at each place, or the next one where that is no more; without those that do not come in time.

    Raises:
        kafka.errors.KafkaError: the broker does not answer.
    """
    if not places:
        return {}
    found: dict[TopicPartition, ConsumerRecord] = {}
    consumer.assign(list(places))
    consumer.resume(*places)  # those that an earlier look has paused stay so otherwise
    for partition, place in places.items():
        consumer.seek(partition, place)
    until = time.monotonic() + WAIT_S
    while len(found) < len(places) and time.monotonic() < until:
        for partition, polled in consumer.poll(timeout_ms=200).items():
            found.setdefault(partition, polled[0])
            consumer.pause(partition)
    return found


def _place(record: ConsumerRecord) -> tuple[int, int] | None:
    """The partition of the detections topic that a mark is about, and how far that was: NODE/PARTITION/POSITION."""
    id = next((value for name, value in record.headers if name == "ce_id"), b"").decode("utf-8", "replace")
    parts = id.rsplit("/", 2)
    if len(parts) != 3 or not (parts[1].isdecimal() and parts[2].isdecimal()):
        return None
    return int(parts[1]), int(parts[2])
