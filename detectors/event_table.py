"""Events on a terminal: a table for people, or one event a line as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from lanewatch.config.site import Site
from lanewatch.records import Event
from lanewatch.text_table import columns

COLUMNS = ("raised", "camera", "event", "where", "severity", "score", "why")


def table(revisions: Iterable[Event], site: Site, language: str) -> str:
    """One row for each event: the time at which it was raised, in the camera's time zone, and its last revision.

    The revisions are all, in order. ``language`` is ``ko`` or ``en``.
    """
    raised_ms: dict[str, int] = {}
    newest: dict[str, Event] = {}
    for event in revisions:
        raised_ms.setdefault(event.id, event.revision)
        newest[event.id] = event
    rows = [COLUMNS, *(_row(event, raised_ms[event.id], site, language) for event in newest.values())]
    return "\n".join(columns(rows))


def opened(event: Event, site: Site, language: str) -> str:
    """One line for an event that has just been raised."""
    return "  ".join(part for part in _row(event, event.revision, site, language)[:4] if part)


def lines(events: Iterable[Event]) -> str:
    """One event a line, as JSON with the fields of ``records.Event``; times in seconds UTC."""
    return "".join(f"{msgspec.json.encode(event).decode()}\n" for event in events)


def _row(event: Event, raised_ms: int, site: Site, language: str) -> tuple[str, ...]:
    camera = site.camera(event.camera)
    names = {place.id: place.name for place in camera.places}
    local = datetime.fromtimestamp(raised_ms / 1000, ZoneInfo(camera.time_zone or site.time_zone))
    return (
        local.strftime("%Y-%m-%d %H:%M:%S"),
        getattr(camera.name, language),
        event.kind,
        getattr(names[event.zone], language) if event.zone in names else "",
        str(event.severity),
        f"{event.score:.2f}",
        event.sentence.get(language, ""),
    )
