"""The event that the console shows: chosen by the operator only, with an address and its own typed reason."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect
from starlette.types import ASGIApp, Receive, Scope, Send

from api.app import create
from api.server import serve
from api.storage.event_store import EventStore
from lanewatch.config.site import Site
from tests.api.event_factory import BEGIN, after, insert_all, make_event
from tests.api.test_console import TOKEN, ConsolePage, browser, console, server

__all__ = ["browser", "console", "server"]

REASON = "Reason (optional)"


def select(page: Page, index: int) -> None:
    """Selects a card of the list by its place."""
    page.locator("#events .card").nth(index).click()
    expect(page.locator("#events .card").nth(index)).to_have_attribute("aria-current", "true")


def sentences(number: int) -> dict[str, str]:
    return {"ko": f"{number}번", "en": f"Number {number}"}


def fill(store: EventStore, count: int) -> None:
    """Events with a sentence each; the last one is the newest."""
    for number in range(count):
        store.upsert(make_event(f"e-{number}", at=BEGIN + 10 * number, sentence=sentences(number)))


def test_a_new_event_does_not_change_the_shown_event(console: ConsolePage, store: EventStore) -> None:
    fill(store, 2)
    page = console.open()
    shown = page.locator("#detail .sentence")
    expect(shown).to_have_text("Number 1")  # the newest one when the page was opened
    store.upsert(make_event("new", at=BEGIN + 100))
    expect(page.locator("#events .card")).to_have_count(3)
    expect(shown).to_have_text("Number 1")
    select(page, 2)
    store.upsert(make_event("bell", at=BEGIN + 200, kind="emergency_bell", severity=3))
    expect(page.locator("#bells .card")).to_have_count(1)
    expect(shown).to_have_text("Number 0")


def test_without_a_selection_a_new_event_is_only_in_the_list(console: ConsolePage, store: EventStore) -> None:
    page = console.open()
    store.upsert(make_event())
    expect(page.locator("#events .card")).to_have_count(1)
    expect(page.locator("#detail")).to_have_text("Select an event to see its footage and the explanation of its score.")


def test_a_typed_reason_stays_with_its_event(console: ConsolePage, store: EventStore) -> None:
    """It is still there after a look at another event, and after new revisions, and is sent to its own event."""
    fill(store, 3)
    page = console.open()
    select(page, 0)
    page.get_by_label(REASON).fill("the neighbour")
    select(page, 1)
    expect(page.get_by_label(REASON)).to_have_value("")
    page.get_by_label(REASON).fill("a dog")
    store.upsert(after(make_event("e-1", at=BEGIN + 10, sentence=sentences(1)), 5, score=0.91))
    store.upsert(make_event("new", at=BEGIN + 100))
    expect(page.locator("#detail .score.large")).to_have_text("0.91")
    expect(page.locator("#events .card")).to_have_count(4)
    expect(page.get_by_label(REASON)).to_have_value("a dog")
    page.get_by_role("button", name="False alarm", exact=True).click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    expect(page.get_by_label(REASON)).to_have_value("")
    page.go_back()
    expect(page.get_by_label(REASON)).to_have_value("the neighbour")
    page.get_by_role("button", name="True event", exact=True).click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    found = {id: store.event(id) for id in ("e-0", "e-1", "e-2", "new")}
    reasons = {id: [verdict.reason for verdict in stored.verdicts] for id, stored in found.items() if stored}
    assert reasons == {"e-0": [], "e-1": ["a dog"], "e-2": ["the neighbour"], "new": []}


def test_a_reason_that_is_typed_while_another_is_being_saved_is_kept(console: ConsolePage, store: EventStore) -> None:
    fill(store, 2)
    page = console.open()
    select(page, 0)
    page.get_by_label(REASON).fill("first")

    def type_meanwhile(route: Route) -> None:
        select(page, 1)
        page.get_by_label(REASON).fill("x")
        route.continue_()

    page.route("**/verdict?*", type_meanwhile)
    with page.expect_response("**/verdict?*"):
        page.get_by_role("button", name="Unsure", exact=True).click()
    expect(page.locator("#events .verdict-badge")).to_have_text(["Unsure"])
    expect(page.get_by_label(REASON)).to_have_value("x")
    stored = [store.event(id) for id in ("e-1", "e-0")]
    assert [[verdict.reason for verdict in event.verdicts] for event in stored if event] == [["first"], []]


def test_back_and_forward_move_between_shown_events(console: ConsolePage, store: EventStore) -> None:
    fill(store, 3)
    page = console.open()
    shown = page.locator("#detail .sentence")
    select(page, 2)
    assert page.url.endswith("#/events/e-0")
    select(page, 1)
    page.go_back()
    expect(shown).to_have_text("Number 0")
    page.go_back()
    expect(shown).to_have_text("Number 2")
    page.go_forward()
    page.go_forward()
    expect(shown).to_have_text("Number 1")
    page.reload()
    expect(shown).to_have_text("Number 1")


def test_closing_an_event_on_a_narrow_screen_goes_back_to_the_list(console: ConsolePage, store: EventStore) -> None:
    fill(store, 2)
    console.page.set_viewport_size({"width": 390, "height": 844})
    page = console.open()
    expect(page.locator("#detail")).to_be_hidden()
    page.locator("#events .card").first.click()
    expect(page.locator("#detail")).to_be_visible()
    page.go_back()
    expect(page.locator("#detail")).to_be_hidden()
    page.go_forward()
    expect(page.locator("#detail .sentence")).to_have_text("Number 1")
    page.get_by_role("button", name="Close").click()
    expect(page.locator("#detail")).to_be_hidden()
    assert "#/events" not in page.url


class PathMiddleware:
    """Removes a path from the requests, as a proxy does that serves the console below that path."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app, self._path = app, path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            assert scope["path"].startswith(f"{self._path}/")
            scope["path"] = scope["path"].removeprefix(self._path)
        await self._app(scope, receive, send)


