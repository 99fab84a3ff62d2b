"""The detections archive over Kafka: what the workers saw is kept as Parquet, so that it can be judged again for ever.

A command of its own and no part of the service: it may run on the machine that has the disks, more of it share the
partitions, and a disk that is full or a process that is killed delays no alarm.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError

from lanewatch import metrics
from streams.archive.detections_archive import DetectionsArchive
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.consumer.metrics import ConsumerMetrics
from streams.kafka.consumer.offset_tracker import AssignedPartition, OffsetTracker
from streams.kafka.consumer.retry import RetryPolicy

WRITE_S = 300.0
"""Between two files of a camera: a killed process reads so much of the topic again, and writes the same files."""

MOST_ROWS = 100_000
"""That are held before they are written all the same: at 3.4 KB each 340 MB, a minute of 400 cameras."""

_POLL_MS = 200
_RETRY_S = 1.0
_CLOSE_S = 5.0

log = metrics.log("keep")


class ArchiveWorker:
    """Writes detections down, and commits what is on the disk. Any number of these share the partitions.

    Each partition has an archive of its own, and its offset is committed when that holds nothing unwritten: after a
    crash the same records come again and make the same files.

    Args:
        broker: the site's.
        topics: the site's.
        folder: where the archive lies; several processes may share it.
        node: what this process is called; its name in the group.
    """

    def __init__(self, broker: Broker, topics: Topics, folder: Path, *, node: str) -> None:
        self.node = node
        self._broker = broker
        self._topics = topics
        self._folder = folder
        self._patience = RetryPolicy("keep", f"reading {topics.detections.name}")
        self._lock = threading.Lock()
        self._archives: dict[TopicPartition, DetectionsArchive] = {}
        self._held: dict[TopicPartition, list[int]] = {}
        self._full = False
        self._write_at = 0.0
        self._shares: OffsetTracker

    def run(self, stop: threading.Event) -> None:
        """Works until ``stop`` is set, then writes what it has.

        Raises:
            BrokerError: something that waiting does not mend.
        """
        consumer = self._broker.member(self._topics.group("archive"), instance=f"keep-{self.node}")
        self._shares = OffsetTracker(consumer, self._gone)
        try:
            self._shares.join(self._topics.detections.name)
            self._reading(consumer, stop)
        finally:
            self._write()
            self._shares.commit_now(_CLOSE_S)
            try:
                consumer.close(timeout_ms=int(_CLOSE_S * 1000))
            except KafkaError as error:
                log.warning("left without a word to the group: %r", error)

    def _reading(self, consumer: KafkaConsumer, stop: threading.Event) -> None:
        self._write_at = time.monotonic() + WRITE_S
        pulse = ConsumerMetrics("keep", self._topics.detections.name)
        while not stop.is_set():
            try:
                polled = consumer.poll(timeout_ms=_POLL_MS)
                for record in (record for records in polled.values() for record in records):
                    self._take(record)
                pulse.beat(consumer, polled)
                if time.monotonic() >= self._write_at or (self._rows >= MOST_ROWS and not self._full):
                    self._write_at = time.monotonic() + (WRITE_S if self._write() else _RETRY_S)
                    self._shares.commit_soon()
                self._regulate(consumer)
            except KafkaError as error:
                self._patience.bear(error, stop)
            else:
                self._patience.relieved()

    def _regulate(self, consumer: KafkaConsumer) -> None:
        """Reads no further while the disk is full: what is in the topic is not lost."""
        if self._full:
            consumer.pause(*consumer.assignment())
            time.sleep(_POLL_MS / 1000)  # the client does not wait where all is paused: it spins
        elif consumer.paused():
            consumer.resume(*consumer.paused())

    @property
    def _rows(self) -> int:
        with self._lock:
            return sum(len(offsets) for offsets in self._held.values())

    def _take(self, record: ConsumerRecord) -> None:
        place = TopicPartition(record.topic, record.partition)
        share = self._shares.of(place)
        if share is None:
            return
        metrics.RECORDS_IN.labels("keep").inc()
        share.progress.begin(record.offset)
        with self._lock:
            self._held.setdefault(place, []).append(record.offset)
            archive = self._archives.setdefault(place, DetectionsArchive(self._folder))
        try:
            archive.append(codec.decode_detections(record))
        except codec.CodecError as error:
            metrics.record_refused("keep", error)
        except OSError as error:
            self._full = True
            self._write_at = 0.0
            self._tell(error)

    def _write(self) -> bool:
        """Writes what is held; whether all of it could be."""
        with self._lock:
            archives = dict(self._archives)
        written = [self._settle(place, archive) for place, archive in archives.items()]
        self._full = not all(written)
        return not self._full

    def _settle(self, place: TopicPartition, archive: DetectionsArchive) -> bool:
        try:
            archive.close()
        except OSError as error:
            self._tell(error)
            return False
        share = self._shares.of(place)
        with self._lock:
            offsets = self._held.pop(place, [])
        if share is not None:
            for offset in offsets:
                share.progress.end(offset)
            metrics.RECORDS_OUT.labels("keep").inc(len(offsets))
        return True

    def _tell(self, error: OSError) -> None:
        metrics.log_throttled(log, "disk", "%s cannot be written, the rows wait: %s", self._folder, error)

    def _gone(self, share: AssignedPartition) -> None:
        """What is held of a partition that went is left to who has it next: nothing of it was committed."""
        with self._lock:
            self._archives.pop(share.partition, None)
            self._held.pop(share.partition, None)
