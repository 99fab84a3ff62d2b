"""The routes that show footage. Each look is written down before it is shown."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import FileResponse, Response

from api.errors import ProblemError
from api.evidence import snapshot_image
from api.openapi import media_response_spec
from api.routes import audit
from api.routes.events import EventId, Run, find_event
from api.serialization import MediaFile, StoredEvent
from api.storage.event_store import EventStore


def routes(store: EventStore, path: Callable[[MediaFile], Path] | None) -> APIRouter:
    """Snapshots and clips; ``path`` says where a picture lies, None that no evidence is kept here."""
    router = APIRouter(prefix="/v1/events/{id}", tags=["evidence"])

    def ready(stored: StoredEvent, what: str) -> Path:
        medium: MediaFile = getattr(stored.evidence, what)
        if path is None or not medium.file:
            raise _missing(what, medium)
        file = path(medium)
        if not file.is_file():
            raise ProblemError(410, "evidence_gone", f"the {what} was kept, and has been destroyed since")
        return file

    @router.get(
        "/snapshot.jpg", summary="The event's picture", responses=media_response_spec("image/jpeg", "The peak's frame")
    )
    def snapshot(
        request: Request,
        id: EventId,
        run: Run = None,
        plain: Annotated[bool, Query(description="Without the box")] = False,
    ) -> Response:
        stored = find_event(store, id, run)
        file = ready(stored, "snapshot")
        audit.record_access(store, request, stored.event, "snapshot", "plain" if plain else "")
        jpeg, peak = file.read_bytes(), stored.evidence.snapshot.peak
        if not plain and peak is not None:
            jpeg = snapshot_image.draw_box(jpeg, peak.box, peak.width, peak.height)
        return Response(jpeg, media_type="image/jpeg")

    @router.get(
        "/clip.mp4",
        summary="The event's clip",
        description="H.264 in MP4, with five seconds before and after. Takes Range requests.",
        responses=media_response_spec("video/mp4", "The clip"),
    )
    def clip(request: Request, id: EventId, run: Run = None) -> Response:
        stored = find_event(store, id, run)
        file = ready(stored, "clip")
        audit.record_access(store, request, stored.event, "clip")
        return FileResponse(file, media_type="video/mp4")

    return router


def _missing(what: str, medium: MediaFile) -> ProblemError:
    if medium.status == "pending":
        return ProblemError(404, "evidence_pending", f"the {what} is being written", {"Retry-After": "1"})
    return ProblemError(404, "evidence_failed", f"there is no {what}: {medium.reason or 'none is kept here'}")
