"""Events that the broker does not take lie on disk until it does, in their order, over a restart of the process too."""

from __future__ import annotations

import fcntl
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple

import msgspec

from streams.kafka.codec import Message

MOST_BYTES = 256 << 20
"""Some 100,000 revisions of events: a district's busiest night."""

SHARING = 16
"""Processes of one name on one machine; each takes a spool of its own."""


class SpooledMessage(NamedTuple):
    """A message on disk; ``number`` rises with each that is put."""

    number: int
    message: Message


class EventSpool:
    """Messages on disk, first in, first out. Each is on the disk itself, not on its way there, when ``put`` returns.

    The file is this process's alone: where another holds it, the next free one beside it (``name-2.spool``) is taken.

    Args:
        folder: where it lies; made if it is not there.
        name: of the file.
        most_bytes: of all messages; what comes on top waits where it is.

    Raises:
        OSError: the folder cannot be made or written, or so many processes of that name are at work already.
        sqlite3.Error: the file is none of ours.
    """

    def __init__(self, folder: Path, name: str, *, most_bytes: int = MOST_BYTES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock, self.path = _taken(folder, name)
        self._most = most_bytes
        self._base = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._base.execute("PRAGMA synchronous=FULL")
        self._base.execute(
            "CREATE TABLE IF NOT EXISTS waiting (number INTEGER PRIMARY KEY AUTOINCREMENT, message BLOB NOT NULL)"
        )
        count, size = self._base.execute("SELECT count(*), total(length(message)) FROM waiting").fetchone()
        self._count, self._bytes = int(count), int(size)

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        """Whether it holds as much as it may: whoever puts must wait."""
        return self._bytes >= self._most

    def put(self, messages: Sequence[Message]) -> None:
        """Takes messages, all or none.

        Raises:
            sqlite3.Error: the disk does not take them.
        """
        rows = [(msgspec.msgpack.encode(message),) for message in messages]
        self._base.execute("BEGIN")
        try:
            self._base.executemany("INSERT INTO waiting (message) VALUES (?)", rows)
            self._base.execute("COMMIT")
        except sqlite3.Error:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")
            raise
        self._count += len(rows)
        self._bytes += sum(len(row[0]) for row in rows)

    def head(self, most: int) -> list[SpooledMessage]:
        """The first messages; they stay until they are taken."""
        rows = self._base.execute("SELECT number, message FROM waiting ORDER BY number LIMIT ?", (most,)).fetchall()
        return [SpooledMessage(number, msgspec.msgpack.decode(message, type=Message)) for number, message in rows]

    def take(self, number: int) -> None:
        """Forgets all up to a number: they have been delivered."""
        self._base.execute("DELETE FROM waiting WHERE number <= ?", (number,))
        count, size = self._base.execute("SELECT count(*), total(length(message)) FROM waiting").fetchone()
        self._count, self._bytes = int(count), int(size)

    def close(self) -> None:
        """Lets go of the file; what it holds stays."""
        self._base.close()
        self._lock.close()

    def __enter__(self) -> EventSpool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _taken(folder: Path, name: str) -> tuple[IO[str], Path]:
    for number in range(1, SHARING + 1):
        path = folder / (f"{name}.spool" if number == 1 else f"{name}-{number}.spool")
        lock = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            return lock, path
    raise OSError(f"{folder}: {SHARING} processes hold a spool {name!r} already: give each its own --node")
