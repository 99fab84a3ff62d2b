"""The detections archive over Kafka: writes the detections as Parquet, so that they can be scored again at any time.

It is a command of its own, not part of the service. It may run on the machine that has the disks, and several
processes share the partitions. A full disk or a killed process delays no alarm.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kafka.consumer.fetcher import ConsumerRecord

from lanewatch import metrics
from streams.archive.detections_archive import DetectionsArchive
from streams.kafka import codec
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.consumer.offset_tracker import AssignedPartition
from streams.kafka.workers.worker_loop import WorkerLoop

WRITE_S = 300.0
"""Between two files of a camera. A process that is killed reads this much again, and writes the same files."""

MAX_ROWS = 100_000
"""Rows in memory before they are written early. At 3.4 KB each: 340 MB, a minute of 400 cameras."""

_RETRY_S = 1.0


@dataclass
class _UnwrittenRows:
    """A partition's rows that are in memory, and the offsets of their records."""

    archive: DetectionsArchive
    offsets: list[int] = field(default_factory=list)


class ArchiveWorker(WorkerLoop):
    """Writes detections to disk, and commits the offsets of what is on disk. Any number of these share the partitions.

    Each partition has an archive of its own. After a crash the same records come again and give the same files.
    Several processes may share the ``folder``.
    """

    def __init__(self, broker: Broker, topics: Topics, folder: Path, *, node: str) -> None:
        super().__init__("keep", topics.detections, broker, topics, group="archive", instance=f"keep-{node}")
        self._folder = folder
        self._unwritten: dict[AssignedPartition, _UnwrittenRows] = {}
        self._disk_full = False
        self._write_at = time.monotonic() + WRITE_S

    @property
    def _has_room(self) -> bool:
        """Reading pauses while the disk is full. The records stay in the topic."""
        return not self._disk_full

    def _release(self, revoked: Sequence[AssignedPartition]) -> None:
        for assigned in revoked:
            self._unwritten.pop(assigned, None)  # not committed: the partition's next worker reads it again

    def _source_recreated(self) -> None:
        self._write()  # the rows cannot be read again
        super()._source_recreated()

    def _handle(self, record: ConsumerRecord, assigned: AssignedPartition) -> None:
        metrics.RECORDS_IN.labels("keep").inc()
        assigned.progress.start(record.offset)
        if assigned not in self._unwritten:
            self._unwritten[assigned] = _UnwrittenRows(DetectionsArchive(self._folder))
        rows = self._unwritten[assigned]
        rows.offsets.append(record.offset)
        try:
            rows.archive.append(codec.decode_detections(record))
        except codec.CodecError as error:
            metrics.record_refused("keep", error)
        except OSError as error:
            self._write_at = 0.0
            self._log_disk_error(error)

    def _work(self) -> None:
        rows = sum(len(rows.offsets) for rows in self._unwritten.values())
        if time.monotonic() >= self._write_at or (rows >= MAX_ROWS and not self._disk_full):
            self._write()
            self._write_at = time.monotonic() + (_RETRY_S if self._disk_full else WRITE_S)

    def _finish(self) -> None:
        self._write()

    def _write(self) -> None:
        """Writes all rows in memory; the rows of a partition that cannot be written stay there."""
        self._disk_full = False
        for assigned, rows in list(self._unwritten.items()):
            try:
                rows.archive.close()
            except OSError as error:
                self._disk_full = True
                self._log_disk_error(error)
                continue
            for offset in rows.offsets:
                assigned.progress.finish(offset)
            metrics.RECORDS_OUT.labels("keep").inc(len(rows.offsets))
            del self._unwritten[assigned]

    def _log_disk_error(self, error: OSError) -> None:
        metrics.log_throttled(self._log, "disk", "%s cannot be written, the rows wait: %s", self._folder, error)
