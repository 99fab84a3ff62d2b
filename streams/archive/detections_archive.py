"""The detections archive: detect once, re-score for ever.

Parquet files, one folder a camera and UTC day, one row a record, with plain columns that DuckDB and Polars read.
Boxes, scores, labels and looks come back bit for bit, so that a re-scoring equals the first scoring to the letter.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lanewatch import metrics
from lanewatch.records import VERSION, Detections, Flame, SceneMeasurements, StillRegion
from streams.archive import file_order

ROWS_PER_FILE = 2048
"""Five minutes of a camera at 7 frames a second: what a killed process may lose of the archive (never of the events),
held as 7 MB of columns meanwhile; a month of one camera is a few thousand files before compaction."""

RECORDS_HELD = 128
"""Records that are held as objects, three times the size of their columns: a file's worth of them at once cost four
cameras 300 MB."""

HELD_FILES = 4
"""Files' worth of rows that are held while the disk is full, before they are dropped and counted."""

READ_ROWS = 1024
"""Rows that are read at once."""

_SCENE = pa.struct(
    [
        ("moved", pa.list_(pa.float64())),
        ("still", pa.list_(pa.float64())),
        ("brightness", pa.float64()),
        ("chroma", pa.float64()),
        ("sharpness", pa.float64()),
        ("shift_x", pa.float64()),
        ("shift_y", pa.float64()),
        ("frozen", pa.bool_()),
        ("warm", pa.bool_()),
        ("flames", pa.list_(pa.float64())),
        ("contrast", pa.float64()),
        ("familiar", pa.float64()),
        ("frozen_s", pa.float64()),
        ("clock_s", pa.float64()),
        ("added", pa.list_(pa.float64())),
    ]
)
"""New fields are appended: files without them are read as if nothing had been seen there."""

_BURNING: tuple[Literal["fire", "smoke"], ...] = ("fire", "smoke")
_FLAME = 9
"""Numbers of a flame: its box, kind, since, flicker, growth and share."""

SCHEMA = pa.schema(
    [
        ("camera", pa.string()),
        ("epoch", pa.int64()),
        ("slot", pa.int64()),
        ("captured_at", pa.float64()),
        ("received_at", pa.float64()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("xyxy", pa.list_(pa.float32())),
        ("scores", pa.list_(pa.float32())),
        ("labels", pa.list_(pa.uint8())),
        ("appearance", pa.list_(pa.uint8())),
        ("keypoints", pa.list_(pa.float32())),
        ("pose_requested", pa.list_(pa.bool_())),
        ("profile", pa.string()),
        ("scene", _SCENE),
        ("model", pa.string()),
        ("gap", pa.string()),
        ("version", pa.int32()),
    ],
    metadata={"lanewatch": f"detections {VERSION}"},
)

_EARLIER_NAMES = {"look": "appearance", "asked": "pose_requested"}
"""Columns that release 0.1.0 wrote under other names."""


class ArchiveError(ValueError):
    """A file that is not, or not wholly, a detections archive."""


class DetectionsArchive:
    """Writes detections; a context manager.

    A file appears under its name only when it is whole (Parquet's index is at its end), so that a reader never
    meets half a file. ``append`` raises ``OSError`` where the disk is full; what was not written is held and tried
    again a file's worth of rows later, up to ``HELD_FILES`` of them.
    """

    def __init__(self, folder: Path, *, rows_per_file: int = ROWS_PER_FILE) -> None:
        self._folder = folder
        self._rows_per_file = rows_per_file
        self._parts: dict[tuple[str, str], _FileBuffer] = {}

    def __enter__(self) -> DetectionsArchive:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, detections: Detections) -> None:
        """Takes a record; rows go to disk by the file, and all at ``close``."""
        day = datetime.fromtimestamp(detections.captured_at, UTC).date().isoformat()
        part = self._parts.setdefault((detections.camera, day), _FileBuffer(f"{detections.slot}-{detections.epoch}"))
        part.append(detections)
        if part.count % self._rows_per_file == 0:
            self._write(detections.camera, day)
        elif part.count == 1:
            for other in [key for key in self._parts if key[0] == detections.camera and key[1] != day]:
                self._write(*other)

    def close(self) -> None:
        """Writes what is still held; one camera's failure does not keep another's from the disk."""
        failed: OSError | None = None
        for camera, day in list(self._parts):
            try:
                self._write(camera, day)
            except OSError as error:
                failed = error
        if failed is not None:
            raise failed

    def _write(self, camera: str, day: str) -> None:
        part = self._parts[camera, day]
        folder = self._folder / f"camera={camera}" / f"day={day}"
        target = folder / f"{part.name}.parquet"
        partial = target.with_suffix(".part")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(part.table(), partial, compression="zstd")
            os.replace(partial, target)
        except OSError:
            partial.unlink(missing_ok=True)
            if part.count >= HELD_FILES * self._rows_per_file:
                metrics.DROPPED.labels("archive", camera, "disk").inc(part.count)
                del self._parts[camera, day]
            raise
        del self._parts[camera, day]


