"""Archived detections that were shuffled, copied or merged are read in the order of the watch stage."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from streams.archive import detections_archive
from streams.archive.detections_archive import DetectionsArchive
from tests.streams.archive.test_detections_archive import detections

SLOTS = [*range(0, 20_000, 500), *range(3_600_000, 3_620_000, 500), *range(90_000_000, 90_005_000, 500)]
"""Three periods with gaps between them, the last one on another day."""


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    folder = tmp_path / "archive"
    with DetectionsArchive(folder, rows_per_file=8) as writer:
        for slot in SLOTS:
            for camera in ("b", "a"):
                writer.append(detections(slot, camera=camera))
    return folder


def read(folder: Path) -> list[tuple[str, int, int]]:
    return [(record.camera, record.epoch, record.slot) for record in detections_archive.read(folder)]


EXPECTED = [(camera, 7, slot) for camera in "ab" for slot in SLOTS]


def test_names_do_not_matter(archive: Path, tmp_path: Path) -> None:
    files = sorted(archive.rglob("*.parquet"))
    random.Random(3).shuffle(files)
    flat = tmp_path / "flat"
    flat.mkdir()
    for number, file in enumerate(files):
        shutil.copy(file, flat / f"export_{number}.parquet")
    assert read(flat) == EXPECTED


def test_rows_of_all_cameras_in_one_shuffled_file(archive: Path, tmp_path: Path) -> None:
    whole = pa.concat_tables([pq.read_table(file, partitioning=None) for file in archive.rglob("*.parquet")])
    rows = np.random.default_rng(1).permutation(len(whole))
    file = tmp_path / "one.parquet"
    pq.write_table(whole.take(rows), file, row_group_size=16)
    assert read(file) == EXPECTED


@pytest.mark.parametrize("statistics", [True, False])  # other writers omit the footer's statistics
def test_a_copy_of_a_file_gives_each_record_twice_in_order(archive: Path, tmp_path: Path, statistics: bool) -> None:
    for number, file in enumerate(sorted(archive.rglob("*.parquet"))[::2]):
        copy = pq.read_table(file, partitioning=None)
        pq.write_table(copy, archive / f"copy_{number}.parquet", write_statistics=statistics)
    got = read(archive)
    assert got == sorted(got)
    assert len(got) > len(EXPECTED)
    assert sorted(set(got)) == EXPECTED


def test_a_later_epoch_comes_later_though_its_clock_was_set_back(tmp_path: Path) -> None:
    watched = [(7, 9_000), (7, 9_500), (8, 1_000), (8, 1_500)]
    rows = [detections(slot, epoch=epoch) for epoch, slot in watched]
    with DetectionsArchive(tmp_path) as writer:
        for row in (rows[2], rows[0], rows[3], rows[1]):
            writer.append(row)
    assert [(epoch, slot) for _, epoch, slot in read(tmp_path)] == watched
