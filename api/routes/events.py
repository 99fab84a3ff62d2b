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
from api.event_stream import Feed, Stream, begin
from api.openapi import says, takes
from api.routes import audit
from api.serialization import Opinion, Stored, Verdict
from api.storage.event_store import Store
from api.storage.pagination import CursorError, Filter
from lanewatch.records import State

EventId = Annotated[str, Path(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$", description="An event's id")]
Run = Annotated[
    str | None, Query(max_length=128, description="The event's run; if absent, the live one, else the last told of")
]
_When = Annotated[str | None, Field(description="Capture time, ISO 8601 with its offset, such as 2026-01-14T17:00:00Z")]


class Said(msgspec.Struct, forbid_unknown_fields=True):
    """What is sent as a verdict: was the event a true one?"""

    verdict: Verdict
    reason: Annotated[str, msgspec.Meta(max_length=2_000)] = ""


class Listing(BaseModel):
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

    def filter(self, store: Store) -> Filter:
        """As the store takes it; ``since <= started_at < until``.

        Raises:
            ProblemError: a time is none, or there is no event that others are to be a part of.
        """
        whole = None if self.part_of is None else find(store, self.part_of, self.run[0] if self.run else None).event
        try:
            since, until = (None if text is None else serialization.seconds(text) for text in (self.since, self.until))
        except ValueError as error:
            raise ProblemError(422, "invalid", str(error)) from error
        return Filter(
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


def find(store: Store, id: str, run: str | None) -> Stored:
    """The event.

    Raises:
        ProblemError: there is none.
    """
    stored = store.event(id, run)
    if stored is None:
        where = "" if run is None else f" in run {run!r}"
        raise ProblemError(404, "no_such_event", f"there is no event {id!r}{where}")
    return stored


def json(value: object, status: int = 200) -> Response:
    """An answer in JSON."""
    return Response(msgspec.json.encode(value), status, media_type="application/json")


def routes(store: Store, feed: Feed) -> APIRouter:
    """`/v1/events` and what is below it, the pictures apart."""
    router = APIRouter(prefix="/v1/events", tags=["events"])

    @router.get("", summary="Events, the newest start first", responses=says("EventPage", "A page of the list"))
    def list_events(listing: Annotated[Listing, Query()]) -> Response:
        try:
            page = store.page(listing.filter(store), cursor=listing.cursor, limit=listing.limit)
        except CursorError as error:
            raise ProblemError(422, "bad_cursor", str(error)) from error
        events = [serialization.stored(event) for event in page.events]
        return json({"events": events, "next": page.next, "position": page.position})

    @router.get(
        "/stream",
        summary="The live feed, over server-sent events",
        description="Every revision in the order of its storing: `id` is its position, `data` the event. That an "
        "event's evidence or verdicts changed comes as `event: evidence` or `event: verdict`. It goes on after "
        "Last-Event-ID, else after `?after=`, else from now on. A comment each 15 s shows that it is alive. Nobody "
        "has a queue: who is slow is told later, from the store; who takes nothing for 30 s is cut off, and resumes.",
        responses=says("FeedText", "The feed", media_type="text/event-stream"),
    )
    async def stream(
        request: Request, after: Annotated[int | None, Query(ge=0, description="A position, as of a list")] = None
    ) -> Response:
        try:
            position = begin(request, after)
        except ValueError as error:
            raise ProblemError(422, "bad_position", str(error)) from error
        now = await run_in_threadpool(feed.position)
        if position is None:
            position = now
        elif position > now:
            position = 0  # it was another database's, before this one took its place: nothing of this one is known
        return Stream(feed, position)

    @router.get("/{id}", summary="An event", responses=says("StoredEvent", "Its newest revision"))
    def one_event(id: EventId, run: Run = None) -> Response:
        return json(serialization.stored(find(store, id, run)))

    @router.post(
        "/{id}/verdict",
        summary="Say whether an event was a true one",
        responses=says("StoredEvent", "The event with its verdicts; the last one counts"),
        openapi_extra=takes("Said"),
    )
    def judge(request: Request, id: EventId, verdict: Annotated[Said, Depends(_said)], run: Run = None) -> Response:
        stored = find(store, id, run)
        opinion = Opinion(verdict.verdict, verdict.reason, audit.who(request), time.time())
        store.judge(stored.event.run, stored.event.id, opinion)
        return json(serialization.stored(find(store, stored.event.id, stored.event.run)))

    return router


async def _said(request: Request) -> Said:
    return await request_body.read(request, Said)
