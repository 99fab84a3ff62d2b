"""The console's pages against the rules of axe-core, in both languages."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from api.app import create
from api.camera_status import CameraStatusBoard
from api.event_sink import EventSink
from api.evidence.scheduler import EvidenceScheduler
from api.server import serve
from api.storage.event_store import EventStore
from api.storage.records import Verdict
from lanewatch.config.site import Site
from tests.api.event_factory import BEGIN, Feeder, make_event, watermark
from tests.api.test_console import TOKEN, ConsolePage, browser, complete_event, console, server

__all__ = ["browser", "console", "server"]

LANGUAGES = ["ko", "en"]


def violations(page: Page) -> list[str]:
    """What axe-core finds, of any impact: each rule with the element."""
    response = Axe().run(page).response
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]}"
        for rule in response["violations"]
        for node in rule["nodes"]
    ]


def fill(store: EventStore) -> None:
    """Events of all severities and verdicts, a bell, an outage and several lost cameras."""
    for number, verdict in enumerate(("true", "false", "unsure")):
        store.upsert(make_event(f"e-{number}", at=BEGIN + number, severity=number + 1, state="closed"))
        store.add_verdict("live", f"e-{number}", Verdict(verdict, "a reason", "local", BEGIN))  # type: ignore[arg-type]
    store.upsert(make_event("bell", at=BEGIN, kind="emergency_bell", severity=3, state="closed"))
    losses = [make_event(f"loss-{number}", at=BEGIN, kind="signal_lost", zone="") for number in range(5)]
    for loss in losses:
        store.upsert(loss)
    parts = tuple(loss.id for loss in losses[:3])
    store.upsert(make_event("whole", at=BEGIN + 5, kind="outage", zone="", parts=parts))


@pytest.mark.parametrize(("language", "width"), [("ko", 1440), ("en", 1440), ("ko", 390)])
def test_list_cameras_and_detail(
    console: ConsolePage,
    event_sink: EventSink,
    store: EventStore,
    feeder: Feeder,
    evidence: EvidenceScheduler,
    cameras: CameraStatusBoard,
    language: str,
    width: int,
) -> None:
    complete_event(event_sink, feeder, evidence)
    fill(store)
    cameras.update("gate", watermark(BEGIN, "lost"))
    console.page.set_viewport_size({"width": width, "height": 900})
    page = console.open(f"?lang={language}")
    expect(page.locator("#bells .card")).to_have_count(1)
    expect(page.locator(".camera-lost")).to_have_count(1)
    if width == 390:
        page.locator("#trouble-title").click()
    page.locator(".card img").first.scroll_into_view_if_needed()
    assert violations(page) == []
    for card in ("#events .card", "#trouble .card >> nth=1"):  # the bell is shown from the start
        page.locator(card).first.click()
        expect(page.locator("#detail h2")).to_be_visible()
        assert violations(page) == []
        if width == 390:
            page.locator("#detail .close").click()
    page.locator('[data-view="trouble"]').click()
    expect(page.locator("#end, #empty").first).to_be_attached()
    assert violations(page) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_empty_list_and_unknown_cameras(browser: Browser, store: EventStore, site: Site, language: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    with serve(create(store, None, site), port=0) as server:
        page = ConsolePage(context.new_page(), server).open(f"?lang={language}")
        expect(page.locator("#empty")).to_be_visible()
        assert violations(page) == []
    expect(page.locator(".camera-unknown")).to_have_count(2)
    assert violations(page) == []
    context.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_login(browser: Browser, store: EventStore, site: Site, language: str) -> None:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    with serve(create(store, None, site, token=TOKEN), port=0) as server:
        page = context.new_page()
        page.goto(f"{server.url}/?lang={language}")
        expect(page.locator("#login")).to_be_visible()
        assert violations(page) == []
        page.locator("#token").fill("wrong")
        page.locator("#login button").click()
        expect(page.locator("#login-error")).to_be_visible()
        assert violations(page) == []
        context.close()
