"""A camera that switches between colour and infrared, and what an event says of the light."""

from __future__ import annotations

import msgspec
import pytest

from detectors.camera_state import SETTLE_S
from detectors.watch_stage import WatchStage
from lanewatch.records import Detections, Profile
from tests.detectors.walker_records import MIDNIGHT, NOON, loiterer, opened, site, watch


def lit(records: list[Detections], profile: Profile, since: float) -> list[Detections]:
    return [
        msgspec.structs.replace(record, profile=profile) if record.captured_at >= since else record
        for record in records
    ]


@pytest.mark.parametrize(
    ("start", "profile", "light"),
    [
        (NOON, "day", "day"),
        (NOON, "infrared", "infrared"),  # a camera in a dark place
        (MIDNIGHT, "night", "night"),  # under a street lamp
    ],
)
def test_an_event_has_the_light_condition_of_its_opening(start: float, profile: Profile, light: str) -> None:
    events = watch(lit(loiterer(60, start), profile, start), site())
    assert [event.condition for event in opened(events, "loitering")] == [light]


def test_the_records_around_a_switch_are_set_aside_and_the_stay_goes_on() -> None:
    records = loiterer(75)
    switched = lit(records, "infrared", NOON + 8)
    watcher = WatchStage(site(), run="test")
    state = watcher.start("lane")
    events = []
    for record in switched:
        state, more = watcher.step(state, record)
        events += more
    assert watcher.skipped(state) == {"picture change": round(SETTLE_S * 5)}
    plain, mixed = (opened(revisions, "loitering") for revisions in (watch(records, site()), events))
    assert [event.began_at for event in mixed] == [event.began_at for event in plain]
    assert [event.started_at for event in mixed] == [event.started_at for event in plain]


def test_the_sun_alone_is_no_switch() -> None:
    """The sampler calls the same colours night once the sun is down; the picture is the same."""
    watcher = WatchStage(site(), run="test")
    state = watcher.start("lane")
    for record in lit(loiterer(20), "night", NOON + 8):
        state, _ = watcher.step(state, record)
    assert watcher.skipped(state) == {}
