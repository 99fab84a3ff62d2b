"""The folder of a site's events, evidence and detections, which one process at a time may use."""

from __future__ import annotations

import fcntl
import shutil
from pathlib import Path

_LOCK = ".lock"


class DirectoryInUseError(Exception):
    """Another process uses this folder."""


class DataDirectory:
    """Locks a folder for this process; a context manager. The lock ends with the process, even after a crash.

    Raises:
        DirectoryInUseError: Another process holds the lock.
        OSError: The folder can't be created or written.
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
                f"another Lanewatch process uses {path}: stop it, or choose another folder with --data"
            ) from None

    def __enter__(self) -> DataDirectory:
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.close()

    def empty(self) -> None:
        """Deletes everything in the folder, except the lock."""
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != _LOCK:
                entry.unlink()
