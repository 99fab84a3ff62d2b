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
from tests.streams.kafka.kafka_site import Shop, picture, running, until


@pytest.fixture
def shop(broker: str) -> Iterator[Shop]:
    shop = Shop(broker)
    yield shop
    shop.close()


def tell(shop: Shop, first: int, last: int) -> None:
    for slot in range(first, last):
        for camera, seat in shop.seats.items():
            found = Detections.empty(picture(camera, slot), model="double")
            shop.send(shop.topics.detections.name, seat, codec.encode_detections(found))
    shop.flush()


def position(shop: Shop) -> int:
    return sum(shop.committed("archive", shop.topics.detections.name).values())


def read() -> float:
    """Records that have been read in this process."""
    return float(metrics.RECORDS_IN.labels("keep")._value.get())


def slots(folder: Path) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for record in detections_archive.read(folder):
        found.setdefault(record.camera, []).append(record.slot)
    return found


def test_what_is_committed_is_on_the_disk_and_the_end_writes_the_rest(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_worker, "MAX_ROWS", 30)
    tell(shop, 0, 20)
    with running(ArchiveWorker(shop.broker, shop.topics, tmp_path, node="one")):
        until(lambda: position(shop) >= 30, "something is committed")
        assert sum(map(len, slots(tmp_path).values())) >= position(shop)
        before = read()
        tell(shop, 20, 25)
        until(lambda: read() >= before + 15, "the rest is read")
    assert position(shop) == 75
    assert slots(tmp_path) == {camera: list(range(25)) for camera in "abc"}


def test_records_that_come_again_after_a_crash_make_the_same_files(shop: Shop, tmp_path: Path) -> None:
    tell(shop, 0, 10)

    class Killed(ArchiveWorker):
        """A double for a process that is killed when it has written, before it could commit."""

        def _write(self) -> None:
            for rows in self._unwritten.values():
                rows.archive.close()

    before = read()
    with running(Killed(shop.broker, shop.topics, tmp_path, node="one")):
        until(lambda: read() >= before + 30, "all is read")
    assert position(shop) == 0
    files = sorted(tmp_path.rglob("*.parquet"))
    with running(ArchiveWorker(shop.broker, shop.topics, tmp_path, node="one")):
        until(lambda: read() >= before + 60, "all is read again")
    assert slots(tmp_path) == {camera: list(range(10)) for camera in "abc"}
    assert sorted(tmp_path.rglob("*.parquet")) == files


def test_a_disk_that_cannot_be_written_holds_the_offset(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive_worker, "MAX_ROWS", 10)
    monkeypatch.setattr(archive_worker, "_RETRY_S", 0.05)
    blocked = tmp_path / "archive"
    blocked.write_text("a file where the folder belongs")
    tell(shop, 0, 10)
    before = read()
    with running(ArchiveWorker(shop.broker, shop.topics, blocked, node="one")):
        until(lambda: read() >= before + 10, "something is read")
        assert position(shop) == 0
        blocked.unlink()
        until(lambda: position(shop) == 30, "all is written and committed")
    assert slots(blocked) == {camera: list(range(10)) for camera in "abc"}
