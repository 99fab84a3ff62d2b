"""Events: the list, one event, the event stream, verdicts."""

from __future__ import annotations

import time
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field, StringConstraints, WithJsonSchema
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api.errors import ProblemError
from api.event_stream import EventStream, EventStreamResponse
from api.iso_time import epoch_seconds
from api.response_models import EventCount, EventPage, EventResponse, event_response
from api.routes import audit
from api.storage.event_store import EventStore
from api.storage.pagination import CursorError, EventFilter
from api.storage.records import StoredEvent, Verdict, VerdictValue
from lanewatch.records import State

EventId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$", description="An event's id")]
Run = Annotated[
    str | None, Query(max_length=128, description="The event's run; if absent, `live`, else the newest one")
]
_Time = Annotated[
    Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})] | None,
    Field(description="Capture time, ISO 8601 with its offset, such as 2026-01-14T17:00:00Z"),
]


class VerdictBody(BaseModel, extra="forbid", json_schema_extra={"examples": [{"verdict": "false", "reason": "a cat"}]}):
    """The body of a verdict."""

    verdict: VerdictValue
    reason: Annotated[str, StringConstraints(max_length=2_000)] = ""


class EventFilters(BaseModel, extra="forbid"):
    """The filters of a list of events. A repeated filter matches any of its values. An unknown filter is an error."""

    camera: list[str] = []
    kind: list[str] = []
    zone: list[str] = []
    state: list[State] = []
    run: list[str] = []
    part_of: str | None = Field(
        None, max_length=128, description="Only the events that this event is made of, such as the cameras of an outage"
    )
    severity: int | None = Field(None, ge=1, le=3, description="The lowest severity")
    since: _Time = None
    until: _Time = None
    camera_trouble: bool | None = Field(None, description="Only trouble of cameras, or only all other events")
    handled: bool | None = Field(None, description="Only events with a verdict, or only those without one")

    def event_filter(self, store: EventStore) -> EventFilter:
        """The filter for the store; ``since <= started_at < until``.

        Raises:
            ProblemError: A time is invalid, or the event of ``part_of`` does not exist.
        """
        whole = None
        if self.part_of is not None:
            whole = find_event(store, self.part_of, self.run[0] if self.run else None).event
        try:
            since, until = (None if text is None else epoch_seconds(text) for text in (self.since, self.until))
        except ValueError as error:
            raise ProblemError(422, "invalid", str(error)) from error
        return EventFilter(
            cameras=tuple(self.camera),
            kinds=tuple(self.kind),
            zones=tuple(self.zone),
            states=tuple(self.state),
            runs=tuple(self.run) if whole is None else (whole.run,),
            ids=None if whole is None else whole.parts,
            severity=self.severity,
            since=since,
            until=until,
            camera_trouble=self.camera_trouble,
            handled=self.handled,
        )


class EventQuery(EventFilters):
    """The query of a page of the list."""

    cursor: str | None = Field(None, max_length=512, description="`next` of the page before")
    limit: int = Field(50, ge=1, le=200)
    thumbnails: bool = Field(
        False, description="The client shows the thumbnails of this page: one row of the audit is for all of them"
    )


def find_event(store: EventStore, id: str, run: str | None) -> StoredEvent:
    """The event's newest revision.

    Raises:
        ProblemError: The event does not exist.
    """
    stored = store.event(id, run)
    if stored is None:
        in_run = "" if run is None else f" in run {run!r}"
        raise ProblemError(404, "no_such_event", f"there is no event {id!r}{in_run}")
    return stored


def routes(store: EventStore, event_stream: EventStream, thumbnails: audit.ThumbnailPages) -> APIRouter:
    """`/v1/events` and the paths below it, without snapshots and clips."""
    router = APIRouter(prefix="/v1/events", tags=["events"])

    _add_list(router, store, thumbnails)

    @router.get(
        "/stream",
        summary="The event stream (server-sent events)",
        description="Every revision in the order of storage: `id` is its position, `data` the event. A change of an "
        "event's evidence or verdicts is sent as `event: evidence` or `event: verdict`. The stream starts after "
        "Last-Event-ID, else after `?after=`, else now. A comment each 15 s shows that it is alive. A slow subscriber "
        "gets its messages later, from the store. One that reads nothing for 30 s is disconnected, and resumes.",
        response_class=EventStreamResponse,
        status_code=200,
    )
    async def stream(
        request: Request, after: Annotated[int | None, Query(ge=0, description="A position, such as a list's")] = None
    ) -> Response:
        last_id = request.headers.get("last-event-id", "")
        if last_id and not (last_id.isascii() and last_id.isdigit()):
            raise ProblemError(422, "bad_position", f"Last-Event-ID {last_id[:40]!r} is not a position of this stream")
        last_position = await run_in_threadpool(store.position)
        if last_id:
            after = int(last_id)
        if after is None:
            after = last_position
        elif after > last_position:
            after = 0  # the position of a database that this one has replaced: the client knows nothing of this one
        return EventStreamResponse(event_stream, after)

    @router.get("/{id}", summary="The newest revision of an event")
    def get_event(id: EventId, run: Run = None) -> EventResponse:
        return event_response(find_event(store, id, run))

    @router.post("/{id}/verdict", summary="Add a verdict; the last verdict of an event is in effect")
    def add_verdict(request: Request, id: EventId, body: VerdictBody, run: Run = None) -> EventResponse:
        event = find_event(store, id, run).event
        verdict = Verdict(body.verdict, body.reason, audit.client_identity(request), time.time())
        store.add_verdict(event.run, event.id, verdict)
        return event_response(find_event(store, event.id, event.run))

    return router


def _add_list(router: APIRouter, store: EventStore, thumbnails: audit.ThumbnailPages) -> None:
    @router.get("", summary="Events, the newest start first")
    def list_events(request: Request, query: Annotated[EventQuery, Query()]) -> EventPage:
        try:
            page = store.page(query.event_filter(store), cursor=query.cursor, limit=query.limit)
        except CursorError as error:
            raise ProblemError(422, "bad_cursor", str(error)) from error
        if query.thumbnails:
            thumbnails.record_page(store, request, page.events)
        events = [event_response(stored) for stored in page.events]
        return EventPage(events=events, next=page.next, position=page.position)

    @router.get("/count", summary="The number of events that the filters select")
    def count_events(filters: Annotated[EventFilters, Query()]) -> EventCount:
        return EventCount(count=store.count(filters.event_filter(store)))
