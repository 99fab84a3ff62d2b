"""Writes snapshots and clips to disk, each completely or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import av

from api.evidence import snapshot_image
from api.storage.records import GOING_ON, MediaFile
from lanewatch.records import Peak
from streams.stages import HeldFootage

CLIP_TOLERANCE_S = 2.5
"""A clip counts as complete if its start and end are this close to the requested ones. It can only start at a key frame
and end at a sampled frame, and cameras send key frames each second or two."""

SNAPSHOT_TOLERANCE_S = 1.0
"""A frame further from the peak than this does not show the peak."""

SAME_FRAME_S = 0.02
"""Half the interval of 25 frames a second: a frame closer to the peak than this is the peak's own, and its box fits."""

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FootageUnavailableError(Exception):
    """The camera's video of that time is not held, or no longer held."""


def failure_reason(error: Exception) -> str:
    """Why a file was not written, as one word of a small fixed set."""
    if isinstance(error, FootageUnavailableError):
        return "out_of_reach"
    if getattr(error, "errno", None) in _DISK_FULL:
        return "disk_full"
    if isinstance(error, av.error.FFmpegError):
        return "unreadable"
    return "not_written" if isinstance(error, OSError) else "failed"


def file_name(run: str, id: str, at: float, suffix: str) -> str:
    """A path within the evidence folder: by day, so that footage can be deleted by day.

    The name is a digest. A run or an id, which may come from outside, never becomes part of a path.
    """
    digest = hashlib.sha256(f"{run}\n{id}".encode()).hexdigest()[:32]
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}/{digest}.{suffix}"


def write_snapshot(held: HeldFootage | None, peak: Peak, folder: Path, name: str, reserve: int) -> MediaFile:
    """Writes the frame nearest to the peak as JPEG.

    Raises:
        FootageUnavailableError: No frame near the peak is held.
        OSError: The file can't be written.
    """
    nearest = None if held is None else held.nearest(peak.captured_at)
    if nearest is None or nearest.image is None or abs(nearest.captured_at - peak.captured_at) > SNAPSHOT_TOLERANCE_S:
        raise FootageUnavailableError(f"no frame within {SNAPSHOT_TOLERANCE_S:g} s of the peak")
    data = snapshot_image.encode(nearest.image)
    _write_atomically(folder / name, reserve + len(data), lambda path: path.write_bytes(data))
    same_frame = abs(nearest.captured_at - peak.captured_at) <= SAME_FRAME_S
    return MediaFile("ready", "", nearest.captured_at, nearest.captured_at, name, peak if same_frame else None)


def write_clip(
    held: HeldFootage | None, begins: float, ends: float, folder: Path, name: str, reserve: int, *, going_on: bool
) -> MediaFile:
    """Writes a segment as MP4. It is ``partial`` while its event goes on, or if the held video is too short.

    Raises:
        FootageUnavailableError: Nothing is held.
        OSError: The file can't be written.
    """
    covered = None if held is None else held.covered
    if held is None or covered is None:
        raise FootageUnavailableError("the camera's packets of that time are not held")
    first, last = covered
    # A copy is as large as its packets; an encoded clip is hardly larger.
    _write_atomically(folder / name, reserve + held.size, held.write)
    if going_on:
        return MediaFile("partial", GOING_ON, first, last, name)
    complete = first <= begins + CLIP_TOLERANCE_S and last >= ends - CLIP_TOLERANCE_S
    return MediaFile("ready" if complete else "partial", "" if complete else "out_of_reach", first, last, name)


def _write_atomically(path: Path, needed: int, write: Callable[[Path], object]) -> None:
    """Writes to a temporary file if ``needed`` bytes are free, and renames it: readers never see an incomplete file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(errno.ENOSPC, f"less than {needed / 2**20:.1f} MiB free, with the reserve", str(path.parent))
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        write(part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