class _FileBuffer:
    """What is held for one file: columns, and the last records that are not columns yet."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self._batches: list[pa.RecordBatch] = []
        self._records: list[Detections] = []

    def append(self, detections: Detections) -> None:
        self._records.append(detections)
        self.count += 1
        if len(self._records) >= RECORDS_HELD:
            self._settle()

    def table(self) -> pa.Table:
        """All of it."""
        self._settle()
        return pa.Table.from_batches(self._batches, schema=SCHEMA)

    def _settle(self) -> None:
        if self._records:
            self._batches.append(_columns(self._records))
            self._records = []


def is_archive(source: Path) -> bool:
    """Whether a path holds kept detections rather than footage."""
    if source.is_dir():
        return next(source.rglob("*.parquet"), None) is not None
    return source.suffix == ".parquet"


def read(source: Path, *, cameras: Sequence[str] | None = None) -> Iterator[Detections]:
    """Kept detections, camera by camera, each in the order in which it was watched, however they lie in the files.

    Records that are there twice come twice, one after the other.

    Args:
        source: A Parquet file, or a folder in which any number of them lie.
        cameras: Only these.

    Raises:
        ArchiveError: a file is no detections archive, is damaged, or is of a version this program does not know.
        FileNotFoundError: there is none.
    """
    files = list(source.rglob("*.parquet")) if source.is_dir() else [source]
    if not files:
        raise FileNotFoundError(f"{source}: no kept detections (*.parquet) below this folder")
    for group in file_order.groups(files, _opened):
        for file, batch in _batches(group):
            for record in _records(batch, file):
                if cameras is None or record.camera in cameras:
                    yield record


def _opened(file: Path) -> pq.ParquetFile:
    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise ArchiveError(f"{file}: cannot be read as Parquet ({error}); restore it, or take it out") from error
    present = {_EARLIER_NAMES.get(name, name) for name in table.schema_arrow.names}
    missing = [name for name in SCHEMA.names if name not in present]
    if missing:
        raise ArchiveError(f"{file}: no detections archive: the columns {', '.join(missing)} are missing")
    return table


def _batches(files: Sequence[Path]) -> Iterator[tuple[Path, pa.RecordBatch]]:
    """Files that lie among each other, in order; what is wrong in one of several is told of the first."""
    if len(files) == 1:
        with _opened(files[0]) as table:
            if file_order.in_order(table):
                yield from ((files[0], batch) for batch in _completed_batches(table))
                return
    loaded: list[pa.RecordBatch] = []
    for file in files:
        with _opened(file) as table:
            loaded += _completed_batches(table)
    yield from ((files[0], batch) for batch in file_order.sorted_batches(loaded, READ_ROWS))


def _completed_batches(table: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    columns = [name for name in table.schema_arrow.names if _EARLIER_NAMES.get(name, name) in SCHEMA.names]
    for batch in table.iter_batches(batch_size=READ_ROWS, columns=columns):
        renamed = batch.rename_columns([_EARLIER_NAMES.get(name, name) for name in batch.schema.names])
        yield _completed(renamed).select(SCHEMA.names).cast(SCHEMA)


def _completed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with the scene's fields that the release which wrote it did not know."""
    at = batch.schema.get_field_index("scene")
    scene = batch.column(at)
    if scene.type == _SCENE:
        return batch
    known = {field.name for field in scene.type}
    fields = [scene.field(field.name) if field.name in known else pa.nulls(len(scene), field.type) for field in _SCENE]
    return batch.set_column(at, "scene", pa.StructArray.from_arrays(fields, fields=list(_SCENE)))


def _columns(rows: Sequence[Detections]) -> pa.RecordBatch:
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for row in rows:
        for name, value in _flat(row).items():
            columns[name].append(value)
    return pa.record_batch(columns, schema=SCHEMA)


