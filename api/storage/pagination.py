"""Lists of events in pages: what they hold, and where the next one begins."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import RowMapping

from api.serialization import StoredEvent
from api.storage.tables import events


class CursorError(ValueError):
    """A cursor that this API did not give."""


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events a list holds; what is empty or None does not filter, but for ``ids``: of none, there are none.

    ``since`` and ``until`` are capture time in epoch seconds, and hold for the event's start:
    ``since <= started_at < until``. ``severity`` is the least.
    """

    cameras: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    ids: tuple[str, ...] | None = None
    severity: int | None = None
    since: float | None = None
    until: float | None = None

    def conditions(self) -> Iterator[Any]:
        """The filter in SQL."""
        columns = (
            (events.c.camera, self.cameras),
            (events.c.kind, self.kinds),
            (events.c.zone, self.zones),
            (events.c.state, self.states),
            (events.c.run, self.runs),
        )
        for column, wanted in columns:
            if wanted:
                yield column.in_(wanted)
        if self.ids is not None:
            yield events.c.id.in_(self.ids)
        if self.severity is not None:
            yield events.c.severity >= self.severity
        if self.since is not None:
            yield events.c.started_at >= self.since
        if self.until is not None:
            yield events.c.started_at < self.until


class Page(msgspec.Struct, frozen=True):
    """A part of a list, the newest first; ``position`` is how far the feed had come when it was read."""

    events: tuple[StoredEvent, ...]
    next: str | None
    position: int


def cursor_of(row: RowMapping) -> str:
    """The place in the list just after a row's event."""
    place = msgspec.json.encode((row["started_at"], row["run"], row["id"]))
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def read_cursor(cursor: str) -> tuple[float, str, str]:
    """Start, run and id of the event that a cursor stands after.

    Raises:
        CursorError: it is none that this store gave.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(base64.b64decode(padded, b"-_", validate=True), type=tuple[float, str, str])
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise CursorError("the cursor is none that this API gave: take `next` of the page before, as it is") from error
