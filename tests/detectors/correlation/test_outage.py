"""A dead switch is one alarm, with the cameras' own events as parts."""

from __future__ import annotations

import itertools
from typing import Any

import msgspec
import pytest

from detectors.correlation.correlator import Correlator, CorrelatorState
from detectors.watch_stage import WatchStage
from lanewatch.config.site import Site
from lanewatch.records import Detections, Event, SceneMeasurements, Watermark, decode, encode
from tests.detectors.walker_records import NOON, SITE, make_record

WELL = SceneMeasurements(brightness=110, chroma=8, contrast=45, sharpness=90, warm=True)


def two_groups(north: int, south: int = 0) -> Site:
    """A site with this number of cameras in each of two groups."""
    base: dict[str, Any] = SITE["cameras"][0]  # type: ignore[index]
    cameras = [
        {**base, "id": f"{group}{number}", "group": group}
        for group, count in (("north", north), ("south", south))
        for number in range(count)
    ]
    return Site.model_validate({**SITE, "cameras": cameras})


def silence(camera: str, begin: float, end: float, until: float = 300.0) -> list[Detections]:
    """A record a second; none has a picture from ``begin`` to ``end``."""
    return [
        msgspec.structs.replace(
            make_record(NOON + at, gap="lost" if begin <= at < end else None, scene=WELL), camera=camera
        )
        for at in range(round(until))
    ]


def simulate(
    site: Site, lost: dict[str, tuple[float, float]], *, coded: bool = False
) -> tuple[list[Event], list[Event]]:
    """The cameras' own events, and the outages, second by second."""
    watcher, correlator = WatchStage(site, run="test"), Correlator(site, run="test")
    states = {camera.id: watcher.start(camera.id) for camera in site.cameras}
    tapes = {camera.id: silence(camera.id, *lost.get(camera.id, (0.0, 0.0))) for camera in site.cameras}
    whole = correlator.start()
    camera_events: list[Event] = []
    correlator_events: list[Event] = []
    for second in zip(*tapes.values(), strict=True):
        for record in second:
            states[record.camera], events = watcher.step(states[record.camera], record)
            camera_events += events
            for event in events:
                whole, more = correlator.step(whole, event)
                correlator_events += more
        reached = {record.camera: Watermark(record.captured_at, record.captured_at, record.gap) for record in second}
        whole, more = correlator.advance(whole, reached)
        correlator_events += more
        if coded:
            whole = decode(encode(whole), CorrelatorState)
    return camera_events, [event for event in correlator_events if event.kind == "outage"]


@pytest.mark.parametrize("coded", [False, True])
def test_a_dead_switch_is_one_alarm(coded: bool) -> None:
    site = two_groups(north=8, south=4)
    lost = {f"north{number}": (60.0 + number, 200.0 + number) for number in range(8)}
    camera_events, events = simulate(site, lost, coded=coded)
    assert len({event.id for event in camera_events}) == 8
    assert len({event.id for event in events}) == 1
    assert events[0].state == "open"
    assert events[0].began_at == NOON + 59
    assert events[0].started_at - NOON <= 75
    last = events[-1]
    assert set(last.parts) == {event.id for event in camera_events}
    assert last.state == "closed"
    assert last.ended_at == max(event.ended_at or 0 for event in camera_events)
    assert last.sentence["ko"] == "'north' 그룹 카메라 8대 중 8대 동시 신호 끊김 (현재 0대)"
    assert "'north'" in last.sentence["en"]
    assert last.score == pytest.approx(sum(factor.value for factor in last.factors))
    assert 0 < last.score <= 1
    assert all(event.revision < other.revision for event, other in itertools.pairwise(events))


@pytest.mark.parametrize(
    ("site", "lost"),
    [
        (two_groups(8), {"north0": (60, 200), "north1": (61, 200)}),  # two may fail together by chance
        (two_groups(8), {f"north{n}": (60 + 70 * n, 240) for n in range(3)}),  # one after the other
        (two_groups(40), {f"north{n}": (60, 200) for n in range(5)}),  # a few of a large district
        (two_groups(4, 4), {"north0": (60, 200), "north1": (60, 200), "south0": (60, 200), "south1": (60, 200)}),
        (two_groups(8), {f"north{n}": (60, 66) for n in range(8)}),  # a short loss
    ],
)
def test_other_losses_are_no_outage(site: Site, lost: dict[str, tuple[float, float]]) -> None:
    assert not simulate(site, lost)[1]


def test_a_site_may_disable_outages() -> None:
    site = two_groups(4).model_copy(update={"correlations": ("roaming",)})
    assert not simulate(site, {f"north{number}": (60, 200) for number in range(4)})[1]
