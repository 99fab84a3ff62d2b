"""The console's list: all events, in the right order, with counts and dates."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from playwright.sync_api import Page, expect

from api.evidence import snapshot_image
from api.evidence.scheduler import EvidenceScheduler
from api.storage.event_store import EventStore
from api.storage.records import Evidence, MediaFile
from lanewatch.records import Event, Factor
from tests.api.event_factory import BEGIN, after, insert_all, make_event
from tests.api.test_console import ConsolePage, browser, console, server

__all__ = ["browser", "console", "server"]


def make_bell(id: str, at: float) -> Event:
    return make_event(id, at=at, lasted=0, kind="emergency_bell", zone="b-1", severity=3, state="closed", ended_at=at)


def make_loss(number: int, at: float, camera: str = "lane") -> Event:
    factors = (Factor("signal_lost", 0.45),)
    return make_event(f"loss-{number}", at=at, kind="signal_lost", camera=camera, zone="", score=0.45, factors=factors)


def make_outage(number: int, losses: list[Event]) -> Event:
    at = max(loss.updated_at for loss in losses) + 1
    return make_event(f"outage-{number}", at=at, kind="outage", zone="", parts=tuple(loss.id for loss in losses))


def shown_kinds(page: Page) -> list[str]:
    return page.locator("#list .card strong").all_text_contents()


def test_the_list_goes_on_to_its_end_when_it_is_scrolled(console: ConsolePage, tmp_path: Path) -> None:
    sentences = [{"ko": f"{number}번", "en": f"Number {number}"} for number in range(720)]
    events = [make_event(f"e-{number}", at=BEGIN + 60 * number, sentence=sentences[number]) for number in range(720)]
    insert_all(tmp_path / "events.db", events)
    page = console.open()
    expect(page.locator('[data-view="events"] .count')).to_have_text("720")
    cards = page.locator("#events .card")
    expect(cards).to_have_count(100)
    expect(page.locator("#end")).to_be_hidden()
    for loaded in (*range(200, 720, 100), 720):
        page.locator("#list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
        expect(cards).to_have_count(loaded)
    expect(page.locator("#end")).to_have_text("End of the list. Total: 720.")
    expect(page.locator("#older")).to_be_hidden()
    cards.last.scroll_into_view_if_needed()
    expect(cards.last.locator(".sentence")).to_have_text("Number 0")
    named = re.compile("^Loitering, Lane, .*08:59:00$")
    expect(cards.nth(300)).to_have_accessible_name(named)  # a place without content
    assert page.locator("#events *").count() < 5000
    page.locator("#list").evaluate("list => list.scrollTo(0, 0)")
    expect(cards.first.locator(".sentence")).to_have_text("Number 719")


def test_the_list_goes_on_by_its_button_on_a_narrow_screen(console: ConsolePage, tmp_path: Path) -> None:
    insert_all(tmp_path / "events.db", [make_event(f"e-{number}", at=BEGIN + 60 * number) for number in range(130)])
    console.page.set_viewport_size({"width": 390, "height": 844})
    page = console.open()
    expect(page.locator("#events .card")).to_have_count(100)
    page.get_by_role("button", name="Show older events").focus()
    expect(page.locator("#events .card")).to_have_count(130)
    expect(page.locator("#end")).to_have_text("End of the list. Total: 130.")


def test_counts_are_of_the_store_and_follow_it(console: ConsolePage, store: EventStore, tmp_path: Path) -> None:
    losses = [make_loss(number, BEGIN + number) for number in range(3)]
    insert_all(tmp_path / "events.db", [make_event(f"e-{number}", at=BEGIN + number) for number in range(150)] + losses)
    page = console.open()
    counts = page.locator(".views .count")
    expect(counts).to_have_text(["150", "3"])
    store.upsert(make_event("new", at=BEGIN + 900))
    expect(page.locator("#events .card").first).to_be_visible()
    expect(counts).to_have_text(["151", "3"])
    store.upsert(after(make_event("new", at=BEGIN + 900), 5))  # another revision is no other event
    store.upsert(make_loss(9, BEGIN + 901))
    expect(counts).to_have_text(["151", "4"])


def test_a_long_list_in_an_open_page_does_not_grow_without_end(
    console: ConsolePage, store: EventStore, tmp_path: Path
) -> None:
    """At the top of a list of more than 1,000 cards, only the first page stays, and older ones can be loaded again."""
    insert_all(tmp_path / "events.db", [make_event(f"e-{number}", at=BEGIN + number) for number in range(1150)])
    page = console.open()
    cards = page.locator("#events .card")
    for loaded in range(100, 1150, 100):
        expect(cards).to_have_count(loaded)
        page.locator("#older").evaluate("button => button.click()")
    expect(cards).to_have_count(1150)
    page.locator("#list").evaluate("list => list.scrollTo(0, 0)")
    store.upsert(make_event("new", at=BEGIN + 9000))
    expect(cards).to_have_count(100)
    expect(cards.first.locator("time")).to_have_text(re.compile("04:30:00$"))


def test_an_unhandled_bell_is_above_everything(console: ConsolePage, store: EventStore, tmp_path: Path) -> None:
    """It is older than the first page. Ten outages of three cameras and people's events are newer."""
    events = [make_bell("bell", BEGIN), *(make_event(f"e-{number}", at=BEGIN + 60 + number) for number in range(120))]
    for number in range(10):
        losses = [make_loss(10 * number + camera, BEGIN + 300 + number) for camera in range(3)]
        events += [*losses, make_outage(number, losses)]
    insert_all(tmp_path / "events.db", events)
    page = console.open()
    expect(page.locator("#list .card").first).to_contain_text("Emergency bell")
    expect(page.locator("#bells .card")).to_contain_text("Not handled")
    assert shown_kinds(page)[:2] == ["Emergency bell", "Loitering"]
    expect(page.locator("#events .card")).to_have_count(100)
    expect(page.locator("#list .card")).to_have_count(111)
    expect(page.locator("#trouble .card")).to_have_count(10)
    store.upsert(make_bell("second", BEGIN + 400))
    store.upsert(make_event("newest", at=BEGIN + 500))
    expect(page.locator("#events .card")).to_have_count(101)
    expect(page.locator("#bells .card")).to_have_count(2)
    page.locator("#list").evaluate("list => list.scrollTo(0, 2000)")
    expect(page.locator("#bells .card").first).to_be_in_viewport()
    for number in range(2):
        page.locator("#bells .card").first.click()
        page.get_by_role("button", name="True event", exact=True).click()
        expect(page.locator("#bells .card")).to_have_count(1 - number)
    page.locator("#list").evaluate("list => list.scrollTo(0, 0)")
    expect(page.locator("#events .card").nth(1)).to_contain_text("Emergency bell")  # now in its place


