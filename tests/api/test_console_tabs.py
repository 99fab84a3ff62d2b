"""Many tabs of the console in one browser, over HTTP/1.1: six connections for all of them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect
from prometheus_client import REGISTRY

from api.app import create
from api.event_sink import EventSink
from api.evidence.scheduler import EvidenceScheduler
from api.server import Server, serve
from api.storage.event_store import EventStore
from deploy.kafka_server import free_port
from lanewatch.config.site import Site
from tests.api import reverse_proxy
from tests.api.event_factory import BEGIN, Feeder, make_event
from tests.api.test_console import TOKEN, browser, complete_event, server, wait_until_playing

__all__ = ["browser", "server"]

MANY = 8

OPEN_EACH = """
() => [...document.querySelectorAll("#events .card")].map((card) => {
  card.click();
  return location.hash.replace("#/events/", "").split("?")[0];
})
"""

TIMEOUT_MS = 20_000
"""Of a busy machine. To reconnect, the browser waits a second, and the worker two after an error response."""


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    yield context
    context.close()


def open_tabs(context: BrowserContext, url: str, count: int) -> list[Page]:
    tabs = [context.new_page() for _ in range(count)]
    for tab in tabs:
        tab.goto(f"{url}/?lang=en")
        expect_connection(tab, "Live")
    return tabs


def expect_connection(tab: Page, state: str) -> None:
    expect(tab.locator(".connection")).to_have_text(state, timeout=TIMEOUT_MS)


def expect_cards(tabs: list[Page], count: int) -> None:
    for tab in tabs:
        expect(tab.locator(".card")).to_have_count(count, timeout=TIMEOUT_MS)


def subscribers() -> int:
    return round(REGISTRY.get_sample_value("lanewatch_subscribers") or 0)


def test_each_of_many_tabs_gets_events_pictures_and_clips(
    context: BrowserContext, server: Server, event_sink: EventSink, feeder: Feeder, evidence: EvidenceScheduler
) -> None:
    before = subscribers()
    tabs = open_tabs(context, server.url, MANY)
    assert subscribers() == before + 1
    complete_event(event_sink, feeder, evidence)
    expect_cards(tabs, 1)
    for tab in tabs:
        expect(tab.locator(".card img")).to_have_js_property("naturalWidth", 480, timeout=TIMEOUT_MS)
        tab.locator(".card img").dispatch_event("click")  # a hidden tab draws once a second
        tab.get_by_role("button", name="Play the clip").dispatch_event("click")
        wait_until_playing(tab)
        tab.locator("video").evaluate("video => video.pause()")

    tabs.pop(0).close()
    tabs[0].reload()
    expect_connection(tabs[0], "Live")
    event_sink.upsert(make_event("e-2", at=BEGIN + 40))
    expect_cards(tabs, 2)


def test_all_tabs_reconnect_after_a_restart_and_miss_no_event(
    context: BrowserContext, store: EventStore, site: Site, tmp_path: Path
) -> None:
    """Behind a proxy, whose error response ends the browser's own attempts."""
    before, port, upstream = subscribers(), free_port(), free_port()
    location = f"location / {{ proxy_pass http://127.0.0.1:{upstream}; proxy_set_header Host $http_host; }}"
    with reverse_proxy.running_nginx(f"server {{ listen 127.0.0.1:{port}; {location} }}", port, tmp_path):
        with serve(create(store, None, site), port=upstream):
            tabs = open_tabs(context, f"http://127.0.0.1:{port}", 3)
            store.upsert(make_event("before"))
            expect_cards(tabs, 1)
        for number in range(3):
            store.upsert(make_event(f"between-{number}", at=BEGIN + 30 + number))
        wait_for_line(tmp_path / "access.log", r"/v1/events/stream\S* HTTP/1\.1\" 502 ")
        for tab in tabs:
            expect_connection(tab, "Disconnected, reconnecting")
        with serve(create(store, None, site), port=upstream):
            expect_cards(tabs, 4)
            for tab in tabs:
                expect_connection(tab, "Live")
            store.upsert(make_event("after", at=BEGIN + 50))
            expect_cards(tabs, 5)
            ids = ["after", "between-2", "between-1", "between-0", "before"]
            assert [shown_ids(tab) for tab in tabs] == [ids] * 3
            assert subscribers() == before + 1


