"""The detections archive: Parquet files from which events can be computed again without decoding video.

There is a folder for each camera and UTC day, and a row for each record. DuckDB and Polars read the columns, too.
Boxes, scores, labels and appearances are restored bit for bit, so rescoring gives exactly the same events.
"""

from __future__ import annotations

import contextlib
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
"""Five minutes of a camera at 7 frames per second, 7 MB in memory. A killed process loses at most these rows of the
archive, but no events. A month of one camera has a few thousand files before compaction."""
ROWS_PER_BATCH = 128
"""Records before they become columns. Objects need three times the memory: whole files took 300 MB for 4 cameras."""
MAX_PENDING_FILES = 4  # Files whose rows stay in memory while the disk is full. Further rows are dropped and counted.
READ_ROWS = 1024

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
"""New fields are appended. In files without them they are null."""
_SCENE_VALUES = ("brightness", "chroma", "sharpness", "frozen", "warm", "contrast", "familiar", "frozen_s", "clock_s")
_ARRAYS = ("xyxy", "scores", "labels", "appearance", "keypoints", "pose_requested")

_FLAME_KINDS: tuple[Literal["fire", "smoke"], ...] = ("fire", "smoke")
_FLAME_SIZE = 9  # numbers of a flame: its box, kind, since, flicker, growth and share
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

_EARLIER_NAMES = {"look": "appearance", "asked": "pose_requested"}  # columns of release 0.1.0 and their present names


class ArchiveError(ValueError):
    """A file that is not a detections archive, is damaged, or has another version."""


class DetectionsArchive(contextlib.AbstractContextManager["DetectionsArchive"]):
    """Writes detections; a context manager.

    A file gets its name when it is complete, because Parquet's index is at the end. So a reader never sees a partial
    file. ``append`` raises ``OSError`` if the disk is full. The rows stay in memory, up to ``MAX_PENDING_FILES`` files,
    and the write is retried after the next ``rows_per_file`` rows.
    """

    def __init__(self, folder: Path | str, *, rows_per_file: int = ROWS_PER_FILE) -> None:
        self._folder = Path(folder)
        self._rows_per_file = rows_per_file
        self._files: dict[tuple[str, str], _FileBuffer] = {}

    def __exit__(self, *_: object) -> None:
        self.close()

    def append(self, detections: Detections) -> None:
        """Adds a record. A file is written when it is full, at a new day, and at ``close``."""
        day = datetime.fromtimestamp(detections.captured_at, UTC).date().isoformat()
        file = self._files.setdefault((detections.camera, day), _FileBuffer(f"{detections.slot}-{detections.epoch}"))
        file.append(detections)
        if file.count % self._rows_per_file == 0:
            self._write(detections.camera, day)
        elif file.count == 1:
            for other in [key for key in self._files if key[0] == detections.camera and key[1] != day]:
                self._write(*other)

    def close(self) -> None:
        """Writes all remaining rows. If one file fails (``OSError``), the others are still written."""
        with contextlib.ExitStack() as stack:  # calls all, even if one raises
            for camera, day in self._files:
                stack.callback(self._write, camera, day)

    def _write(self, camera: str, day: str) -> None:
        file = self._files[camera, day]
        folder = self._folder / camera / day
        target = folder / f"{file.name}.parquet"
        partial = target.with_suffix(".part")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            pq.write_table(file.table(), partial, compression="zstd")
            os.replace(partial, target)
        except OSError:
            partial.unlink(missing_ok=True)
            if file.count >= MAX_PENDING_FILES * self._rows_per_file:
                metrics.DROPPED.labels("archive", camera, "disk").inc(file.count)
                del self._files[camera, day]
            raise
        del self._files[camera, day]


class _FileBuffer:
    """The rows of one file: columns, and the last records, which are not columns yet."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0
        self._batches: list[pa.RecordBatch] = []
        self._records: list[Detections] = []

    def append(self, detections: Detections) -> None:
        self._records.append(detections)
        self.count += 1
        if len(self._records) >= ROWS_PER_BATCH:
            self._to_columns()

    def table(self) -> pa.Table:
        """All rows."""
        self._to_columns()
        return pa.Table.from_batches(self._batches, schema=SCHEMA)

    def _to_columns(self) -> None:
        if self._records:
            self._batches.append(pa.RecordBatch.from_pylist([_row(record) for record in self._records], schema=SCHEMA))
            self._records = []


def is_archive(source: Path) -> bool:
    """Whether a path has archived detections rather than footage."""
    if source.is_dir():
        return next(source.rglob("*.parquet"), None) is not None
    return source.suffix == ".parquet"


def count(source: Path) -> int | None:
    """The number of records in an archive, by the files' headers; None if a file cannot be read."""
    files = source.rglob("*.parquet") if source.is_dir() else [source]
    try:
        return sum(int(pq.read_metadata(file).num_rows) for file in files)
    except (pa.ArrowInvalid, OSError):
        return None  # reading it reports the error


