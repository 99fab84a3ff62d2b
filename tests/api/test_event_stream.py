from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest

from api.app import create
from api.event_stream import EventStream
from api.server import serve
from api.storage.event_store import EventStore
from api.storage.records import Verdict
from lanewatch.config.site import Site
from tests.api.conftest import StartService
from tests.api.event_factory import after, make_event


class SentMessage(NamedTuple):
    """One server-sent event."""

    position: int
    name: str
    data: dict[str, Any]


def parse(lines: Iterator[str]) -> Iterator[SentMessage]:
    """Parses server-sent events by the rules of the standard."""
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line and "data" in fields:
            yield SentMessage(int(fields["id"]), fields.get("event", "message"), json.loads(fields["data"]))
            fields = {}


@contextmanager
def subscribed(client: httpx.Client, *, last: int | None = None, **query: Any) -> Iterator[Iterator[SentMessage]]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with client.stream("GET", "/v1/events/stream", headers=headers, params=query) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        next(lines)  # the stream is open: all later changes must be sent
        yield parse(lines)


def test_a_message_has_the_event_as_the_list_has_it(store: EventStore, start_service: StartService) -> None:
    client = start_service()
    store.upsert(make_event("earlier"))
    with subscribed(client) as messages:
        store.upsert(make_event())
        first = next(messages)
    assert first.data == client.get("/v1/events/e-1").json()
    assert (first.position, first.name) == (2, "message")


def test_changes_of_evidence_and_verdicts_have_names(store: EventStore, start_service: StartService) -> None:
    client = start_service()
    store.upsert(make_event())
    with subscribed(client, after=0) as messages:
        store.add_verdict("live", "e-1", Verdict("false", "a cat", "local", 0.0))
        received = [next(messages), next(messages)]
    assert [message.name for message in received] == ["message", "verdict"]
    assert received[1].data["verdicts"][0]["reason"] == "a cat"
    assert "revision" not in received[1].data


@pytest.mark.parametrize("tail", [1000, 3])  # all in the tail in memory; most only in the store
def test_a_subscriber_resumes_where_it_was(store: EventStore, start_service: StartService, tail: int) -> None:
    client = start_service(event_stream=EventStream(store, tail_length=tail))
    for number in range(20):
        store.upsert(make_event(f"e-{number}"))
    with subscribed(client, after=0) as messages:
        before = [next(messages).position for _ in range(7)]
    with subscribed(client, last=before[-1], after=0) as messages:  # the header replaces the query
        rest = [next(messages).position for _ in range(13)]
    assert before + rest == list(range(1, 21))


@pytest.mark.parametrize("tail", [1000, 2])
def test_no_message_is_lost_or_sent_twice_between_store_and_tail(
    store: EventStore, start_service: StartService, tail: int
) -> None:
    """Subscribers reconnect while a writer writes; they get every position once, in order."""
    client = start_service(event_stream=EventStream(store, tail_length=tail))
    total = 150

    def write() -> None:
        event = make_event()
        for number in range(total):
            store.upsert(after(event, number))

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[int] = []
    while len(seen) < total:
        with subscribed(client, last=seen[-1] if seen else 0) as messages:
            seen += [next(messages).position for _ in range(min(29, total - len(seen)))]
    writer.join()
    assert seen == list(range(1, total + 1))


def test_a_silent_stream_sends_heartbeats(store: EventStore, start_service: StartService) -> None:
    client = start_service(event_stream=EventStream(store, heartbeat_s=0.05))
    with client.stream("GET", "/v1/events/stream") as response:
        beats = [line for line, _ in zip(response.iter_lines(), range(12), strict=False) if line == ": still here"]
    assert len(beats) >= 3


class AwaitableCounter:
    """A double for a counter; a test can wait for its increment."""

    def __init__(self) -> None:
        self.incremented = threading.Event()

    def inc(self) -> None:
        self.incremented.set()


def test_a_subscriber_that_stops_reading_is_disconnected(
    store: EventStore, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It costs the other subscribers nothing, and can resume from the store.

    The reading subscriber gets the large messages before the timeout is short, as a busy machine may be slow.
    """
    cut_off = AwaitableCounter()
    monkeypatch.setattr("api.event_stream.CUT_OFF", cut_off)
    event_stream = EventStream(store, send_timeout_s=60)
    big = {"ko": "", "en": "x" * 300_000}
    with (
        serve(create(store, None, site, event_stream=event_stream), port=0) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
        socket.socket() as stuck,
        subscribed(client, after=0) as messages,
    ):
        for number in range(40):  # 12 MB: more than the kernel buffers for one connection
            store.upsert(make_event(f"e-{number}", sentence=big))
        assert [next(messages).position for _ in range(40)] == list(range(1, 41))
        event_stream.send_timeout_s = 0.5
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.settimeout(60)
        stuck.connect((urlsplit(server.url).hostname, urlsplit(server.url).port))
        stuck.sendall(b"GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        store.upsert(make_event("e-40"))
        assert next(messages).position == 41
        assert cut_off.incremented.wait(60)
        got = b""
        while chunk := stuck.recv(1 << 20):  # the data in flight, and then the end
            got += chunk
        assert got.count(b"\nid: ") < 41
        with subscribed(client, last=40) as again:
            assert next(again).position == 41


@pytest.mark.parametrize("last", ["abc", "-1", "1.5", "٣"])
def test_an_invalid_position_is_rejected(start_service: StartService, last: str) -> None:
    response = start_service().get("/v1/events/stream", headers=[(b"Last-Event-ID", last.encode())])
    assert (response.status_code, response.json()["code"]) == (422, "bad_position")


def test_a_position_of_another_database_starts_from_the_first_change(
    store: EventStore, start_service: StartService
) -> None:
    """A console that stays open while the database is replaced must not wait for old positions."""
    client = start_service()
    store.upsert(make_event())
    with subscribed(client, last=300) as messages:
        assert next(messages).position == 1


def test_stopping_the_service_ends_the_streams_at_once(store: EventStore, site: Site) -> None:
    ended = threading.Event()
    with serve(create(store, None, site), port=0) as server, httpx.Client(base_url=server.url, timeout=10) as client:
        started = threading.Event()

        def subscribe() -> None:
            with client.stream("GET", "/v1/events/stream") as response:
                for _ in response.iter_lines():
                    started.set()
            ended.set()

        subscriber = threading.Thread(target=subscribe)
        subscriber.start()
        assert started.wait(10)
        server.stop()
        assert ended.wait(2)  # a clean end, earlier than the shutdown timeout
        subscriber.join()
