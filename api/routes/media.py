"""Snapshots and clips. Each access is written to the audit before the footage is sent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response

from api.errors import ProblemError
from api.evidence import snapshot_image
from api.routes import audit
from api.routes.events import EventId, Run, find_event
from api.storage.event_store import EventStore
from api.storage.records import MediaFile, MediaKind, StoredEvent

Plain = Annotated[bool, Query(description="Without the box")]
Thumbnail = Annotated[
    bool, Query(description="Small; no audit row if it is on a page that was listed with `thumbnails`")
]


def routes(
    store: EventStore, file_path: Callable[[MediaFile], Path] | None, thumbnails: audit.ThumbnailPages
) -> APIRouter:
    """`/v1/events/{id}/snapshot.jpg` and `clip.mp4`; ``file_path`` is None if this service has no evidence."""
    router = APIRouter(prefix="/v1/events/{id}", tags=["evidence"])

    def existing_file(stored: StoredEvent, kind: MediaKind) -> Path:
        media: MediaFile = getattr(stored.evidence, kind)
        if file_path is None or not media.file:
            raise _missing_file(kind, media)
        path = file_path(media)
        if not path.is_file():
            raise ProblemError(410, "evidence_gone", f"the {kind} has been deleted")
        return path

    @router.get(
        "/snapshot.jpg", summary="The event's snapshot", response_class=Response, responses=_binary("image/jpeg")
    )
    def snapshot(
        request: Request, id: EventId, run: Run = None, plain: Plain = False, thumbnail: Thumbnail = False
    ) -> Response:
        stored = find_event(store, id, run)
        path = existing_file(stored, "snapshot")
        if not thumbnail:
            audit.record_access(store, request, stored.event, "snapshot", "plain" if plain else "")
        elif not thumbnails.covers(request, stored.event):
            audit.record_access(store, request, stored.event, "thumbnail")
        jpeg, peak = path.read_bytes(), stored.evidence.snapshot.peak
        if not plain and peak is not None:
            jpeg = snapshot_image.draw_box(jpeg, peak.box, peak.width, peak.height)
        return Response(snapshot_image.shrink(jpeg) if thumbnail else jpeg, media_type="image/jpeg")

    @router.get(
        "/clip.mp4",
        summary="The event's clip",
        description="H.264 in MP4, with five seconds before and after. Supports Range requests.",
        response_class=FileResponse,
        responses=_binary("video/mp4"),
    )
    def clip(request: Request, id: EventId, run: Run = None) -> Response:
        stored = find_event(store, id, run)
        path = existing_file(stored, "clip")
        audit.record_access(store, request, stored.event, "clip")
        return FileResponse(path, media_type="video/mp4")

    return router


def _binary(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {media_type: {"schema": {"type": "string", "format": "binary"}}}}}


def _missing_file(kind: MediaKind, media: MediaFile) -> ProblemError:
    if media.status == "pending":
        return ProblemError(404, "evidence_pending", f"the {kind} is being written", {"Retry-After": "1"})
    return ProblemError(404, "evidence_failed", f"there is no {kind}: {media.reason or 'this service has no evidence'}")
