"""A row for every look at footage, as the Personal Information Protection Act asks of whoever runs cameras."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from api import serialization
from api.auth import WHO
from api.serialization import AccessRecord
from api.storage.event_store import EventStore
from lanewatch.records import Event


def record_access(store: EventStore, request: Request, event: Event, what: str, detail: str = "") -> None:
    """Writes down who looks at what, before it is shown.

    Raises:
        UnavailableError: it cannot be written down. Then nothing is shown: a look without a row must not be.
    """
    row = AccessRecord(
        number=0,
        looked_at=time.time(),
        who=requester(request),
        address=request.client.host if request.client else "",
        what=what,
        run=event.run,
        id=event.id,
        camera=event.camera,
        detail=detail or request.headers.get("range", "")[:256],
    )
    store.looked(row)


def requester(request: Request) -> str:
    """Who sends a request: ``local``, ``token``, or the session of a browser."""
    return request.scope.get(WHO) or "unknown"


def routes(store: EventStore) -> APIRouter:
    """`/v1/audit`."""
    router = APIRouter(prefix="/v1", tags=["audit"])

    @router.get("/audit", summary="Looks at footage, the newest first")
    def list_audit(
        before: Annotated[int | None, Query(description="`number` of the last row of the page before")] = None,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> Response:
        rows = [serialization.to_json(row) for row in store.looks(before=before, limit=limit)]
        return Response(msgspec.json.encode({"looks": rows}), media_type="application/json")

    return router
