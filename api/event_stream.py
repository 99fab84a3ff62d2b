"""The live feed: every change, once and in order, to any number of subscribers, over server-sent events."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import msgspec
from prometheus_client import Counter, Gauge
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api import serialization
from api.serialization import StoredEvent
from api.storage.event_store import EventStore
from lanewatch import metrics
from streams.stages import UnavailableError

SUBSCRIBERS = Gauge("lanewatch_subscribers", "Subscribers of the live feed.")
CUT_OFF = Counter("lanewatch_subscribers_cut_off", "Subscribers who stopped reading and were cut off.")

TAIL = 1_000
"""Entries kept in memory for all subscribers together: minutes of a city's events, 2-3 MB. Who is further behind
reads from the store. Nobody has a queue of his own, so a slow subscriber costs nothing and misses nothing."""

BATCH = 100
"""Entries read from the store in one go by who is behind."""

HEARTBEAT_S = 15.0
"""Below the 30-60 s after which proxies give up on a silent connection."""

PATIENCE_S = 30.0
"""A subscriber whose connection takes no byte for so long is cut off; its browser comes back with Last-Event-ID."""

log = metrics.log("feed")

Message = MutableMapping[str, Any]


class EventStream:
    """Tells subscribers of the store's entries, from any position on.

    A subscriber is a position and nothing more. It takes what follows that position from the shared tail, or, when it
    is behind that, from the store, whose order is the same: so nothing is lost or doubled where one goes over into the
    other.
    """

    def __init__(
        self, store: EventStore, *, heartbeat_s: float = HEARTBEAT_S, patience_s: float = PATIENCE_S, tail: int = TAIL
    ) -> None:
        self.heartbeat_s = heartbeat_s
        self.patience_s = patience_s
        self._store = store
        self._tail: deque[tuple[int, bytes]] = deque(maxlen=tail)
        self._bell = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        store.listen(self._told)

    def start(self) -> None:
        """Takes the running event loop as the one on which subscribers are served."""
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def close(self) -> None:
        """Ends every subscription in good order; may be called from any thread."""
        self._closed = True
        self._on_loop(self._ring)

    def position(self) -> int:
        """That of the last entry."""
        return self._store.position()

    async def follow(self, position: int) -> AsyncIterator[tuple[int, bytes]]:
        """Messages after ``position``, for ever; a heartbeat, with the position it had, where there is none."""
        while not self._closed:
            bell = self._bell  # taken before reading: an entry that comes in between has rung it
            messages = await self._after(position)
            for place, message in messages:
                yield place, message
                position = place
            if not messages:
                try:
                    await asyncio.wait_for(bell.wait(), self.heartbeat_s)
                except TimeoutError:
                    yield position, b": still here\n\n"

    async def _after(self, position: int) -> list[tuple[int, bytes]]:
        if self._tail and self._tail[0][0] <= position + 1:
            first = max(0, position + 1 - self._tail[0][0])
            return list(self._tail)[first:]
        entries = await run_in_threadpool(self._store.since, position, BATCH)
        return [(entry.position, sse_message(entry)) for entry in entries]

    def _told(self, entry: StoredEvent) -> None:
        self._on_loop(self._append, entry.position, sse_message(entry))

    def _on_loop(self, work: Callable[..., None], *arguments: Any) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended: there is nobody left to tell
                self._loop.call_soon_threadsafe(work, *arguments)

    def _append(self, position: int, data: bytes) -> None:
        if self._tail and position != self._tail[-1][0] + 1:
            self._tail.clear()  # another process wrote in between: only the store knows what
        self._tail.append((position, data))
        self._ring()

    def _ring(self) -> None:
        self._bell.set()
        self._bell = asyncio.Event()


def sse_message(entry: StoredEvent) -> bytes:
    """An entry as a server-sent event. Revisions are plain messages; ``evidence`` and ``verdict`` have those names."""
    name = b"" if entry.what == "event" else f"event: {entry.what}\n".encode()
    return b"id: %d\n%sdata: %s\n\n" % (entry.position, name, msgspec.json.encode(serialization.change_json(entry)))


class EventStreamResponse(Response):
    """The answer that carries the feed to one subscriber, until either side goes."""

    media_type = "text/event-stream"

    def __init__(self, feed: EventStream, position: int) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._feed = feed
        self._position = position

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        SUBSCRIBERS.inc()
        telling = asyncio.ensure_future(self._tell(send))
        leaving = asyncio.ensure_future(_gone(receive))
        try:
            await asyncio.wait((telling, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            SUBSCRIBERS.dec()
            for task in (telling, leaving):
                task.cancel()
            how, _ = await asyncio.gather(telling, leaving, return_exceptions=True)
        if isinstance(how, UnavailableError):
            log.error("a subscriber was let go, and will be back: %s", how)

    async def _tell(self, send: Callable[[Message], Awaitable[None]]) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        # Tells the browser to come back after a second, and opens the stream at once.
        await self._send(send, f"retry: 1000\n: from {self._position}\n\n".encode())
        async for _, data in self._feed.follow(self._position):
            await self._send(send, data)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Callable[[Message], Awaitable[None]], data: bytes) -> None:
        try:
            await asyncio.wait_for(
                send({"type": "http.response.body", "body": data, "more_body": True}), self._feed.patience_s
            )
        except TimeoutError:
            CUT_OFF.inc()
            raise


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue


def start_position(request: Request, after: int | None) -> int | None:
    """Where a subscription begins: after the browser's Last-Event-ID, else ``after``; None is the present.

    Raises:
        ValueError: the header is no position.
    """
    last = request.headers.get("last-event-id")
    if not last:
        return after
    if not last.isascii() or not last.isdigit():
        raise ValueError(f"Last-Event-ID {last[:40]!r} is no position of this feed")
    return int(last)
