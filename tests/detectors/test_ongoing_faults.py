"""Camera faults that go on while the process restarts."""

from __future__ import annotations

import math
from collections.abc import Iterator

import msgspec
import pytest

from detectors.correlation.correlator import Correlator
from detectors.ongoing_faults import continuing_events
from detectors.watch_stage import WatchStage
from lanewatch.config.site import Site
from lanewatch.records import Detections, Event, SceneMeasurements, Watermark
from tests.detectors.correlation.test_outage import two_groups
from tests.detectors.walker_records import NOON, make_record

WELL = SceneMeasurements(brightness=110, chroma=8, contrast=45, sharpness=90, warm=True)
DARK = msgspec.structs.replace(WELL, brightness=12, contrast=2, sharpness=1)


class Process:
    """Runs watch stage and correlator over records of all cameras, a record a second."""

    def __init__(self, site: Site, left_open: list[Event] | None = None) -> None:
        known = {event.id: event for event in left_open or ()}
        continuing = continuing_events(site, known.values())
        parts = {part for event in continuing for part in event.parts}
        self.ongoing = [*continuing, *(known[id] for id in parts - {event.id for event in continuing})]
        self._watch = WatchStage(site, run="test", ongoing=self.ongoing)
        self._correlate = Correlator(site, run="test", ongoing=self.ongoing)
        self._states = {camera.id: self._watch.start(camera.id) for camera in site.cameras}
        self._correlation = self._correlate.start()
        self.newest = {event.id: event for event in self.ongoing}
        self.opened: list[Event] = []

    def run(self, begin: int, end: int, lost: set[str], scene: SceneMeasurements = WELL) -> None:
        for second in range(begin, end):
            for camera in self._states:
                for event in self._events(record_at(camera, second, lost, scene)):
                    self.newest[event.id] = event
                    self.opened += [event] if event.state == "open" else []

    def _events(self, record: Detections) -> Iterator[Event]:
        self._states[record.camera], events = self._watch.step(self._states[record.camera], record)
        yield from events
        for event in events:
            self._correlation, more = self._correlate.step(self._correlation, event)
            yield from more
        reached = {record.camera: Watermark(record.captured_at, record.captured_at, record.gap)}
        self._correlation, more = self._correlate.advance(self._correlation, reached)
        yield from more


def record_at(camera: str, second: int, lost: set[str], scene: SceneMeasurements) -> Detections:
    record = make_record(NOON + second, gap="lost" if camera in lost else None, scene=scene)
    return msgspec.structs.replace(record, camera=camera)


def test_lost_cameras_and_their_outage_go_on_over_a_restart() -> None:
    site = two_groups(4)
    north = {f"north{number}" for number in range(4)}
    first = Process(site)
    first.run(0, 20, set())
    first.run(20, 60, north)
    assert sorted(event.kind for event in first.newest.values()) == ["outage", *["signal_lost"] * 4]

    second = Process(site, list(first.newest.values()))
    second.run(300, 360, north)
    assert second.opened == []
    assert all(event.state == "updated" for event in second.newest.values() if event.kind == "signal_lost")
    second.run(360, 400, set())
    assert second.newest.keys() == first.newest.keys()
    assert {event.state for event in second.newest.values()} == {"closed"}
    assert all(event.ended_at == pytest.approx(NOON + 359, abs=1.5) for event in second.newest.values())


def test_an_outage_of_which_a_part_has_ended_goes_on() -> None:
    site = two_groups(4)
    first = Process(site)
    first.run(0, 20, set())
    first.run(20, 60, {"north0", "north1", "north2"})
    first.run(60, 80, {"north0"})
    second = Process(site, list(first.newest.values()))
    second.run(300, 320, {"north0"})
    second.run(320, 340, set())
    assert second.opened == []
    outage = next(event for event in second.newest.values() if event.kind == "outage")
    assert outage.state == "closed"
    assert outage.factors[0].detail["cameras"] == 3


def test_a_dark_picture_goes_on_over_a_restart() -> None:
    site = two_groups(1)
    first = Process(site)
    first.run(0, 100, set(), DARK)
    assert [event.kind for event in first.opened] == ["too_dark"]
    second = Process(site, list(first.newest.values()))
    second.run(300, 400, set(), DARK)
    assert second.opened == []
    assert {event.state for event in second.newest.values()} == {"updated"}


def test_what_depends_on_a_baseline_or_a_removed_camera_does_not_go_on() -> None:
    site = two_groups(2)
    process = Process(site)
    process.run(0, 20, set())
    process.run(20, 60, {"north0"})
    (lost,) = process.newest.values()
    others = [msgspec.structs.replace(lost, id=kind, kind=kind) for kind in ("covered", "loitering")]
    removed = msgspec.structs.replace(lost, id="removed", camera="south0")
    earlier = msgspec.structs.replace(lost, id="earlier", began_at=lost.began_at - 900)
    assert continuing_events(site, [lost, *others, removed, earlier]) == [lost]


def test_the_score_of_a_camera_fault_does_not_depend_on_the_light() -> None:
    process = Process(two_groups(1))
    process.run(0, 20, set())
    process.run(20 + 12 * 3600, 80 + 12 * 3600, {"north0"})
    (event,) = process.newest.values()
    assert [factor.name for factor in event.factors] == ["signal_lost"]
    assert math.isclose(event.score, event.factors[0].value)