@pytest.mark.parametrize("path", ["", "/lanewatch"])
def test_a_link_shows_its_event_in_a_fresh_browser_after_the_login(
    browser: Browser, store: EventStore, site: Site, tmp_path: Path, path: str
) -> None:
    """The event is older than the first page, and one of another run."""
    events = [make_event(f"e-{number}", at=BEGIN + 60 * number, sentence=sentences(number)) for number in range(130)]
    again = make_event("e-3", at=BEGIN, run="rescore 1", sentence={"ko": "다시", "en": "Scored again"})
    insert_all(tmp_path / "events.db", [*events, again])
    app = create(store, None, site, token=TOKEN)
    app.add_middleware(PathMiddleware, path)
    with serve(app, port=0) as server:
        url = server.url + path
        context = browser.new_context(viewport={"width": 1440, "height": 900})
        page = context.new_page()
        page.goto(f"{url}/?lang=en#/events/e-3")
        page.get_by_label("Token", exact=True).fill(TOKEN)
        page.get_by_role("button", name="Log in").click()
        shown = page.locator("#detail .sentence")
        expect(shown).to_have_text("Number 3")
        expect(page.locator("#events .card")).to_have_count(100)
        expect(page.locator('#events .card[aria-current="true"]')).to_have_count(0)
        page.goto(f"{url}/?lang=en#/events/e-3?run=rescore%201")
        expect(shown).to_have_text("Scored again")
        page.get_by_role("button", name="Unsure", exact=True).click()
        expect(page.get_by_text("Saved", exact=True)).to_be_visible()
        select(page, 0)
        assert page.url == f"{url}/?lang=en#/events/e-129"
        page.goto(f"{url}/?lang=en#/events/gone")
        expect(page.locator("#detail")).to_have_text("There is no event at this address.")
        context.close()
    stored = store.event("e-3", "rescore 1")
    assert stored is not None
    assert [verdict.verdict for verdict in stored.verdicts] == ["unsure"]


def test_the_state_of_cameras_is_unknown_without_the_service(browser: Browser, store: EventStore, site: Site) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    with serve(create(store, None, site), port=0) as first:
        port = int(first.url.rsplit(":", 1)[1])
        page = ConsolePage(context.new_page(), first).open()
        expect(page.locator("#camera-summary")).to_have_text("All 2 cameras work")
        assert page.locator(".camera-unknown").count() == 0
    summary = page.locator("#camera-summary")
    expect(summary).to_have_text(re.compile(r"State of the cameras unknown since \d\d:\d\d:\d\d"))
    expect(page.locator(".camera-unknown")).to_have_count(2)
    expect(page.locator(".connection.disconnected")).to_be_visible()
    since = summary.inner_text()
    page.wait_for_timeout(2500)
    assert summary.inner_text() == since
    with serve(create(store, None, site), port=port):
        expect(page.locator(".camera-unknown")).to_have_count(0, timeout=15_000)
        expect(summary).to_have_text("All 2 cameras work")
        context.close()


def test_a_service_that_does_not_answer_is_gone_too(console: ConsolePage, store: EventStore) -> None:
    """A network that drops packets closes no connection."""
    page = console.open()
    page.route("**/v1/cameras", lambda route: None)
    expect(page.locator(".camera-unknown")).to_have_count(2, timeout=15_000)
    expect(page.locator(".connection.disconnected")).to_be_visible()
    page.unroute("**/v1/cameras")
    expect(page.locator(".connection.connected")).to_be_visible(timeout=15_000)
