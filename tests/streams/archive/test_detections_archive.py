from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lanewatch.records import Detections, Flame, SceneMeasurements, StillRegion, encode
from streams.archive import detections_archive
from streams.archive.detections_archive import ArchiveError, DetectionsArchive

DAY_S = 86400.0


def detections(slot: int, *, camera: str = "lane", boxes: int = 2, seed: int = 0, **changes: object) -> Detections:
    random = np.random.default_rng(seed + slot)
    values: dict[str, object] = {
        "camera": camera,
        "epoch": 7,
        "slot": slot,
        "captured_at": slot / 1000,
        "received_at": slot / 1000 + 0.1,
        "width": 768,
        "height": 576,
        "xyxy": random.random((boxes, 4), np.float32) * 500,
        "scores": random.random(boxes, np.float32),
        "labels": random.integers(0, 12, boxes).astype(np.uint8),
        "appearance": random.integers(0, 255, (boxes, 24)).astype(np.uint8),
        "model": "nanodet-g",
    }
    return Detections(**(values | changes))  # type: ignore[arg-type]


@settings(max_examples=25)
@given(counts=st.lists(st.integers(0, 5), min_size=1, max_size=20), rows=st.integers(1, 7), seed=st.integers(0, 99))
def test_archived_records_are_restored_bit_for_bit(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], rows: int, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    archived = [
        detections(
            1000 * index,
            boxes=count,
            seed=seed,
            appearance=np.full((count, 24 if count else 0), index, np.uint8),
            gap="idle" if count == 0 else None,
            keypoints=np.full((count, 17, 3), 0.1, np.float32) if index % 2 else None,
            pose_requested=np.ones(count, bool) if index % 2 else None,
            scene=SceneMeasurements(
                moved=((1.5, 2.5, 3.5, 4.5),) * count,
                still=(StillRegion((0.5, 1.0, 2.0, 3.0), 4.25, 0.5),) * count,
                shift=(0.1, 0.2),
                flames=(Flame((1.0, 2.0, 3.0, 4.0), "smoke", 5.0, 0.25, 1.5, 0.5),) * (count % 2),
                contrast=40.5,
                familiar=0.75 if index % 2 else None,
                frozen_s=float(index),
                clock_s=None if index % 2 else -0.25,
            ),
        )
        for index, count in enumerate(counts)
    ]
    with DetectionsArchive(folder, rows_per_file=rows) as writer:
        for record in archived:
            writer.append(record)
    assert [encode(record) for record in detections_archive.read(folder)] == [encode(record) for record in archived]


def test_other_programs_read_the_boxes(tmp_path: Path) -> None:
    with DetectionsArchive(tmp_path) as writer:
        writer.append(detections(0, boxes=3))
    row = pq.read_table(next(tmp_path.rglob("*.parquet"))).to_pylist()[0]
    assert (row["slot"], len(row["xyxy"]), len(row["scores"])) == (0, 12, 3)
    assert row["scores"] == pytest.approx(detections(0, boxes=3).scores.tolist())


def test_a_new_day_is_a_new_folder_and_the_order_is_kept(tmp_path: Path) -> None:
    slots = [int((DAY_S - 1 + index) * 1000) for index in range(4)]
    with DetectionsArchive(tmp_path) as writer:
        for slot in slots:
            for camera in ("b", "a"):
                writer.append(detections(slot, camera=camera))
    assert sorted(path.name for path in tmp_path.glob("a/*")) == ["1970-01-01", "1970-01-02"]
    assert [(r.camera, r.slot) for r in detections_archive.read(tmp_path)] == [(c, s) for c in "ab" for s in slots]
    assert {r.camera for r in detections_archive.read(tmp_path, cameras=["b"])} == {"b"}


