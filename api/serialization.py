"""What the API says, in JSON: the records themselves, with instants as ISO 8601 in UTC.

There is no second definition of a record to keep in step: answers and their schemas are both made from the structs
by one rule. A struct's number whose name ends in ``_at`` is an instant, and goes out as ``2026-01-14T17:00:00.123Z``.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.parse import quote

import msgspec

from lanewatch.records import Event, Peak

EvidenceStatus = Literal["pending", "partial", "ready", "failed"]
VerdictValue = Literal["true", "false", "unsure"]

GOING_ON = "going_on"
"""The reason of a clip that is partial only because its event is not over."""


class MediaFile(msgspec.Struct, frozen=True):
    """A picture or a clip of an event.

    ``partial`` is a clip that can be looked at while its event goes on, or one of which a part was out of reach;
    ``reason`` says which, or why it failed.
    """

    status: EvidenceStatus = "pending"
    reason: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    file: str = ""
    peak: Peak | None = None  # of a snapshot: what is drawn on it, if it is the peak's very frame

    @property
    def settled(self) -> bool:
        """Whether nothing more is to come."""
        return self.status != "pending" and self.reason != GOING_ON

    def interrupted(self) -> MediaFile:
        """As it is, if that is settled; else as it stays when nobody is there any more to go on with it."""
        if self.settled:
            return self
        return msgspec.structs.replace(self, status="partial" if self.file else "failed", reason="interrupted")


class Evidence(msgspec.Struct, frozen=True):
    """What there is to see of an event."""

    snapshot: MediaFile = MediaFile()
    clip: MediaFile = MediaFile()

    @property
    def status(self) -> EvidenceStatus:
        """That of both together: partial where one can be seen and the other can't, or not yet wholly."""
        both = {self.snapshot.status, self.clip.status}
        if len(both) == 1:
            return self.snapshot.status
        return "pending" if both == {"pending", "failed"} else "partial"

    @property
    def settled(self) -> bool:
        """Whether nothing more is to come."""
        return self.snapshot.settled and self.clip.settled

    @property
    def reason(self) -> str:
        """Why it isn't ready, in a word; empty where it is or is still to come."""
        return self.snapshot.reason or self.clip.reason


class Verdict(msgspec.Struct, frozen=True):
    """What an operator said about an event."""

    verdict: VerdictValue
    reason: str
    who: str
    given_at: float


class StoredEvent(msgspec.Struct, frozen=True):
    """An event's revision with what belongs to the event: its place in the feed, evidence and verdicts.

    Attributes:
        position: of the revision in the feed; of the change, where ``what`` isn't ``event``.
        opened_at: capture time of the event's first revision: when the alarm was raised.
        what: which change of the feed this is.
    """

    position: int
    event: Event
    opened_at: float
    evidence: Evidence = Evidence()
    verdicts: tuple[Verdict, ...] = ()
    what: Literal["event", "evidence", "verdict"] = "event"


class AccessRecord(msgspec.Struct, frozen=True):
    """A row of the audit: one look at footage."""

    number: int
    looked_at: float
    who: str
    address: str
    what: str
    run: str
    id: str
    camera: str
    detail: str


def iso_time(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, rounded to milliseconds."""
    moment = datetime.fromtimestamp(round(seconds * 1000) // 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{round(seconds * 1000) % 1000:03d}Z"


def epoch_seconds(text: str) -> float:
    """The epoch seconds of an ISO 8601 instant.

    Raises:
        ValueError: it is none, or does not say its offset from UTC.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no ISO 8601 time such as 2026-01-14T17:00:00Z") from error
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} does not say its time zone: end it with Z or +09:00 (%2B09:00 in a URL)")
    return moment.timestamp()


def to_json(record: msgspec.Struct) -> dict[str, Any]:
    """A record as what JSON can say, instants as text."""
    return {name: _plain(name, getattr(record, name)) for name in record.__struct_fields__}


def _plain(name: str, value: Any) -> Any:
    if name.endswith("_at") and value is not None:
        return iso_time(value)
    if isinstance(value, msgspec.Struct):
        return to_json(value)
    if isinstance(value, tuple):
        return [_plain("", item) for item in value]
    return value


def evidence_json(record: StoredEvent) -> dict[str, Any]:
    """An event's evidence, with the addresses from which it can be had."""
    event = record.event
    found: dict[str, Any] = {"status": record.evidence.status, "reason": record.evidence.reason}
    for name, path in (("snapshot", "snapshot.jpg"), ("clip", "clip.mp4")):
        medium: MediaFile = getattr(record.evidence, name)
        told = to_json(medium)
        for inner in ("file", "peak"):
            told.pop(inner)
        seen = medium.status in ("ready", "partial")
        told["url"] = f"/v1/events/{quote(event.id, safe='')}/{path}?run={quote(event.run, safe='')}" if seen else None
        found[name] = told
    return found


def event_json(record: StoredEvent) -> dict[str, Any]:
    """An event as lists, its own page and the feed say it."""
    return {
        **to_json(record.event),
        "position": record.position,
        "opened_at": iso_time(record.opened_at),
        "evidence": evidence_json(record),
        "verdicts": [to_json(verdict) for verdict in record.verdicts],
    }


def change_json(record: StoredEvent) -> dict[str, Any]:
    """An entry of the feed: a whole event, or what of it changed."""
    whole = event_json(record)
    if record.what == "event":
        return whole
    return {key: whole[key] for key in ("run", "id", "position", "evidence", "verdicts")}


def record_schemas(kinds: Iterable[type[msgspec.Struct]]) -> dict[str, Any]:
    """JSON Schemas of records as ``to_json`` says them, by name."""
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for component in components.values():
        for name, kind in component.get("properties", {}).items():
            if name.endswith("_at"):
                component["properties"][name] = _as_text(kind)
    return components


def _as_text(kind: dict[str, Any]) -> dict[str, Any]:
    text = {"type": "string", "format": "date-time"}
    optional = any(choice.get("type") == "null" for choice in kind.get("anyOf", ()))
    return {"anyOf": [text, {"type": "null"}]} if optional else text