def read(source: Path | str, *, cameras: Sequence[str] | None = None) -> Iterator[Detections]:
    """Archived detections, camera by camera, each in the order of the watch stage, from files in any order.

    Duplicates are returned, one after the other. The source is a Parquet file, or a folder with any number of them.
    Raises ``ArchiveError`` or, if there are no files, ``FileNotFoundError``.
    """
    source = Path(source)
    files = list(source.rglob("*.parquet")) if source.is_dir() else [source]
    if not files:
        raise FileNotFoundError(f"{source}: no archived detections (*.parquet) in this folder")
    if not source.exists():
        raise FileNotFoundError(f"{source}: no such file or folder")
    for group in file_order.overlapping_groups(files, _open):
        for file, batch in _batches(group):
            for record in _records(batch, file):
                if cameras is None or record.camera in cameras:
                    yield record


def _open(file: Path) -> pq.ParquetFile:
    try:
        table = pq.ParquetFile(file)
    except (pa.ArrowInvalid, OSError) as error:
        raise ArchiveError(f"{file}: cannot be read as Parquet ({error}); restore or remove the file") from error
    present = {_EARLIER_NAMES.get(name, name) for name in table.schema_arrow.names}
    missing = [name for name in SCHEMA.names if name not in present]
    if missing:
        raise ArchiveError(f"{file}: not a detections archive: the columns {', '.join(missing)} are missing")
    return table


def _batches(files: Sequence[Path]) -> Iterator[tuple[Path, pa.RecordBatch]]:
    """Rows of overlapping files in order. For several files, errors name the first."""
    if len(files) == 1:
        with _open(files[0]) as table:
            if file_order.in_order(table):
                yield from ((files[0], batch) for batch in _completed_batches(table))
                return
    loaded: list[pa.RecordBatch] = []
    for file in files:
        with _open(file) as table:
            loaded += _completed_batches(table)
    yield from ((files[0], batch) for batch in file_order.sorted_batches(loaded, READ_ROWS))


def _completed_batches(table: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    columns = [name for name in table.schema_arrow.names if _EARLIER_NAMES.get(name, name) in SCHEMA.names]
    for batch in table.iter_batches(batch_size=READ_ROWS, columns=columns):
        renamed = batch.rename_columns([_EARLIER_NAMES.get(name, name) for name in batch.schema.names])
        yield _completed(renamed).select(SCHEMA.names).cast(SCHEMA)


def _completed(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with all fields of the scene; those that an older release lacks are null."""
    at = batch.schema.get_field_index("scene")
    scene = batch.column(at)
    if scene.type == _SCENE:
        return batch
    known = {field.name for field in scene.type}
    fields = [scene.field(field.name) if field.name in known else pa.nulls(len(scene), field.type) for field in _SCENE]
    return batch.set_column(at, "scene", pa.StructArray.from_arrays(fields, fields=list(_SCENE)))


def _row(record: Detections) -> dict[str, Any]:
    values = msgspec.structs.asdict(record)
    for name in _ARRAYS:
        values[name] = None if values[name] is None else np.ascontiguousarray(values[name]).reshape(-1)
    scene = record.scene
    values["scene"] = {name: getattr(scene, name) for name in _SCENE_VALUES} | {
        "moved": [edge for box in scene.moved for edge in box],
        "still": [value for region in scene.still for value in (*region.box, region.still_since)],
        "added": [region.added for region in scene.still],
        "shift_x": scene.shift[0],
        "shift_y": scene.shift[1],
        "flames": [value for flame in scene.flames for value in _flame_values(flame)],
    }
    return values


def _flame_values(flame: Flame) -> tuple[float, ...]:
    return (*flame.box, _FLAME_KINDS.index(flame.kind), flame.since, flame.flicker, flame.growth, flame.share)


def _records(batch: pa.RecordBatch, file: Path) -> Iterator[Detections]:
    # Each row's list as a numpy array, without a Python object for each number.
    arrays = {name: batch.column(name).to_numpy(zero_copy_only=False) for name in _ARRAYS}
    for index, row in enumerate(batch.drop_columns(list(_ARRAYS)).to_pylist()):
        if row["version"] != VERSION:
            raise ArchiveError(
                f"{file}: row {index} has version {row['version']}, this release reads {VERSION}: use a newer release"
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


def _scene(row: dict[str, Any]) -> SceneMeasurements:
    moved, flames = row["moved"], row["flames"] or ()
    still = [row["still"][i : i + 5] for i in range(0, len(row["still"]), 5)]
    added = row["added"] or [0.0] * len(still)  # older releases have none
    values = {name: row[name] for name in _SCENE_VALUES}
    values["contrast"], values["frozen_s"] = row["contrast"] or 0.0, row["frozen_s"] or 0.0
    return SceneMeasurements(
        **values,
        moved=tuple(tuple(moved[i : i + 4]) for i in range(0, len(moved), 4)),
        still=tuple(StillRegion(tuple(box), since, share) for (*box, since), share in zip(still, added, strict=True)),
        shift=(row["shift_x"], row["shift_y"]),
        flames=tuple(_flame(flames[i : i + _FLAME_SIZE]) for i in range(0, len(flames), _FLAME_SIZE)),
    )


def _flame(values: Sequence[float]) -> Flame:
    left, top, right, bottom, kind, since, flicker, growth, share = values
    return Flame((left, top, right, bottom), _FLAME_KINDS[int(kind)], since, flicker, growth, share)
