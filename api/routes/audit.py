"""The audit: a row for every access to footage, as the Personal Information Protection Act requires of operators."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Query, Request

from api.auth import IDENTITY_KEY
from api.response_models import AccessLog
from api.storage.event_store import EventStore
from api.storage.records import AccessRecord, MediaKind
from lanewatch.records import Event


def record_access(store: EventStore, request: Request, event: Event, media_kind: MediaKind, detail: str = "") -> None:
    """Writes the audit row of an access, before the footage is sent.

    Raises:
        UnavailableError: The row could not be written. Then no footage is sent.
    """
    row = AccessRecord(
        number=0,
        looked_at=time.time(),
        who=client_identity(request),
        address=request.client.host if request.client else "",
        what=media_kind,
        run=event.run,
        id=event.id,
        camera=event.camera,
        detail=detail or request.headers.get("range", "")[:256],
    )
    store.record_access(row)


def client_identity(request: Request) -> str:
    """The client of a request: ``local``, ``token``, or a browser's session."""
    return request.scope.get(IDENTITY_KEY) or "unknown"


def routes(store: EventStore) -> APIRouter:
    """`/v1/audit`."""
    router = APIRouter(prefix="/v1", tags=["audit"])

    @router.get("/audit", summary="Accesses to footage, the newest first")
    def list_accesses(
        before: Annotated[
            int | None, Query(ge=0, lt=2**63, description="`number` of the last row of the page before")
        ] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> AccessLog:
        return AccessLog(looks=store.access_log(before=before, limit=limit))

    return router
