"""Files of kept detections in the order in which they were watched, even where somebody has shuffled them.

A camera's files follow one another by what is in them, not by their names. Files that lie among each other, such as
those of two keepers or a copy beside the original, and files whose rows are out of order, are put in order in memory;
all others, which is what ``DetectionsArchive`` writes, are read batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_ORDER = ("camera", "epoch", "slot")
"""After a clock was set back, what came later has the earlier slots, but a later epoch."""


class _Span(NamedTuple):
    """What a file is about, from its footer: its cameras, and bounds of (epoch, slot), which may be too wide."""

    camera: str
    low: tuple[int, int]
    file: Path
    last_camera: str
    high: tuple[int, int]


def groups(files: Iterable[Path], opened: Callable[[Path], pq.ParquetFile]) -> Iterator[list[Path]]:
    """Files by camera and time; those that lie among each other together.

    Args:
        files: in any order.
        opened: opens one.
    """
    group: list[_Span] = []
    for span in sorted(_span(file, opened) for file in files):
        if group and not any(span.camera <= one.last_camera and span.low <= one.high for one in group):
            yield [one.file for one in group]
            group = []
        group.append(span)
    if group:
        yield [one.file for one in group]


def in_order(table: pq.ParquetFile) -> bool:
    """Whether a file's rows are in the order in which they were watched, each camera's by itself."""
    keys = table.read(columns=list(_ORDER))
    order = _rows(keys)
    cameras = _numbers(keys.column("camera"))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    by_camera = rank[np.argsort(cameras, kind="stable")]
    return bool((np.diff(by_camera) > 0).all())


def sorted_batches(batches: Sequence[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of several batches in order, so many at once; of equals, the first ones first."""
    whole = pa.Table.from_batches(batches)
    yield from whole.take(_rows(whole)).combine_chunks().to_batches(max_chunksize=rows)


def _rows(table: pa.Table) -> Any:
    return np.lexsort([_numbers(table.column(name)) for name in reversed(_ORDER)])


def _numbers(column: pa.ChunkedArray) -> Any:
    if column.type == pa.string():
        return np.unique(column.to_numpy().astype(str), return_inverse=True)[1]
    return column.to_numpy()


def _span(file: Path, opened: Callable[[Path], pq.ParquetFile]) -> _Span:
    with opened(file) as table:
        (first, last), (epoch, last_epoch), (slot, last_slot) = (_bounds(table, name) for name in _ORDER)
    return _Span(first, (epoch, slot), file, last, (last_epoch, last_slot))


def _bounds(table: pq.ParquetFile, column: str) -> tuple[Any, Any]:
    """The least and greatest value, from the footer where it says so."""
    footer = table.metadata
    parts = [footer.row_group(number) for number in range(footer.num_row_groups)]
    chunks = [
        next(c for c in map(part.column, range(part.num_columns)) if c.path_in_schema == column) for part in parts
    ]
    said = [chunk.statistics for chunk in chunks]
    if all(one is not None and one.has_min_max for one in said):
        values = [edge for one in said for edge in (one.min, one.max)]
    else:
        values = table.read(columns=[column]).column(0).to_pylist()
    nothing = "" if column == "camera" else 0
    return min(values, default=nothing), max(values, default=nothing)