def _flat(row: Detections) -> dict[str, Any]:
    values = msgspec.structs.asdict(row)
    for name in ("xyxy", "scores", "labels", "appearance", "keypoints", "pose_requested"):
        values[name] = None if values[name] is None else np.ascontiguousarray(values[name]).reshape(-1)
    scene = row.scene
    values["scene"] = {
        "moved": [edge for box in scene.moved for edge in box],
        "still": [value for region in scene.still for value in (*region.box, region.still_since)],
        "brightness": scene.brightness,
        "chroma": scene.chroma,
        "sharpness": scene.sharpness,
        "shift_x": scene.shift[0],
        "shift_y": scene.shift[1],
        "frozen": scene.frozen,
        "warm": scene.warm,
        "flames": [value for flame in scene.flames for value in _burning(flame)],
        "contrast": scene.contrast,
        "familiar": scene.familiar,
        "frozen_s": scene.frozen_s,
        "clock_s": scene.clock_s,
        "added": [region.added for region in scene.still],
    }
    return values


def _burning(flame: Flame) -> tuple[float, ...]:
    return (*flame.box, _BURNING.index(flame.kind), flame.since, flame.flicker, flame.growth, flame.share)


def _records(batch: pa.RecordBatch, file: Path) -> Iterator[Detections]:
    arrays = {
        name: _lists(batch.column(name))
        for name in ("xyxy", "scores", "labels", "appearance", "keypoints", "pose_requested")
    }
    plain = batch.select(
        ["camera", "epoch", "slot", "captured_at", "received_at", "width", "height", "profile", "scene", "model", "gap"]
    ).to_pylist()
    versions = batch.column("version").to_pylist()
    for index, row in enumerate(plain):
        if versions[index] != VERSION:
            raise ArchiveError(
                f"{file}: row {index} is of version {versions[index]}, this program reads {VERSION}: use a newer one"
            )
        values = {name: column[index] for name, column in arrays.items()}
        count = len(values["scores"])
        row["scene"] = _scene(row["scene"])
        yield Detections(
            **row,
            xyxy=values["xyxy"].reshape(count, 4),
            scores=values["scores"],
            labels=values["labels"],
            appearance=values["appearance"].reshape(count, -1) if count else np.zeros((0, 0), np.uint8),
            keypoints=None if values["keypoints"] is None else values["keypoints"].reshape(count, 17, 3),
            pose_requested=values["pose_requested"],
        )


def _lists(column: pa.ListArray) -> list[Any]:
    """Each row's list as a numpy array, without a Python object for every number."""
    values = column.values.to_numpy(zero_copy_only=False)
    offsets = column.offsets.to_numpy()
    valid = column.is_valid().to_pylist()
    return [values[offsets[i] : offsets[i + 1]] if valid[i] else None for i in range(len(column))]


def _scene(flat: dict[str, Any]) -> SceneMeasurements:
    moved, flames = flat["moved"], flat["flames"] or ()
    return SceneMeasurements(
        moved=tuple(tuple(moved[i : i + 4]) for i in range(0, len(moved), 4)),
        still=_still(flat["still"], flat["added"]),
        brightness=flat["brightness"],
        chroma=flat["chroma"],
        sharpness=flat["sharpness"],
        shift=(flat["shift_x"], flat["shift_y"]),
        frozen=flat["frozen"],
        warm=flat["warm"],
        flames=tuple(_flame(flames[i : i + _FLAME]) for i in range(0, len(flames), _FLAME)),
        contrast=flat["contrast"] or 0.0,
        familiar=flat["familiar"],
        frozen_s=flat["frozen_s"] or 0.0,
        clock_s=flat["clock_s"],
    )


def _still(flat: Sequence[float], added: Sequence[float] | None) -> tuple[StillRegion, ...]:
    """Still regions, five numbers each, and beside them what files of older releases do not have."""
    known = added or [0.0] * (len(flat) // 5)
    return tuple(
        StillRegion((flat[i], flat[i + 1], flat[i + 2], flat[i + 3]), flat[i + 4], known[i // 5])
        for i in range(0, len(flat), 5)
    )


def _flame(row: Sequence[float]) -> Flame:
    left, top, right, bottom, kind, since, flicker, growth, share = row
    return Flame((left, top, right, bottom), _BURNING[int(kind)], since, flicker, growth, share)
