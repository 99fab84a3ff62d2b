"""The bodies of the API's responses. FastAPI encodes them and describes them at ``/openapi.json``."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import quote

import msgspec
from pydantic import BaseModel, Field

from api.camera_status import CameraStatus
from api.iso_time import Instant
from api.storage.records import AccessRecord, EvidenceStatus, MediaFile, StoredEvent, Verdict
from lanewatch.config.fields import LocalizedName
from lanewatch.records import Light, State

Corners = Annotated[list[float], Field(min_length=4, max_length=4)]
"""A box, xyxy. As a list of four numbers, since code generators do not know JSON Schema's tuples."""


class FactorResponse(BaseModel):
    """One part of a score; the parts add up to the score."""

    name: str
    value: float
    detail: dict[str, float | str]


class PeakResponse(BaseModel):
    """The frame in which an event is seen best; the box is xyxy in pixels of ``width`` x ``height``."""

    slot: int
    captured_at: Instant
    box: Corners
    width: int
    height: int


class MediaFileResponse(BaseModel):
    """The state of a snapshot or a clip."""

    status: EvidenceStatus
    reason: str
    started_at: Instant | None
    ended_at: Instant | None
    url: str | None = Field(description="Address of the file; null if there is none")


class EvidenceResponse(BaseModel):
    """The snapshot and the clip of an event."""

    status: EvidenceStatus
    reason: str
    snapshot: MediaFileResponse
    clip: MediaFileResponse


class EventChange(BaseModel):
    """A change of an event's evidence or verdicts, as the event stream sends it."""

    run: str
    id: str
    position: int = Field(description="Position of the change in the event stream")
    evidence: EvidenceResponse
    verdicts: list[Verdict]


class EventResponse(BaseModel):
    """An event: the fields of the record ``lanewatch.records.Event``, with its evidence and verdicts."""

    run: str
    id: str
    camera: str
    kind: str
    zone: str
    began_at: Instant
    started_at: Instant
    updated_at: Instant
    ended_at: Instant | None
    revision: int
    state: State
    severity: int
    score: float
    factors: list[FactorResponse]
    thresholds: dict[str, float]
    sentence: dict[str, str]
    tracks: list[int]
    peak: PeakResponse
    model: str
    site: str
    onvif: str
    kisa: str
    condition: Light | Literal[""]
    parts: list[str]
    version: int
    position: int = Field(description="Position of the revision in the event stream")
    opened_at: Instant = Field(description="Capture time at which the alarm was raised")
    evidence: EvidenceResponse
    verdicts: list[Verdict]


class EventPage(BaseModel):
    """A page of the list of events."""

    events: list[EventResponse]
    next: str | None = Field(description="Cursor of the next page; null on the last page")
    position: int = Field(description="Position from which the event stream continues this list: `?after=`")


class EventCount(BaseModel):
    """The number of events that a filter selects."""

    count: int


class CameraList(BaseModel):
    """All cameras of the site."""

    cameras: list[CameraStatus]


class AccessLog(BaseModel):
    """Accesses to footage, the newest first."""

    looks: list[AccessRecord]


class SiteResponse(BaseModel):
    """The site: its name, its note, its bells and the names of its kinds of events, in Korean and English."""

    id: str
    name: LocalizedName
    note: LocalizedName | None
    time_zone: str
    bells: dict[str, LocalizedName] = Field(description="By the bell's id")
    kinds: dict[str, LocalizedName] = Field(description="By the kind, such as `loitering`")
    camera_trouble: list[str] = Field(description="The kinds that are trouble of a camera")
    digest: str


class SessionResponse(BaseModel):
    """Whether the service requires a token, and the identity of the caller."""

    needed: bool
    who: str | None


class HealthResponse(BaseModel):
    """Whether the process responds."""

    status: Literal["ok"]


class ReadinessResponse(BaseModel):
    """Whether the service can do its work, and the parts that can't."""

    status: Literal["ok", "unready"]
    wrong: list[str]


def event_response(stored: StoredEvent) -> EventResponse:
    """An event as the list, the event's own path and the event stream send it."""
    return EventResponse.model_validate(
        {
            **msgspec.structs.asdict(stored.event),
            "position": stored.position,
            "opened_at": stored.opened_at,
            "evidence": _evidence_response(stored),
            "verdicts": stored.verdicts,
        },
        from_attributes=True,
    )


def change_response(stored: StoredEvent) -> EventResponse | EventChange:
    """A message of the event stream: a whole event, or its evidence and verdicts only."""
    if stored.change == "event":
        return event_response(stored)
    return EventChange(
        run=stored.event.run,
        id=stored.event.id,
        position=stored.position,
        evidence=_evidence_response(stored),
        verdicts=list(stored.verdicts),
    )


def _evidence_response(stored: StoredEvent) -> EvidenceResponse:
    evidence = stored.evidence
    path, query = f"/v1/events/{quote(stored.event.id, safe='')}", f"run={quote(stored.event.run, safe='')}"
    snapshot = _media_response(evidence.snapshot, f"{path}/snapshot.jpg?{query}")
    clip = _media_response(evidence.clip, f"{path}/clip.mp4?{query}")
    return EvidenceResponse(status=evidence.status, reason=evidence.reason, snapshot=snapshot, clip=clip)


def _media_response(media: MediaFile, url: str) -> MediaFileResponse:
    return MediaFileResponse(
        status=media.status,
        reason=media.reason,
        started_at=media.started_at,
        ended_at=media.ended_at,
        url=url if media.status in ("ready", "partial") else None,
    )