def shown_ids(tab: Page) -> list[str]:
    """The ids of the events in the list, by the address that each card opens."""
    ids: list[str] = tab.evaluate(OPEN_EACH)
    return ids


def wait_for_line(file: Path, pattern: str) -> None:
    deadline = time.monotonic() + 30
    while not re.search(pattern, file.read_text()):
        assert time.monotonic() < deadline, file.read_text()
        time.sleep(0.05)


JOIN = """
position => new Promise((received, failed) => {
  const worker = new SharedWorker("console/shared_stream.js", { type: "module", name: "lanewatch" });
  worker.port.onmessage = ({ data }) => "position" in data && received(data.position);
  worker.port.postMessage({ position });
  setTimeout(() => failed(new Error("no message after 15 s")), 15000);
})
"""


def test_a_tab_gets_an_event_that_came_between_its_list_and_its_stream(
    context: BrowserContext, server: Server, store: EventStore
) -> None:
    """The other tab's list has the event already, so that the stream began after it."""
    store.upsert(make_event("first"))
    [tab] = open_tabs(context, server.url, 1)
    assert tab.evaluate(JOIN, 0) == 1
    store.upsert(make_event("second", at=BEGIN + 40))
    expect_cards([tab], 2)  # the first tab goes on


def test_a_tab_reloads_when_the_database_was_replaced(
    context: BrowserContext, store: EventStore, site: Site, tmp_path: Path
) -> None:
    for number in range(3):
        store.upsert(make_event(f"old-{number}", at=BEGIN + number))
    with serve(create(store, None, site), port=0) as first:
        [tab] = open_tabs(context, first.url, 1)
        expect_cards([tab], 3)
    with closing(EventStore(tmp_path / "new.db")) as replacement:
        replacement.upsert(make_event("new"))
        with serve(create(replacement, None, site), port=int(first.url.rsplit(":", 1)[1])):
            expect_cards([tab], 1)
            expect_connection(tab, "Live")
            assert shown_ids(tab) == ["new"]


def test_a_browser_without_shared_workers_has_a_stream_for_each_tab(
    context: BrowserContext, store: EventStore, site: Site
) -> None:
    context.add_init_script("delete window.SharedWorker")
    with serve(create(store, None, site), port=0) as server:
        before = subscribers()
        tabs = open_tabs(context, server.url, 2)
        assert subscribers() == before + 2
        store.upsert(make_event())
        expect_cards(tabs, 1)


def test_logout_and_expiry_end_all_tabs_and_a_login_opens_them_again(
    context: BrowserContext, store: EventStore, site: Site
) -> None:
    store.upsert(make_event())
    with serve(create(store, None, site, token=TOKEN), port=0) as server:
        tabs = [context.new_page() for _ in range(3)]
        for tab in tabs:
            tab.goto(f"{server.url}/?lang=en")
        log_out = tabs[0].get_by_role("button", name="Log out").click
        expire = context.clear_cookies  # as the browser does when the session's time is over
        ends: list[Callable[[], object]] = [log_out, expire]
        for end_session in ends:
            log_in(tabs[0])
            for tab in tabs:
                expect_connection(tab, "Live")
            expect_cards(tabs, 1)
            end_session()
            for tab in tabs:
                expect(tab.get_by_role("dialog")).to_be_visible(timeout=TIMEOUT_MS)
            expect_cards(tabs, 0)


def log_in(tab: Page) -> None:
    tab.bring_to_front()
    tab.get_by_label("Token", exact=True).fill(TOKEN)
    tab.get_by_role("button", name="Log in").click()
