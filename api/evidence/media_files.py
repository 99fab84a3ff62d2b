"""Pictures written to disk, whole or not at all."""

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
from api.serialization import GOING_ON, MediaFile
from lanewatch.records import Peak
from streams.stages import HeldFootage

SLACK_S = 2.5
"""A clip that begins or ends so much off what was asked for still counts as whole: it can only begin at a key frame and
end at a sampled frame, and cameras send key frames each second or two."""

NEAR_S = 1.0
"""A frame further from the peak than this is no picture of it."""

SAME_S = 0.02
"""Below half the interval of 25 frames a second: nearer than this it is the peak's own frame, and its box fits."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class FootageUnavailableError(Exception):
    """The camera's pictures of that time are not held, or not any more."""


class DiskFullError(OSError):
    """The disk is filled up to the reserve, or would be."""

    def __init__(self, folder: Path, room: int) -> None:
        super().__init__(
            errno.ENOSPC, f"{folder}: less than {room / 2**20:.1f} MiB left, the reserve for events counted"
        )


def failure_reason(error: Exception) -> str:
    """Why something was not written, as one word of a small fixed set."""
    if isinstance(error, FootageUnavailableError):
        return "out_of_reach"
    if getattr(error, "errno", None) in _FULL:
        return "disk_full"
    if isinstance(error, av.error.FFmpegError):
        return "unreadable"
    return "not_written" if isinstance(error, OSError) else "failed"


def file_name(run: str, id: str, at: float, suffix: str) -> str:
    """A path within the evidence folder: by day, so that footage can be destroyed by day.

    The name is a digest: neither a run nor an id, which may come from outside, ever becomes part of a path.
    """
    digest = hashlib.sha256(f"{run}\n{id}".encode()).hexdigest()[:32]
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d}/{digest}.{suffix}"


def snapshot(held: HeldFootage | None, peak: Peak, folder: Path, name: str, reserve: int) -> MediaFile:
    """Writes the frame nearest to the peak as JPEG.

    Raises:
        OutOfReachError: no frame near the peak is held.
        OSError: it cannot be written.
    """
    best = None if held is None else held.nearest(peak.captured_at)
    if best is None or best.image is None or abs(best.captured_at - peak.captured_at) > NEAR_S:
        raise FootageUnavailableError(f"no frame within {NEAR_S:g} s of the peak")
    data = snapshot_image.encode(best.image)
    _write(folder, name, reserve + len(data), lambda path: path.write_bytes(data))
    same = abs(best.captured_at - peak.captured_at) <= SAME_S
    return MediaFile("ready", "", best.captured_at, best.captured_at, name, peak if same else None)


def clip(
    held: HeldFootage | None, begins: float, ends: float, folder: Path, name: str, reserve: int, *, going_on: bool
) -> MediaFile:
    """Writes a segment as MP4; ``partial`` while its event goes on, or where what is held covers less than was asked.

    Raises:
        OutOfReachError: nothing is held.
        OSError: it cannot be written.
    """
    covered = None if held is None else held.covered
    if held is None or covered is None:
        raise FootageUnavailableError("the camera's packets of that time are not held")
    first, last = covered
    # A copy is as large as its packets; one that is encoded anew is hardly larger than the camera's own.
    _write(folder, name, reserve + held.size, held.write)
    if going_on:
        return MediaFile("partial", GOING_ON, first, last, name)
    whole = first <= begins + SLACK_S and last >= ends - SLACK_S
    return MediaFile("ready" if whole else "partial", "" if whole else "out_of_reach", first, last, name)


def _write(folder: Path, name: str, room: int, write: Callable[[Path], object]) -> None:
    """Writes beside the place, if there is so much room, and moves it there when it is whole: nobody sees a half."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(folder).free < room:
        raise DiskFullError(folder, room)
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        write(part)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