def test_a_bell_that_rings_while_the_list_is_scrolled_is_in_sight(
    console: ConsolePage, store: EventStore, tmp_path: Path
) -> None:
    insert_all(tmp_path / "events.db", [make_event(f"e-{number}", at=BEGIN + number) for number in range(60)])
    page = console.open()
    expect(page.locator("#events .card")).to_have_count(60)
    page.locator("#list").evaluate("list => list.scrollTo(0, 3000)")
    store.upsert(make_bell("bell", BEGIN + 100))
    expect(page.locator("#bells .card")).to_be_in_viewport()
    store.upsert(make_event("new", at=BEGIN + 200))
    page.get_by_role("button", name="Show 1 new event").click()
    expect(page.locator("#events .card").first).to_be_in_viewport()
    expect(page.locator("#unseen")).to_be_hidden()


def test_cameras_without_signal_are_one_card_below_peoples_events(
    console: ConsolePage, store: EventStore, tmp_path: Path
) -> None:
    losses = [make_loss(number, BEGIN + 400 * number, camera=f"cam-{number}") for number in range(37)]
    insert_all(tmp_path / "events.db", [make_event(), *losses])
    page = console.open()
    expect(page.locator("#list .card")).to_have_count(2)
    assert shown_kinds(page) == ["Loitering", "Signal lost: 37 cameras"]
    page.locator("#trouble .card").click()
    expect(page.locator("#detail h2")).to_have_text("Signal lost: 37 cameras")
    expect(page.locator("#detail .part-list li")).to_have_count(37)
    store.upsert(after(losses[0], 5, state="closed", ended_at=BEGIN + 1))
    expect(page.locator("#detail .part-list li")).to_have_count(36)
    expect(page.locator("#trouble .card strong")).to_have_text("Signal lost: 36 cameras")
    page.locator("#detail .part-list button").first.click()
    expect(page.locator("#detail h2")).to_have_text("Signal lost")
    expect(page.locator("#detail .facts")).to_contain_text("cam-36")
    page.go_back()
    expect(page.locator("#detail h2")).to_have_text("Signal lost: 36 cameras")
    page.get_by_role("button", name="Camera trouble").click()
    expect(page.locator("#events .card strong")).to_have_text(["Signal lost"])  # the one that has ended
    expect(page.locator("#events .card .event-state")).to_have_text(["Ended"])


