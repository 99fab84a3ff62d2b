"""The parts of an event: requested by the event's id, and shown under it."""

from __future__ import annotations

import msgspec
from playwright.sync_api import expect

from api.storage.event_store import EventStore
from lanewatch.records import Event
from tests.api.conftest import StartService
from tests.api.event_factory import BEGIN, make_event
from tests.api.test_console import ConsolePage, browser, console, server

__all__ = ["browser", "console", "server"]


def outage(count: int) -> list[Event]:
    losses = [
        make_event(f"loss-{number}", at=BEGIN + 30 + number, kind="signal_lost", zone="", onvif="", kisa="")
        for number in range(count)
    ]
    sentence = {"ko": "카메라 5대 중 5대 동시 신호 끊김", "en": "5 of 5 cameras lost their signal"}
    whole = make_event("whole", at=BEGIN + 50, kind="outage", zone="", parts=tuple(loss.id for loss in losses))
    return [*losses, msgspec.structs.replace(whole, sentence=sentence), make_event("other", at=BEGIN + 10)]


def test_the_list_can_be_filtered_by_part_of(store: EventStore, start_service: StartService) -> None:
    client = start_service()
    for event in outage(5):
        store.upsert(event)
    found = client.get("/v1/events", params={"part_of": "whole"}).json()["events"]
    assert {event["id"] for event in found} == {f"loss-{number}" for number in range(5)}
    assert client.get("/v1/events", params={"part_of": "other"}).json()["events"] == []
    assert client.get("/v1/events", params={"part_of": "unknown"}).status_code == 404
    assert len(client.get("/v1/events").json()["events"]) == 7


def test_an_outage_is_one_card_with_its_cameras_in_the_detail(console: ConsolePage, store: EventStore) -> None:
    *losses, whole, other = outage(5)
    for event in (*losses, other):
        store.upsert(event)
    page = console.open()
    expect(page.locator("#trouble .card strong")).to_have_text(["Signal lost: 5 cameras"])
    store.upsert(whole)
    expect(page.locator("#trouble .card strong")).to_have_text(["Outage"])
    page.locator("#trouble .card").click()
    expect(page.locator(".part-list li")).to_have_count(5)
    page.locator(".part-list button").first.click()
    expect(page.locator("#detail h2")).to_have_text("Signal lost")
    expect(page.locator("#trouble .card")).to_have_count(1)


def test_the_parts_of_a_linked_event_are_loaded_with_it(console: ConsolePage, store: EventStore) -> None:
    """A link leads to an outage that has ended, whose cameras are not in the list."""
    *losses, whole, _ = outage(5)
    for event in (*losses, whole):
        store.upsert(msgspec.structs.replace(event, state="closed", ended_at=event.updated_at))
    page = console.open("?lang=en#/events/whole")
    expect(page.locator("#detail h2")).to_have_text("Outage")
    expect(page.locator(".part-list li")).to_have_count(5)
