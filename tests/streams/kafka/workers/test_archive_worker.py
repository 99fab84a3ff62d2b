"""The detections archive over a real broker."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lanewatch import metrics
from lanewatch.records import Detections
from streams.archive import detections_archive
from streams.kafka import codec
from streams.kafka.workers import archive_worker
from streams.kafka.workers.archive_worker import ArchiveWorker
from tests.streams.kafka.kafka_site import KafkaSite, picture, running, until


@pytest.fixture
def kafka_site(broker: str) -> Iterator[KafkaSite]:
    kafka_site = KafkaSite(broker)
    yield kafka_site
    kafka_site.close()


def send_detections(kafka_site: KafkaSite, first: int, last: int) -> None:
    for slot in range(first, last):
        for camera, seat in kafka_site.seats.items():
            found = Detections.empty(picture(camera, slot), model="double")
            kafka_site.send(kafka_site.topics.detections.name, seat, codec.encode_detections(found))
    kafka_site.flush()


def committed_offsets(kafka_site: KafkaSite) -> int:
    return sum(kafka_site.committed("archive", kafka_site.topics.detections.name).values())


def records_read() -> float:
    """Records that have been read in this process."""
    return float(metrics.RECORDS_IN.labels("keep")._value.get())


def slots(folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for record in detections_archive.read(folder):
        found.setdefault(record.camera, []).append(record.slot)
    return found


def test_what_is_committed_is_on_the_disk_and_the_end_writes_the_rest(
    kafka_site: KafkaSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_worker, "MAX_ROWS", 30)
    send_detections(kafka_site, 0, 20)
    with running(ArchiveWorker(kafka_site.broker, kafka_site.topics, tmp_path, node="one")):
        until(lambda: committed_offsets(kafka_site) >= 30, "something is committed")
        assert sum(map(len, slots(tmp_path).values())) >= committed_offsets(kafka_site)
        before = records_read()
        send_detections(kafka_site, 20, 25)
        until(lambda: records_read() >= before + 15, "the rest is read")
    assert committed_offsets(kafka_site) == 75
    assert slots(tmp_path) == {camera: list(range(25)) for camera in "abc"}


def test_records_that_come_again_after_a_crash_make_the_same_files(kafka_site: KafkaSite, tmp_path: Path) -> None:
    send_detections(kafka_site, 0, 10)

    class Killed(ArchiveWorker):
        """A double for a process that is killed when it has written, before it could commit."""

        def _write(self) -> None:
            for rows in self._unwritten.values():
                rows.archive.close()

    before = records_read()
    with running(Killed(kafka_site.broker, kafka_site.topics, tmp_path, node="one")):
        until(lambda: records_read() >= before + 30, "all is read")
    assert committed_offsets(kafka_site) == 0
    files = sorted(tmp_path.rglob("*.parquet"))
    with running(ArchiveWorker(kafka_site.broker, kafka_site.topics, tmp_path, node="one")):
        until(lambda: records_read() >= before + 60, "all is read again")
    assert slots(tmp_path) == {camera: list(range(10)) for camera in "abc"}
    assert sorted(tmp_path.rglob("*.parquet")) == files


def test_a_disk_that_cannot_be_written_holds_the_offset(
    kafka_site: KafkaSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_worker, "MAX_ROWS", 10)
    monkeypatch.setattr(archive_worker, "_RETRY_S", 0.05)
    blocked = tmp_path / "archive"
    blocked.write_text("a file where the folder belongs")
    send_detections(kafka_site, 0, 10)
    before = records_read()
    with running(ArchiveWorker(kafka_site.broker, kafka_site.topics, blocked, node="one")):
        until(lambda: records_read() >= before + 10, "something is read")
        assert committed_offsets(kafka_site) == 0
        blocked.unlink()
        until(lambda: committed_offsets(kafka_site) == 30, "all is written and committed")
    assert slots(blocked) == {camera: list(range(10)) for camera in "abc"}
