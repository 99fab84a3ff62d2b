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
from api.serialization import Verdict
from api.server import serve
from api.storage.event_store import EventStore
from lanewatch.config.site import Site
from tests.api.conftest import Serving
from tests.api.event_factory import after, make_event


class Told(NamedTuple):
    """One server-sent event."""

    position: int
    what: str
    data: dict[str, Any]


def read(lines: Iterator[str]) -> Iterator[Told]:
    """Server-sent events as the standard says they are read."""
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif not line and "data" in fields:
            yield Told(int(fields["id"]), fields.get("event", "message"), json.loads(fields["data"]))
            fields = {}


@contextmanager
def subscribed(client: httpx.Client, *, last: int | None = None, **query: Any) -> Iterator[Iterator[Told]]:
    headers = {} if last is None else {"Last-Event-ID": str(last)}
    with client.stream("GET", "/v1/events/stream", headers=headers, params=query) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = response.iter_lines()
        next(lines)  # the stream has begun: what is stored from now on must be told
        yield read(lines)


def test_what_comes_is_told_as_the_list_says_it(store: EventStore, serving: Serving) -> None:
    client = serving()
    store.upsert(make_event("earlier"))
    with subscribed(client) as told:
        store.upsert(make_event())
        first = next(told)
    assert first.data == client.get("/v1/events/e-1").json()
    assert (first.position, first.what) == (2, "message")


def test_evidence_and_verdicts_are_told_by_name(store: EventStore, serving: Serving) -> None:
    client = serving()
    store.upsert(make_event())
    with subscribed(client, after=0) as told:
        store.judge("live", "e-1", Verdict("false", "a cat", "local", 0.0))
        messages = [next(told), next(told)]
    assert [message.what for message in messages] == ["message", "verdict"]
    assert messages[1].data["verdicts"][0]["reason"] == "a cat"
    assert "revision" not in messages[1].data


@pytest.mark.parametrize("tail", [1000, 3])  # all within the memory's tail; most of it only in the store
def test_a_subscriber_resumes_where_it_was(store: EventStore, serving: Serving, tail: int) -> None:
    client = serving(feed=EventStream(store, tail=tail))
    for number in range(20):
        store.upsert(make_event(f"e-{number}"))
    with subscribed(client, after=0) as told:
        before = [next(told).position for _ in range(7)]
    with subscribed(client, last=before[-1], after=0) as told:  # the header is newer than the page's address
        rest = [next(told).position for _ in range(13)]
    assert before + rest == list(range(1, 21))


@pytest.mark.parametrize("tail", [1000, 2])
def test_nothing_is_lost_or_doubled_between_the_past_and_the_present(
    store: EventStore, serving: Serving, tail: int
) -> None:
    """Subscribers come and go while a writer writes; each is told every position once, in order."""
    client = serving(feed=EventStream(store, tail=tail))
    total = 150

    def write() -> None:
        event = make_event()
        for number in range(total):
            store.upsert(after(event, number))

    writer = threading.Thread(target=write)
    writer.start()
    seen: list[int] = []
    while len(seen) < total:
        with subscribed(client, last=seen[-1] if seen else 0) as told:
            seen += [next(told).position for _ in range(min(29, total - len(seen)))]
    writer.join()
    assert seen == list(range(1, total + 1))


def test_a_silent_feed_shows_that_it_is_alive(store: EventStore, serving: Serving) -> None:
    client = serving(feed=EventStream(store, heartbeat_s=0.05))
    with client.stream("GET", "/v1/events/stream") as response:
        beats = [line for line, _ in zip(response.iter_lines(), range(12), strict=False) if line == ": still here"]
    assert len(beats) >= 3


class Bell:
    """A double for a counter that can be waited for."""

    def __init__(self) -> None:
        self.rung = threading.Event()

    def inc(self) -> None:
        self.rung.set()


def test_who_does_not_read_is_cut_off_and_the_others_are_told(
    store: EventStore, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A subscriber that stops reading costs the others nothing, and may resume from the store.

    Who reads is told all that is large before patience is short: a busy machine may well be slow to read it.
    """
    cut_off = Bell()
    monkeypatch.setattr("api.event_stream.CUT_OFF", cut_off)
    feed = EventStream(store, patience_s=60)
    big = {"ko": "", "en": "x" * 300_000}
    with (
        serve(create(store, None, site, feed=feed), port=0) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
        socket.socket() as stuck,
        subscribed(client, after=0) as told,
    ):
        for number in range(40):  # 12 MB: more than the kernel buffers for one connection
            store.upsert(make_event(f"e-{number}", sentence=big))
        assert [next(told).position for _ in range(40)] == list(range(1, 41))
        feed.patience_s = 0.5
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stuck.settimeout(60)
        stuck.connect((urlsplit(server.url).hostname, urlsplit(server.url).port))
        stuck.sendall(b"GET /v1/events/stream?after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        store.upsert(make_event("e-40"))
        assert next(told).position == 41
        assert cut_off.rung.wait(60)
        got = b""
        while chunk := stuck.recv(1 << 20):  # what was under way when it was cut off, and then the end
            got += chunk
        assert got.count(b"\nid: ") < 41
        with subscribed(client, last=40) as again:
            assert next(again).position == 41


@pytest.mark.parametrize("last", ["abc", "-1", "1.5", "٣"])
def test_a_position_that_is_none_is_refused(serving: Serving, last: str) -> None:
    answer = serving().get("/v1/events/stream", headers=[(b"Last-Event-ID", last.encode())])
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_position")


def test_a_position_of_another_database_is_told_from_the_start(store: EventStore, serving: Serving) -> None:
    """A console that stays open while the database is replaced must not wait for positions to come again."""
    client = serving()
    store.upsert(make_event())
    with subscribed(client, last=300) as told:
        assert next(told).position == 1


def test_stopping_the_service_ends_the_streams_at_once(store: EventStore, site: Site) -> None:
    ended = threading.Event()
    with serve(create(store, None, site), port=0) as server, httpx.Client(base_url=server.url, timeout=10) as client:
        begun = threading.Event()

        def subscribe() -> None:
            with client.stream("GET", "/v1/events/stream") as response:
                for _ in response.iter_lines():
                    begun.set()
            ended.set()

        subscriber = threading.Thread(target=subscribe)
        subscriber.start()
        assert begun.wait(10)
        server.stop()
        assert ended.wait(2)  # in good order: sooner than the time-out that would cut it off
        subscriber.join()
