"""The console in a real browser, over a real port."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from api.app import create
from api.camera_status import CameraStatusBoard
from api.event_sink import EventSink
from api.evidence.scheduler import EvidenceScheduler
from api.server import Server, serve
from api.storage.event_store import EventStore
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Site
from lanewatch.records import Event, Factor
from tests.api.event_factory import BEGIN, Feeder, after, make_event, watermark

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
TOKEN = "correct-horse-battery"

expect.set_options(timeout=20_000)  # for a busy machine


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium found: install it, or set CHROMIUM to its path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


class ConsolePage:
    """The console in a browser page, with its errors and requests."""

    def __init__(self, page: Page, server: Server) -> None:
        self.page = page
        self.url = server.url
        self.errors: list[str] = []
        self.requests: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: self.requests.append(request.url))

    def open(self, query: str = "?lang=en") -> Page:
        self.page.goto(f"{self.url}/{query}")
        expect(self.page.locator(".connection.connected")).to_be_visible()
        return self.page


@pytest.fixture
def server(store: EventStore, evidence: EvidenceScheduler, site: Site, cameras: CameraStatusBoard) -> Iterator[Server]:
    with serve(create(store, evidence, site, cameras=cameras), port=0) as server:
        yield server


@pytest.fixture
def console(browser: Browser, server: Server) -> Iterator[ConsolePage]:
    context = browser.new_context(locale="ko-KR", viewport={"width": 1440, "height": 900})
    console = ConsolePage(context.new_page(), server)
    yield console
    context.close()
    assert console.errors == []


def complete_event(event_sink: EventSink, feeder: Feeder, evidence: EvidenceScheduler) -> Event:
    """An event from its opening to its complete evidence."""
    feeder.until(31)
    event = make_event()
    event_sink.upsert(event)
    over = after(event, 2, state="closed", ended_at=BEGIN + 21)
    event_sink.upsert(over)
    event_sink.advance("lane", watermark(BEGIN + 30))
    assert evidence.wait_until_idle()
    return over


PLAYED = """
video => new Promise((played, failed) => {
  const check = () => {
    const {readyState, videoWidth, duration, paused} = video;
    if (video.currentTime > 0.3) played({readyState, videoWidth, duration, paused});
  };
  video.addEventListener("timeupdate", check);
  video.addEventListener("error", () => failed(new Error(video.error.message)));
  setTimeout(() => failed(new Error(`at ${video.currentTime} s after 15 s`)), 15000);
  check();
})
"""


def wait_until_playing(page: Page) -> dict[str, Any]:
    """The video's state once it has played a third of a second."""
    state: dict[str, Any] = page.locator("video").evaluate(PLAYED)
    return state


def test_a_new_event_is_shown_with_its_footage(
    console: ConsolePage, event_sink: EventSink, feeder: Feeder, evidence: EvidenceScheduler
) -> None:
    page = console.open()
    expect(page.get_by_text("No events yet")).to_be_visible()
    expect(page.locator("#note")).to_have_text("A simulated night")
    complete_event(event_sink, feeder, evidence)
    card = page.locator(".card")
    expect(card).to_have_count(1)
    expect(card.get_by_text("A person stayed in the yard for 12 s.")).to_be_visible()
    expect(card.get_by_text("Dwell time")).to_be_visible()
    expect(card.locator("time")).to_have_text(re.compile("02:00:20$"))  # in Seoul, independent of the browser
    expect(card.get_by_text("Lane · Yard")).to_be_visible()
    expect(page.locator(".card img")).to_have_js_property("naturalWidth", 480)
    card.click()
    page.get_by_role("button", name="Play the clip").click()
    state = wait_until_playing(page)
    assert state["readyState"] >= 2
    assert state["videoWidth"] == 768
    assert 20 < state["duration"] < 27  # 8 - 5 to 21 + 5, from the last key frame before
    assert all(url.startswith(console.url) for url in console.requests)  # no external resources


def test_a_playing_clip_is_not_interrupted_by_changes_of_its_event(
    console: ConsolePage, event_sink: EventSink, feeder: Feeder, evidence: EvidenceScheduler
) -> None:
    feeder.until(24)
    event = make_event()
    event_sink.upsert(event)
    assert evidence.wait_until_idle()
    page = console.open()
    page.get_by_role("button", name="Play the clip").click()
    wait_until_playing(page)
    page.get_by_label("Reason (optional)").fill("half a sen")
    event_sink.upsert(after(event, 5, score=0.91))
    expect(page.locator(".explanation .score.large")).to_have_text("0.91")
    assert page.evaluate("document.querySelector('video').paused") is False
    expect(page.get_by_label("Reason (optional)")).to_have_value("half a sen")


