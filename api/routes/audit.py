"""The audit: a row for every access to footage, as the Personal Information Protection Act requires of operators."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from api.auth import IDENTITY_KEY
from api.iso_time import iso_time
from api.response_models import AccessLog
from api.storage.event_store import EventStore
from api.storage.records import AccessRecord, MediaKind, StoredEvent
from lanewatch.records import Event

MAX_LISTED = 50_000
"""Thumbnails that are remembered as listed: 250 full pages, in 10 MB."""


class ThumbnailPages:
    """The pages of the list that clients asked for with their thumbnails. Each is one row of the audit.

    A thumbnail on such a page writes no row of its own. Any other one does, also after a restart.
    """

    def __init__(self, limit: int = MAX_LISTED) -> None:
        self._limit = limit
        self._listed: OrderedDict[tuple[str, str, str], None] = OrderedDict()
        self._lock = threading.Lock()

    def record_page(self, store: EventStore, request: Request, events: Sequence[StoredEvent]) -> None:
        """Writes the row of a page, unless it has no thumbnails, and remembers them for this client.

        Raises:
            UnavailableError: The row could not be written.
        """
        seen = [stored.event for stored in events if stored.evidence.snapshot.file]
        if not seen:
            return
        first, last = (iso_time(event.started_at) for event in (seen[-1], seen[0]))
        _record(store, request, "thumbnails", detail=f"{len(seen)} events from {first} to {last}")
        who = client_identity(request)
        with self._lock:
            for event in seen:
                self._listed[who, event.run, event.id] = None
                self._listed.move_to_end((who, event.run, event.id))
            while len(self._listed) > self._limit:
                self._listed.popitem(last=False)

    def covers(self, request: Request, event: Event) -> bool:
        """Whether a row of a page is for this thumbnail."""
        with self._lock:
            return (client_identity(request), event.run, event.id) in self._listed


def record_access(
    store: EventStore, request: Request, event: Event, what: MediaKind | Literal["thumbnail"], detail: str = ""
) -> None:
    """Writes the audit row of an access, before the footage is sent.

    Raises:
        UnavailableError: The row could not be written. Then no footage is sent.
    """
    detail = detail or request.headers.get("range", "")[:256]
    _record(store, request, what, run=event.run, id=event.id, camera=event.camera, detail=detail)


def _record(
    store: EventStore, request: Request, what: str, *, run: str = "", id: str = "", camera: str = "", detail: str
) -> None:
    row = AccessRecord(
        number=0,
        looked_at=time.time(),
        who=client_identity(request),
        address=request.client.host if request.client else "",
        what=what,
        run=run,
        id=id,
        camera=camera,
        detail=detail,
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
