"""The events' routes: the list, one event, the live feed, verdicts."""

from __future__ import annotations

import time
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from api import request_body, serialization
from api.errors import ProblemError
from api.event_stream import EventStream, EventStreamResponse, start_position
from api.openapi import json_response_spec, request_body_spec
from api.routes import audit
from api.serialization import StoredEvent, Verdict, VerdictValue
from api.storage.event_store import EventStore
from api.storage.pagination import CursorError, EventFilter
from lanewatch.records import State

EventId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$", description="An event's id")]
Run = Annotated[
    str | None, Query(max_length=128, description="The event's run; if absent, the live one, else the last told of")
]
_When = Annotated[str | None, Field(description="Capture time, ISO 8601 with its offset, such as 2026-01-14T17:00:00Z")]


class VerdictBody(msgspec.Struct, forbid_unknown_fields=True):
    """What is sent as a verdict: was the event a true one?"""

    verdict: VerdictValue
    reason: Annotated[str, msgspec.Meta(max_length=2_000)] = ""


class EventQuery(BaseModel):
    """The list's filters. Those with several values take any of them; a misspelt one is refused, not ignored."""

    model_config = ConfigDict(extra="forbid")

    camera: list[str] = []
    kind: list[str] = []
    zone: list[str] = []
    state: list[State] = []
    run: list[str] = []
    part_of: str | None = Field(
        None, max_length=128, description="Only what this event is made of, such as the cameras of an outage"
    )
    severity: int | None = Field(None, ge=1, le=3, description="The least severity")
    since: _When = None
    until: _When = None
    cursor: str | None = Field(None, max_length=512, description="`next` of the page before")
    limit: int = Field(50, ge=1, le=200)

    def filter(self, store: EventStore) -> EventFilter:
        """As the store takes it; ``since <= started_at < until``.

        Raises:
            ProblemError: a time is none, or there is no event that others are to be a part of.
        """
        whole = (
            None if self.part_of is None else find_event(store, self.part_of, self.run[0] if self.run else None).event
        )
        try:
            since, until = (
                None if text is None else serialization.epoch_seconds(text) for text in (self.since, self.until)
            )
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
        )


def find_event(store: EventStore, id: str, run: str | None) -> StoredEvent:
    """The event.

    Raises:
        ProblemError: there is none.
    """
    stored = store.event(id, run)
    if stored is None:
        where = "" if run is None else f" in run {run!r}"
        raise ProblemError(404, "no_such_event", f"there is no event {id!r}{where}")
    return stored


def json_body(value: object, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def routes(store: EventStore, feed: EventStream) -> APIRouter:
    """`/v1/events` and what is below it, the pictures apart."""
    router = APIRouter(prefix="/v1/events", tags=["events"])

    @router.get(
        "", summary="Events, the newest start first", responses=json_response_spec("EventPage", "A page of the list")
    )
    def list_events(listing: Annotated[EventQuery, Query()]) -> Response:
        try:
            page = store.page(listing.filter(store), cursor=listing.cursor, limit=listing.limit)
        except CursorError as error:
            raise ProblemError(422, "bad_cursor", str(error)) from error
        events = [serialization.event_json(event) for event in page.events]
        return json_body({"events": events, "next": page.next, "position": page.position})

    @router.get(
        "/stream",
        summary="The live feed, over server-sent events",
        description="Every revision in the order of its storing: `id` is its position, `data` the event. That an "
        "event's evidence or verdicts changed comes as `event: evidence` or `event: verdict`. It goes on after "
        "Last-Event-ID, else after `?after=`, else from now on. A comment each 15 s shows that it is alive. Nobody "
        "has a queue: who is slow is told later, from the store; who takes nothing for 30 s is cut off, and resumes.",
        responses=json_response_spec("FeedText", "The feed", media_type="text/event-stream"),
    )
    async def stream(
        request: Request, after: Annotated[int | None, Query(ge=0, description="A position, as of a list")] = None
    ) -> Response:
        try:
            position = start_position(request, after)
        except ValueError as error:
            raise ProblemError(422, "bad_position", str(error)) from error
        now = await run_in_threadpool(feed.position)
        if position is None:
            position = now
        elif position > now:
            position = 0  # it was another database's, before this one took its place: nothing of this one is known
        return EventStreamResponse(feed, position)

    @router.get("/{id}", summary="An event", responses=json_response_spec("StoredEvent", "Its newest revision"))
    def one_event(id: EventId, run: Run = None) -> Response:
        return json_body(serialization.event_json(find_event(store, id, run)))

    @router.post(
        "/{id}/verdict",
        summary="Say whether an event was a true one",
        responses=json_response_spec("StoredEvent", "The event with its verdicts; the last one counts"),
        openapi_extra=request_body_spec("VerdictBody"),
    )
    def judge(
        request: Request, id: EventId, verdict: Annotated[VerdictBody, Depends(_said)], run: Run = None
    ) -> Response:
        stored = find_event(store, id, run)
        opinion = Verdict(verdict.verdict, verdict.reason, audit.requester(request), time.time())
        store.judge(stored.event.run, stored.event.id, opinion)
        return json_body(serialization.event_json(find_event(store, stored.event.id, stored.event.run)))

    return router


async def _said(request: Request) -> VerdictBody:
    return await request_body.read(request, VerdictBody)
