"""A file of the events that wait for the store, so that they outlive the process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from lanewatch import metrics
from lanewatch.records import Event

FILE_NAME = "waiting-events.jsonl"
"""In the data directory: a line of JSON for each revision of an event, in order."""

log = metrics.log("store")


class EventJournal:
    """Events that the store has not accepted yet, in a file. Not thread-safe.

    ``append`` returns when the events are on disk. ``replay`` passes them on in order, and deletes the file after the
    last one. A process that is killed meanwhile leaves the file, and the next ``replay`` begins at its first event
    again. So the receiver must accept an event twice, as ``EventStore.upsert`` does. An incomplete last line is left
    out: its ``append`` had not returned.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0  # of the first line that was not replayed by this process
        self._count = len(_lines(path.read_bytes())) if path.exists() else 0

    @property
    def count(self) -> int:
        """Number of events that were not replayed."""
        return self._count

    def append(self, events: Sequence[Event]) -> None:
        """Adds events at the end; raises ``OSError``, and adds none, if they cannot be written."""
        data = b"".join(msgspec.json.encode(event) + b"\n" for event in events)
        with self.path.open("ab") as file:
            end = file.seek(0, os.SEEK_END)
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                os.truncate(self.path, end)
                raise
        self._count += len(events)

    def replay(self, receive: Callable[[Event], object]) -> None:
        """Passes all events on. If ``receive`` raises, the next call begins with the same event."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for line in _lines(file.read()):
                try:
                    event = msgspec.json.decode(line, type=Event)
                except msgspec.DecodeError as error:
                    log.error("%s: a line at byte %d is no event and is skipped: %s", self.path, self._offset, error)
                else:
                    receive(event)
                self._offset += len(line)
                self._count -= 1
        self.path.unlink()
        self._offset = self._count = 0


def _lines(data: bytes) -> list[bytes]:
    """The complete lines, each with its end."""
    return [line for line in data.splitlines(keepends=True) if line.endswith(b"\n")]
