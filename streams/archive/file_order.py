"""Sorts archived detections by camera and time, even if the files were renamed, copied or shuffled.

Files are ordered by content, not by name. Files that overlap, such as those of two archive workers or a copy, are
sorted in memory. So are files whose rows are not in order. All others, as ``DetectionsArchive`` writes them, are read
batch by batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

_ORDER = ("camera", "epoch", "slot")  # after a clock was set back, a later record has a greater epoch


class _Span(NamedTuple):
    """A file's cameras and bounds of (epoch, slot) from its footer. The bounds may be too wide."""

    camera: str
    low: tuple[int, int]
    file: Path
    last_camera: str
    high: tuple[int, int]


def overlapping_groups(files: Iterable[Path], open_file: Callable[[Path], pq.ParquetFile]) -> Iterator[list[Path]]:
    """Files by camera and time; files that overlap are in one group."""
    group: list[_Span] = []
    for span in sorted(_span(file, open_file) for file in files):
        if group and not any(span.camera <= other.last_camera and span.low <= other.high for other in group):
            yield [member.file for member in group]
            group = []
        group.append(span)
    if group:
        yield [member.file for member in group]


def in_order(table: pq.ParquetFile) -> bool:
    """Whether the rows of each camera are in order."""
    keys = table.read(columns=list(_ORDER))
    order = _rows(keys)
    cameras = _numbers(keys.column("camera"))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    by_camera = rank[np.argsort(cameras, kind="stable")]
    return bool((np.diff(by_camera) > 0).all())


def sorted_batches(batches: Sequence[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    """The rows of several batches in order, ``rows`` at once. The sort is stable."""
    whole = pa.Table.from_batches(batches)
    yield from whole.take(_rows(whole)).combine_chunks().to_batches(max_chunksize=rows)


def _rows(table: pa.Table) -> Any:
    return np.lexsort([_numbers(table.column(name)) for name in reversed(_ORDER)])


def _numbers(column: pa.ChunkedArray) -> Any:
    if column.type == pa.string():
        return np.unique(column.to_numpy().astype(str), return_inverse=True)[1]
    return column.to_numpy()


def _span(file: Path, open_file: Callable[[Path], pq.ParquetFile]) -> _Span:
    with open_file(file) as table:
        (first, last), (epoch, last_epoch), (slot, last_slot) = (_bounds(table, name) for name in _ORDER)
    return _Span(first, (epoch, slot), file, last, (last_epoch, last_slot))


def _bounds(table: pq.ParquetFile, column: str) -> tuple[Any, Any]:
    """The least and greatest value: from the footer, or from the column if the footer has no statistics."""
    footer = table.metadata
    position = footer.schema.names.index(column)
    statistics = [footer.row_group(number).column(position).statistics for number in range(footer.num_row_groups)]
    if all(bounds is not None and bounds.has_min_max for bounds in statistics):
        values = [value for bounds in statistics for value in (bounds.min, bounds.max)]
    else:
        values = table.read(columns=[column]).column(0).to_pylist()
    empty = "" if column == "camera" else 0
    return min(values, default=empty), max(values, default=empty)
