"""Vehicles that arrived and stand off the lane."""

from __future__ import annotations

import pytest

from lanewatch.records import Event
from tests.detectors.vehicle_records import Actor, lane_site, seen, stop
from tests.detectors.walker_records import MIDNIGHT, along, hidden, watch


def stops(actors: list[Actor], fps: float = 2.0, seconds: float = 250) -> list[Event]:
    events = watch(seen(actors, fps=fps, seconds=seconds), lane_site())
    return [event for event in events if event.kind == "stopped_vehicle"]


@pytest.mark.parametrize("fps", [1, 2, 5])
def test_an_event_opens_a_minute_after_the_stop_and_closes_when_the_vehicle_leaves(fps: float) -> None:
    events = stops([stop(10, 110)], fps)
    assert [event.state for event in events if event.state != "updated"] == ["open", "closed"]
    assert events[0].began_at - MIDNIGHT == pytest.approx(10, abs=1)
    assert events[0].started_at - MIDNIGHT == pytest.approx(70, abs=1 / fps + 1)
    assert events[-1].updated_at - MIDNIGHT == pytest.approx(110, abs=1 / fps + 2)  # half a length away
    assert "트럭이" in events[0].sentence["ko"]
    assert "off the lane" in events[0].sentence["en"]


UNSEEN = stop(10, 200)
VEILED = UNSEEN._replace(
    path=hidden(hidden(UNSEEN.path, 40, 75), 90, 100), label=lambda t: "car" if t > 80 else "truck"
)


@pytest.mark.parametrize(
    ("actors", "events"),
    [
        ([stop(10, 60)], 0),  # not for long enough
        ([stop(10, 150, 500, 650)], 0),  # in the lane
        ([Actor(along((0, 500, 500), (240, 500, 500)), "car")], 0),  # parked from the first frame on
        ([VEILED], 1),  # hidden for a while twice, and named otherwise afterwards
        ([stop(10, 150, 300), stop(30, 170, 700)], 2),
        ([stop(10, 150, label="motorcycle")], 1),
    ],
    ids=["short", "lane", "parked", "hidden", "two", "motorcycle"],
)
def test_the_number_of_stops(actors: list[Actor], events: int) -> None:
    assert len({event.id for event in stops(actors)}) == events