def test_trouble_of_a_camera_is_confirmed_or_repaired(console: ConsolePage, store: EventStore) -> None:
    store.upsert(make_loss(1, BEGIN))
    page = console.open()
    page.locator("#trouble .card").click()
    expect(page.locator("#detail .media")).to_be_hidden()  # there is no picture of a lost signal
    expect(page.locator(".verdict")).to_have_text(["Confirmed", "Repaired"])
    expect(page.locator("#verdict-question")).to_have_text("Is the trouble confirmed or repaired?")
    page.get_by_role("button", name="Repaired", exact=True).click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    stored = store.event("loss-1")
    assert stored is not None
    assert [verdict.verdict for verdict in stored.verdicts] == ["repaired"]


def test_times_have_a_date_unless_they_are_of_today(console: ConsolePage, store: EventStore) -> None:
    """Days are those of the site in Seoul; the event's camera and the browser are in other time zones."""
    year, day = 366 * 86400, 86400
    for number, at in enumerate((BEGIN - year, BEGIN - day, BEGIN - 2 * 3600 - 1, BEGIN - 2 * 3600)):
        store.upsert(make_event(f"e-{number}", at=at, lasted=0.0, camera="gate"))
    console.page.clock.set_fixed_time(datetime.fromtimestamp(BEGIN, UTC))  # on 15 January in Seoul, on the 14th in UTC
    page = console.open()
    times = page.locator("#events .card time")
    expect(times).to_have_text(["00:00:00", "14 Jan 23:59:59", "14 Jan 02:00:00", "14 Jan 2025 02:00:00"])
    days = page.locator("#events .day")
    expect(days).to_have_text(["Today, Thu 15 Jan", "Wed 14 Jan", "Tue, 14 Jan 2025"])
    page.get_by_role("button", name="한국어").click()
    expect(times).to_have_text(["00:00:00", "1월 14일 23:59:59", "1월 14일 02:00:00", "2025년 1월 14일 02:00:00"])
    expect(days.first).to_have_text("오늘, 1월 15일 (목)")
    page.clock.set_fixed_time(datetime.fromtimestamp(BEGIN + day, UTC))
    expect(times.first).to_have_text("1월 15일 00:00:00")  # after midnight, without a reload


def test_a_page_of_thumbnails_is_one_row_of_the_audit(
    console: ConsolePage, store: EventStore, evidence: EvidenceScheduler
) -> None:
    (evidence.folder / "snapshot.jpg").write_bytes(snapshot_image.encode(np.full((576, 768, 3), 90, np.uint8)))
    for number in range(12):
        event = make_event(f"e-{number}", at=BEGIN + number)
        store.upsert(event)
        media = MediaFile("ready", started_at=BEGIN, ended_at=BEGIN, file="snapshot.jpg", peak=event.peak)
        store.save_evidence(event.run, event.id, Evidence(media, MediaFile("failed", "out_of_reach")))
    page = console.open()
    for index in range(12):
        card = page.locator("#events .card").nth(index)
        card.scroll_into_view_if_needed()
        expect(card.locator("img")).to_have_js_property("naturalWidth", 480)  # cards out of sight have no image
    rows = [(row.what, row.id) for row in store.access_log()]
    assert sorted(rows) == [("snapshot", "e-11"), ("thumbnails", "")]  # the shown event, and the page