def test_korean_and_english(
    console: ConsolePage, event_sink: EventSink, feeder: Feeder, evidence: EvidenceScheduler
) -> None:
    complete_event(event_sink, feeder, evidence)
    page = console.open("")  # the browser's own language
    card = page.locator(".card")
    expect(card.get_by_text("한 사람이 마당에 12초 머물렀습니다.")).to_be_visible()
    expect(card.get_by_text("배회")).to_be_visible()
    expect(page.locator("#note")).to_have_text("시연용 밤")
    page.get_by_role("button", name="English").click()
    expect(card.get_by_text("Loitering")).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "en")
    page.goto(console.url)
    expect(card.get_by_text("Loitering")).to_be_visible()  # the choice is stored


def test_a_verdict_is_stored_and_shown_to_others(
    console: ConsolePage,
    browser: Browser,
    server: Server,
    store: EventStore,
    event_sink: EventSink,
    feeder: Feeder,
    evidence: EvidenceScheduler,
) -> None:
    complete_event(event_sink, feeder, evidence)
    page = console.open()
    context = browser.new_context()
    other = ConsolePage(context.new_page(), server).open()
    page.get_by_label("Reason (optional)").fill("the neighbour")
    page.get_by_role("button", name="False alarm", exact=True).click()
    expect(page.get_by_text("Saved")).to_be_visible()
    expect(page.get_by_role("button", name="False alarm", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(other.locator(".card .verdict-badge")).to_have_text("False alarm")
    context.close()
    stored = store.event("e-1")
    assert stored is not None
    assert [(verdict.verdict, verdict.reason) for verdict in stored.verdicts] == [("false", "the neighbour")]


def test_the_newest_event_is_first_and_outdated_revisions_are_ignored(
    console: ConsolePage, event_sink: EventSink, store: EventStore
) -> None:
    page = console.open()
    first = make_event("first", at=BEGIN + 10)
    event_sink.upsert(after(first, 5, severity=3))
    event_sink.upsert(make_event("second", at=BEGIN + 30, kind="intrusion"))
    event_sink.upsert(first)  # outdated
    event_sink.upsert(make_event("third", at=BEGIN + 40, kind="line_crossing"))
    expect(page.locator(".card strong")).to_have_text(["Line crossing", "Intrusion", "Loitering"])
    expect(page.locator(".card .severity").last).to_have_text("Dispatch")


def test_the_factors_of_a_sequence_have_colours_and_its_name_leaves_space_for_the_time(
    console: ConsolePage, event_sink: EventSink
) -> None:
    factors = (
        Factor("step_1", 0.2, {"what": "vehicle_stands", "at": 0.0}),
        Factor("step_2", 0.25, {"what": "trips", "at": 60.0}),
        Factor("night", 0.15),
    )
    event = make_event(kind="produce_theft", zone="", factors=factors, state="closed", ended_at=BEGIN + 60)
    event_sink.upsert(event)
    console.page.set_viewport_size({"width": 1300, "height": 800})
    page = console.open("?lang=ko")
    expect(page.locator(".card .legend li")).to_have_text(["차량 정차0.20", "반복 운반0.25", "야간0.15"])
    colour = "parts => parts.map(part => getComputedStyle(part).backgroundColor)"
    colours = page.locator(".card .score-bar .score-part").evaluate_all(colour)
    assert len(set(colours)) == 3
    assert "rgba(0, 0, 0, 0)" not in colours
    assert not page.locator(".card .location").inner_text().rstrip().endswith("·")
    page = console.open("?lang=en")
    edges = [page.locator(name).bounding_box() for name in (".card", ".card time")]
    assert edges[0] is not None
    assert edges[1] is not None
    assert edges[1]["x"] + edges[1]["width"] <= edges[0]["x"] + edges[0]["width"]


def test_names_from_the_site_file_are_text(
    browser: Browser, store: EventStore, site: Site, event_sink: EventSink
) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\">"
    cameras = tuple(camera.model_copy(update={"name": LocalizedName(ko=evil, en=evil)}) for camera in site.cameras)
    hostile = site.model_copy(
        update={"cameras": cameras, "name": LocalizedName(ko=evil, en=evil), "note": LocalizedName(ko=evil, en=evil)}
    )
    event = make_event(sentence={"ko": evil, "en": evil}, kind=evil, zone=evil, factors=(Factor(evil, 0.7),))
    with serve(create(store, None, hostile), port=0) as server:
        event_sink.upsert(msgspec.structs.replace(event, thresholds={evil: 1.0}))
        context = browser.new_context()
        page = ConsolePage(context.new_page(), server).open()
        expect(page.locator(".card .sentence")).to_have_text(evil)
        assert page.locator("img[src=x]").count() == 0
        assert page.title() == "Lanewatch"
        context.close()


def test_an_open_page_follows_the_site(browser: Browser, store: EventStore, site: Site, event_sink: EventSink) -> None:
    """A removed camera disappears from the camera list, but its events keep its name."""
    current = [site]
    event_sink.upsert(make_event(camera="gate"))
    with serve(create(store, None, site, cameras=CameraStatusBoard(lambda: current[0])), port=0) as server:
        context = browser.new_context()
        page = ConsolePage(context.new_page(), server).open()
        expect(page.locator(".camera")).to_have_count(len(site.cameras))
        others = tuple(camera for camera in site.cameras if camera.id != "gate")
        current[0] = site.model_copy(update={"cameras": others, "name": LocalizedName(ko="새 마을", en="New village")})
        expect(page.locator(".camera")).to_have_count(len(others))
        expect(page.locator("#site-name")).to_have_text("New village")
        expect(page.locator(".card")).to_contain_text(site.camera("gate").name.en)
        context.close()


def test_the_console_asks_for_the_token(
    browser: Browser, store: EventStore, evidence: EvidenceScheduler, site: Site, event_sink: EventSink, feeder: Feeder
) -> None:
    complete_event(event_sink, feeder, evidence)
    with serve(create(store, evidence, site, token=TOKEN), port=0) as server:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{server.url}/?lang=en")
        page.get_by_label("Token", exact=True).fill("wrong")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_text("The token is not correct.")).to_be_visible()
        page.get_by_label("Token", exact=True).fill(TOKEN)
        page.get_by_role("button", name="Log in").click()
        expect(page.locator(".connection.connected")).to_be_visible()
        expect(page.locator(".card img")).to_have_js_property("naturalWidth", 480)  # with the cookie only
        page.get_by_role("button", name="Play the clip").click()
        wait_until_playing(page)
        assert page.evaluate("document.cookie") == ""
        assert store.access_log()[0].who.startswith("session ")
        context.close()


def test_the_console_reconnects_after_a_restart_of_the_service(
    browser: Browser, store: EventStore, site: Site, event_sink: EventSink
) -> None:
    context = browser.new_context()
    with serve(create(store, None, site), port=0) as first:
        port = int(first.url.rsplit(":", 1)[1])
        page = ConsolePage(context.new_page(), first).open()
    expect(page.locator(".connection.disconnected")).to_be_visible()
    event_sink.upsert(make_event())  # while no client was connected
    with serve(create(store, None, site), port=port):
        expect(page.locator(".card")).to_have_count(1, timeout=15_000)
        expect(page.locator(".connection.connected")).to_be_visible()
        context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_cut_off_on_a_narrow_screen(
    console: ConsolePage, event_sink: EventSink, feeder: Feeder, evidence: EvidenceScheduler, width: int
) -> None:
    complete_event(event_sink, feeder, evidence)
    console.page.set_viewport_size({"width": width, "height": 800})
    page = console.open()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.locator(".card").click()
    expect(page.locator("#detail")).to_be_visible()
    expect(page.get_by_role("button", name="True event")).to_be_visible()
    if width < 900:
        page.get_by_role("button", name="Close").click()
        expect(page.locator("#detail")).to_be_hidden()


def test_the_list_can_be_used_with_the_keyboard(console: ConsolePage, event_sink: EventSink) -> None:
    for number in range(3):
        event_sink.upsert(make_event(f"e-{number}", at=BEGIN + 10 * number))
    page = console.open()
    expect(page.locator(".card")).to_have_count(3)
    page.keyboard.press("j")
    expect(page.locator(".card").nth(1)).to_be_focused()
    expect(page.locator(".card").nth(1)).to_have_attribute("aria-current", "true")
    page.keyboard.press("ArrowDown")
    expect(page.locator(".card").nth(2)).to_be_focused()
    page.keyboard.press("k")
    expect(page.locator(".card").nth(1)).to_be_focused()


def test_footage_is_requested_only_if_the_operator_sees_it(
    console: ConsolePage, store: EventStore, event_sink: EventSink, feeder: Feeder, evidence: EvidenceScheduler
) -> None:
    """A clip is requested when it is played, a snapshot once for all revisions of its event."""
    ended = complete_event(event_sink, feeder, evidence)
    page = console.open()
    expect(page.locator(".card img")).to_have_js_property("naturalWidth", 480)
    event_sink.upsert(msgspec.structs.replace(ended, revision=ended.revision + 1, score=0.55))
    expect(page.locator(".card .score")).to_have_text("0.55")
    snapshots = [url for url in console.requests if "snapshot.jpg" in url]
    assert sorted("thumbnail=1" in url for url in snapshots) == [False, True]  # the shown event, and its card
    assert [record.what for record in store.access_log()].count("clip") == 0


def test_the_page_is_in_the_package() -> None:
    folder = Path(__file__).parents[2] / "api" / "console"
    text = (folder / "index.html").read_text(encoding="utf-8")
    assert "http" not in text.replace("https://www.w3.org", "")
    assert "<script>" not in text
    assert "style=" not in text
