"""The folder in which one process keeps a site's events, evidence and detections, and no other one at the time."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path
from types import TracebackType

_LOCK = ".lock"


class DirectoryInUseError(Exception):
    """Another process works in this folder."""


class DataDirectory:
    """Holds a folder for this process; a context manager. The lock goes with the process, however it ends.

    Raises:
        FolderTakenError: another process holds it.
        OSError: it cannot be made or written.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._lock = (path / _LOCK).open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise DirectoryInUseError(
                f"another Lanewatch process works in {path}: end that one, or choose another folder with --data"
            ) from None

    def __enter__(self) -> DataDirectory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()

    def empty(self) -> None:
        """Takes out what lies in it, the lock apart."""
        for entry in self.path.iterdir():
            if entry.name == _LOCK:
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
