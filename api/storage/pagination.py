"""Pages of the list of events: their filter and their cursor."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import RowMapping, exists

from api.camera_trouble import camera_trouble_kinds
from api.storage.records import StoredEvent
from api.storage.tables import events, verdicts


class CursorError(ValueError):
    """A cursor that is not from this API."""


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Selects events. An empty field or None does not filter, except ``ids``: empty ids select no event.

    ``since`` and ``until`` are epoch seconds of capture time, for the event's start: ``since <= started_at < until``.
    ``severity`` is the lowest one. ``camera_trouble`` selects trouble of cameras, or all other events. ``handled``
    events have a verdict.
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
    camera_trouble: bool | None = None
    handled: bool | None = None

    def conditions(self) -> Iterator[Any]:
        """The filter in SQL."""
        chosen = {
            "camera": self.cameras,
            "kind": self.kinds,
            "zone": self.zones,
            "state": self.states,
            "run": self.runs,
        }
        yield from (events.c[column].in_(values) for column, values in chosen.items() if values)
        if self.ids is not None:
            yield events.c.id.in_(self.ids)
        if self.severity is not None:
            yield events.c.severity >= self.severity
        if self.since is not None:
            yield events.c.started_at >= self.since
        if self.until is not None:
            yield events.c.started_at < self.until
        if self.camera_trouble is not None:
            kinds = sorted(camera_trouble_kinds())
            yield events.c.kind.in_(kinds) if self.camera_trouble else events.c.kind.not_in(kinds)
        if self.handled is not None:
            has_verdict = exists().where(verdicts.c.run == events.c.run, verdicts.c.id == events.c.id)
            yield has_verdict if self.handled else ~has_verdict


class Page(msgspec.Struct, frozen=True):
    """A page of the list, the newest event first; ``position`` is the event stream's position when it was read."""

    events: tuple[StoredEvent, ...]
    next: str | None
    position: int


def encode_cursor(row: RowMapping) -> str:
    """The place in the list after a row's event."""
    place = msgspec.json.encode((row["started_at"], row["run"], row["id"]))
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def decode_cursor(cursor: str) -> tuple[float, str, str]:
    """Start, run and id of the event before the cursor.

    Raises:
        CursorError: The cursor is not from this store.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        return msgspec.json.decode(base64.b64decode(padded, b"-_", validate=True), type=tuple[float, str, str])
    except (binascii.Error, msgspec.DecodeError, ValueError) as error:
        raise CursorError("the cursor is not from this API: use `next` of the page before, unchanged") from error