def test_after_a_full_disk_the_write_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = DetectionsArchive(tmp_path, rows_per_file=2)
    writer.append(detections(0))
    write_table = pq.write_table

    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full_disk)
    with pytest.raises(OSError, match="No space left"):
        writer.append(detections(1000))
    monkeypatch.setattr(pq, "write_table", write_table)
    writer.append(detections(2000))
    writer.close()
    assert [record.slot for record in detections_archive.read(tmp_path)] == [0, 1000, 2000]
    assert not list(tmp_path.rglob("*.part"))


def test_after_a_clock_was_set_back_the_order_is_that_of_the_watch_stage(tmp_path: Path) -> None:
    hour = 3_600_000
    watched = [(7, 12 * hour), (7, 12 * hour + 1000), (8, 11 * hour), (8, 11 * hour + 1000), (9, -13 * hour)]
    with DetectionsArchive(tmp_path, rows_per_file=2) as writer:
        for epoch, slot in watched:
            writer.append(detections(slot + 100 * hour, epoch=epoch))
    assert [(r.epoch, r.slot - 100 * hour) for r in detections_archive.read(tmp_path)] == watched


def test_a_failed_write_of_one_camera_does_not_affect_others(tmp_path: Path) -> None:
    writer = DetectionsArchive(tmp_path)
    for camera in ("a", "b", "c"):
        writer.append(detections(0, camera=camera))
    (tmp_path / "b").write_text("a file where a folder should be")
    with pytest.raises(OSError, match="/b"):
        writer.close()
    (tmp_path / "b").unlink()
    assert [r.camera for r in detections_archive.read(tmp_path)] == ["a", "c"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no parquet at all", "cannot be read as Parquet"),  # foreign content
        (b"PAR1", "cannot be read as Parquet"),  # truncated
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "0-7.parquet"
    file.write_bytes(content)
    with pytest.raises(ArchiveError, match=message) as error:
        list(detections_archive.read(tmp_path))
    assert str(file) in str(error.value)


def test_a_foreign_table_and_a_newer_version_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "0-7.parquet"
    pq.write_table(pa.table({"a": [1]}), file)
    with pytest.raises(ArchiveError, match="columns camera, epoch"):
        list(detections_archive.read(file))
    with DetectionsArchive(tmp_path / "new") as writer:
        writer.append(detections(0, version=99))
    with pytest.raises(ArchiveError, match="version 99"):
        list(detections_archive.read(tmp_path / "new"))


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no archived detections"):
        list(detections_archive.read(tmp_path))


def test_archives_of_older_releases_without_newer_fields_are_read(tmp_path: Path) -> None:
    bag = StillRegion((0.5, 1.0, 2.0, 3.0), 4.25)
    with DetectionsArchive(tmp_path) as writer:
        known = msgspec.structs.replace(bag, added=0.5)
        writer.append(detections(0, scene=SceneMeasurements(brightness=90.0, still=(known,), warm=True)))
    file = next(tmp_path.rglob("*.parquet"))
    table = pq.read_table(file)
    at = table.schema.get_field_index("scene")
    scene = table.column(at).combine_chunks()
    new = {"flames", "contrast", "familiar", "frozen_s", "clock_s", "added"}
    old = [field for field in scene.type if field.name not in new]
    old_scene = pa.StructArray.from_arrays([scene.field(field.name) for field in old], fields=old)
    pq.write_table(table.set_column(at, "scene", old_scene), file)
    (record,) = detections_archive.read(tmp_path)
    assert record.scene == SceneMeasurements(brightness=90.0, still=(bag,), warm=True)


def test_column_names_of_the_first_release_are_read(tmp_path: Path) -> None:
    archived = detections(0, pose_requested=np.array([True, False]))
    with DetectionsArchive(tmp_path) as writer:
        writer.append(archived)
    file = next(tmp_path.rglob("*.parquet"))
    table = pq.read_table(file)
    first_release = {"appearance": "look", "pose_requested": "asked"}
    pq.write_table(table.rename_columns([first_release.get(name, name) for name in table.column_names]), file)
    (record,) = detections_archive.read(tmp_path)
    assert encode(record) == encode(archived)
