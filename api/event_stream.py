"""The event stream: every change, once and in order, to any number of subscribers (server-sent events)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from prometheus_client import Counter, Gauge
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.response_models import change_response
from api.storage.event_store import EventStore
from api.storage.records import StoredEvent
from lanewatch import metrics
from streams.stages import UnavailableError

SUBSCRIBERS = Gauge("lanewatch_subscribers", "Subscribers of the live feed.")
CUT_OFF = Counter("lanewatch_subscribers_cut_off", "Subscribers who stopped reading and were cut off.")

TAIL_LENGTH = 1_000
"""Messages kept in memory for all subscribers together: minutes of events of a large site, 2-3 MB. A subscriber
further behind reads from the store. None has a queue of its own, so a slow one costs nothing and misses nothing."""

STORE_BATCH = 100
"""Messages that a subscriber behind the tail reads from the store at once."""

HEARTBEAT_S = 15.0
"""Below the 30-60 s after which proxies close a silent connection."""

SEND_TIMEOUT_S = 30.0
"""A subscriber that accepts no byte for this long is disconnected; its browser resumes with Last-Event-ID."""

log = metrics.log("feed")


class EventStream:
    """Sends the store's changes to subscribers, from any position on.

    A subscriber is only a position. It reads what follows from the shared tail or, if it is further behind, from the
    store. Both have the same order, so no message is lost or sent twice between the two.
    """

    def __init__(
        self,
        store: EventStore,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        send_timeout_s: float = SEND_TIMEOUT_S,
        tail_length: int = TAIL_LENGTH,
    ) -> None:
        self.heartbeat_s = heartbeat_s
        self.send_timeout_s = send_timeout_s
        self._store = store
        self._tail: deque[tuple[int, bytes]] = deque(maxlen=tail_length)
        self._changed = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._closed = False
        store.listen(self._on_change)

    def start(self) -> None:
        """Serves subscribers on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._closed = False

    def close(self) -> None:
        """Ends every subscription cleanly; may be called from any thread."""
        self._closed = True
        self._call_on_loop(self._wake_subscribers)

    async def messages_after(self, position: int) -> AsyncIterator[tuple[int, bytes]]:
        """All messages after ``position`` with their positions, without end; heartbeats repeat the last position."""
        while not self._closed:
            changed = self._changed  # taken before reading: a change in between sets it
            messages = await self._read_after(position)
            for message_position, message in messages:
                yield message_position, message
                position = message_position
            if not messages:
                try:
                    await asyncio.wait_for(changed.wait(), self.heartbeat_s)
                except TimeoutError:
                    yield position, b": still here\n\n"

    async def _read_after(self, position: int) -> list[tuple[int, bytes]]:
        if self._tail and self._tail[0][0] <= position + 1:
            first = max(0, position + 1 - self._tail[0][0])
            return list(self._tail)[first:]
        changes = await run_in_threadpool(self._store.since, position, STORE_BATCH)
        return [(change.position, sse_message(change)) for change in changes]

    def _on_change(self, change: StoredEvent) -> None:
        self._call_on_loop(self._append, change.position, sse_message(change))

    def _call_on_loop(self, function: Callable[..., None], *arguments: Any) -> None:
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended, and its subscribers with it
                self._loop.call_soon_threadsafe(function, *arguments)

    def _append(self, position: int, message: bytes) -> None:
        if self._tail and position != self._tail[-1][0] + 1:
            self._tail.clear()  # another process wrote in between: only the store has its changes
        self._tail.append((position, message))
        self._wake_subscribers()

    def _wake_subscribers(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def sse_message(change: StoredEvent) -> bytes:
    """A change as a server-sent event. A revision has no event name; the others are ``evidence`` and ``verdict``."""
    name = "" if change.change == "event" else f"event: {change.change}\n"
    return f"id: {change.position}\n{name}data: {change_response(change).model_dump_json()}\n\n".encode()


class EventStreamResponse(Response):
    """The response that carries the event stream to one subscriber, until either side closes."""

    media_type = "text/event-stream"

    def __init__(self, event_stream: EventStream, position: int) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._event_stream = event_stream
        self._position = position

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        SUBSCRIBERS.inc()
        sending = asyncio.ensure_future(self._send_messages(send))
        disconnecting = asyncio.ensure_future(_wait_for_disconnect(receive))
        try:
            await asyncio.wait((sending, disconnecting), return_when=asyncio.FIRST_COMPLETED)
        finally:
            SUBSCRIBERS.dec()
            for task in (sending, disconnecting):
                task.cancel()
            outcome, _ = await asyncio.gather(sending, disconnecting, return_exceptions=True)
        if isinstance(outcome, UnavailableError):
            log.error("a subscriber is disconnected and will resume: %s", outcome)
        elif isinstance(outcome, Exception) and not isinstance(outcome, TimeoutError):
            log.error("a subscriber is disconnected by an error", exc_info=outcome)

    async def _send_messages(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        # Opens the stream at once, and sets the browser's delay before it reconnects to a second.
        await self._send(send, f"retry: 1000\n: from {self._position}\n\n".encode())
        async for _, message in self._event_stream.messages_after(self._position):
            await self._send(send, message)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send(self, send: Send, data: bytes) -> None:
        sending = send({"type": "http.response.body", "body": data, "more_body": True})
        try:
            await asyncio.wait_for(sending, self._event_stream.send_timeout_s)
        except TimeoutError:
            CUT_OFF.inc()
            raise


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
