"""Events on a terminal: a table for people, or one event a line as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from detectors.behaviours.registry import behaviours_of, installed
from detectors.correlation.correlator import CORRELATIONS
from lanewatch.config.site import Site
from lanewatch.records import Event
from lanewatch.text_table import columns

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "en": ("raised", "camera", "event", "where", "severity", "score", "why"),
    "ko": ("발생", "카메라", "이벤트", "위치", "심각도", "점수", "이유"),
}


def table(revisions: Iterable[Event], site: Site, language: str) -> str:
    """One row for each event: the time at which it was raised, in the camera's time zone, and its last revision.

    The revisions are all, in order. ``language`` is ``ko`` or ``en``.
    """
    raised_ms: dict[str, int] = {}
    newest: dict[str, Event] = {}
    for event in revisions:
        raised_ms.setdefault(event.id, event.revision)
        newest[event.id] = event
    rows = [COLUMNS[language], *(_row(event, raised_ms[event.id], site, language) for event in newest.values())]
    return "\n".join(columns(rows))


def opened(event: Event, site: Site, language: str) -> str:
    """One line for an event that has just been raised."""
    return "  ".join(part for part in _row(event, event.revision, site, language)[:4] if part)


def kind_name(kind: str, site: Site | None, language: str) -> str:
    """A kind of events in a table: its id in English, its name in Korean."""
    if language == "en":
        return kind
    names = {name: behaviour.name for name, behaviour in (behaviours_of(site) if site else installed()).items()}
    names |= {correlation.kind: correlation.name for correlation in CORRELATIONS}
    return names[kind].ko if kind in names else kind


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
        kind_name(event.kind, site, language),
        getattr(names[event.zone], language) if event.zone in names else "",
        str(event.severity),
        f"{event.score:.2f}",
        event.sentence.get(language, ""),
    )
