"""An event's life, told by hand-made claims."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from detectors import event_lifecycle
from detectors.behaviours.base import Candidate, Explanation
from detectors.behaviours.loitering import Loitering, LoiteringThresholds
from detectors.event_lifecycle import EventSource, EventStates
from detectors.observation.camera_geometry import CameraGeometry
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackPoint
from detectors.thresholds import Resolver
from lanewatch.config.schedules import CameraSchedules
from lanewatch.records import Event, Factor
from models.tracking.tracker import Tracker
from tests.detectors.walker_records import NOON, record, site

SITE = site()
ORIGIN = EventSource("test", "lane", SITE.digest)
LOITERING = Loitering(Resolver(SITE, "lane", "loitering", LoiteringThresholds))


def view(at: float) -> Observation:
    shown = record(NOON + at)
    _, tracks = Tracker().update(Tracker().start(), shown)
    camera = SITE.cameras[0]
    return Observation(
        shown, tracks, (), CameraGeometry(camera, shown.width, shown.height), CameraSchedules(SITE, camera), 0.2
    )


def claim(at: float, *, score: float = 0.5, **changes: Any) -> Candidate:
    usual = Candidate(
        key="yard/1",
        zone="yard",
        since=NOON,
        until=NOON + at,
        tracks=(1,),
        first_point=TrackPoint(10.0, 20.0, NOON - 1),
        box=(0.0, 0.0, 10.0, 20.0),
        clarity=1.0,
        severity=1,
        thresholds=Loitering.Thresholds(),
        explain=lambda: Explanation((Factor("dwell", score),), {"ko": "배회", "en": "loitering"}),
    )
    return usual._replace(**changes)


def life(*steps: tuple[float, list[Candidate]]) -> list[Event]:
    episodes, events = EventStates(), []
    for at, claims in steps:
        episodes, more = event_lifecycle.update_events(episodes, [(LOITERING, claims)], view(at), ORIGIN)
        events += more
    return events


def test_open_updated_closed() -> None:
    events = life((10, [claim(10)]), (11, [claim(11, score=0.7)]), (12, [claim(12, score=0.7)]), (13, []))
    assert [(event.state, event.updated_at - NOON) for event in events] == [
        ("open", 10),
        ("updated", 11),
        ("closed", 13),
    ]
    assert [event.revision for event in events] == [round((NOON + at) * 1000) for at in (10, 11, 13)]
    assert events[-1].ended_at == NOON + 12
    assert events[-1].score == 0.7


def test_updates_are_bounded_however_long_it_lasts() -> None:
    events = life(*((at / 2, [claim(at / 2)]) for at in range(7200)))
    updates = [event for event in events if event.state == "updated"]
    assert 30 < len(updates) < 60
    assert all(event.score == 0.5 for event in updates)


def test_what_goes_on_below_its_threshold_keeps_what_raised_it() -> None:
    later = LoiteringThresholds(dwell_s=60)
    below: dict[str, Any] = {"score": 0.2, "thresholds_met": False, "thresholds": later}
    events = life((0, [claim(0)]), (6, [claim(6, **below)]), (7, [claim(7, severity=2, **below)]), (8, []))
    assert [event.state for event in events] == ["open", "updated", "updated", "closed"]
    assert {event.score for event in events} == {0.5}
    assert {event.thresholds["dwell_s"] for event in events} == {30.0}
    assert [event.severity for event in events] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("later", "updates"),
    [
        ({"score": 0.55}, 0),  # too little to tell
        ({"score": 0.65}, 1),
        ({"severity": 2}, 1),
    ],
)
def test_what_is_published_at_once(later: dict[str, Any], updates: int) -> None:
    events = life((0, [claim(0)]), (1.5, [claim(1.5, **later)]), (2.0, [claim(2.0, **later)]))
    assert [event.state for event in events] == ["open"] + ["updated"] * updates


def test_the_peak_is_the_frame_that_shows_it_best() -> None:
    events = life(
        (0, [claim(0)]),
        (1, [claim(1, clarity=5.0, box=(1, 1, 9, 9))]),
        (2, [claim(2, clarity=5.2, box=(2, 2, 9, 9))]),  # hardly better
        (3, [claim(2, clarity=9.0, box=(3, 3, 9, 9))]),  # not seen in this frame
        (4, []),
    )
    assert (events[-1].peak.captured_at, events[-1].peak.box) == (NOON + 1, (1, 1, 9, 9))


def test_several_are_open_at_once() -> None:
    other: dict[str, Any] = {"key": "yard/2", "first_point": TrackPoint(50.0, 60.0, NOON), "tracks": (2,)}
    events = life((0, [claim(0), claim(0, **other)]), (1, [claim(1, **other)]), (2, []))
    assert [(event.state, event.tracks) for event in events] == [
        ("open", (1,)),
        ("open", (2,)),
        ("closed", (1,)),
        ("closed", (2,)),
    ]


def test_an_id_is_minted_once_and_is_the_same_in_every_run() -> None:
    first = life((0, [claim(0)]), (6, [claim(6, first_point=TrackPoint(99.0, 99.0, NOON), since=NOON + 3)]), (7, []))
    assert len({event.id for event in first}) == 1
    born, since = round((NOON - 1) * 1000), round(NOON * 1000)
    assert first[0].id == str(uuid.uuid5(event_lifecycle.NAMESPACE, f"lane|loitering|yard|{born}|10,20|{since}"))
    elsewhere = event_lifecycle.make_event_id(ORIGIN._replace(camera="other"), "loitering", claim(0))
    later = event_lifecycle.make_event_id(ORIGIN, "loitering", claim(0, since=NOON + 1))
    another_run = event_lifecycle.make_event_id(ORIGIN._replace(run="rescore"), "loitering", claim(0))
    assert len({first[0].id, elsewhere, later}) == 3
    assert another_run == first[0].id


def test_expiry_invents_no_end() -> None:
    episodes, _ = event_lifecycle.update_events(
        EventStates(), [(LOITERING, [claim(0), claim(0, key="gate/1", instant=True)])], view(0), ORIGIN
    )
    episodes, events = event_lifecycle.expire_events(episodes, NOON - 3600, ORIGIN)
    assert [(event.state, event.ended_at) for event in events] == [("expired", None), ("closed", NOON)]
    assert all(event.revision > round(NOON * 1000) for event in events)  # revisions rise though the clock went back
    assert not episodes.open
