"""An event's life, from hand-made candidates."""

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
from tests.detectors.walker_records import NOON, make_record, site

SITE = site()
SOURCE = EventSource("test", "lane", SITE.digest)
LOITERING = Loitering(Resolver(SITE, "lane", "loitering", LoiteringThresholds))


def observe(at: float) -> Observation:
    shown = make_record(NOON + at)
    _, tracks = Tracker().update(Tracker().start(), shown)
    camera = SITE.cameras[0]
    return Observation(
        shown, tracks, (), CameraGeometry(camera, shown.width, shown.height), CameraSchedules(SITE, camera), 0.2
    )


def candidate(at: float, *, score: float = 0.5, **changes: Any) -> Candidate:
    default = Candidate(
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
    return default._replace(**changes)


def lifecycle(*steps: tuple[float, list[Candidate]]) -> list[Event]:
    states, events = EventStates(), []
    for at, candidates in steps:
        states, more = event_lifecycle.update_events(states, [(LOITERING, candidates)], observe(at), SOURCE)
        events += more
    return events


def test_open_updated_closed() -> None:
    events = lifecycle(
        (10, [candidate(10)]), (11, [candidate(11, score=0.7)]), (12, [candidate(12, score=0.7)]), (13, [])
    )
    assert [(event.state, event.updated_at - NOON) for event in events] == [
        ("open", 10),
        ("updated", 11),
        ("closed", 13),
    ]
    assert [event.revision for event in events] == [round((NOON + at) * 1000) for at in (10, 11, 13)]
    assert events[-1].ended_at == NOON + 12
    assert events[-1].score == 0.7


def test_the_number_of_updates_of_a_long_event_is_bounded() -> None:
    events = lifecycle(*((at / 2, [candidate(at / 2)]) for at in range(7200)))
    updates = [event for event in events if event.state == "updated"]
    assert 30 < len(updates) < 60
    assert all(event.score == 0.5 for event in updates)


def test_an_event_below_its_threshold_keeps_the_explanation_that_raised_it() -> None:
    later = LoiteringThresholds(dwell_s=60)
    below: dict[str, Any] = {"score": 0.2, "thresholds_met": False, "thresholds": later}
    events = lifecycle(
        (0, [candidate(0)]), (6, [candidate(6, **below)]), (7, [candidate(7, severity=2, **below)]), (8, [])
    )
    assert [event.state for event in events] == ["open", "updated", "updated", "closed"]
    assert {event.score for event in events} == {0.5}
    assert {event.thresholds["dwell_s"] for event in events} == {30.0}
    assert [event.severity for event in events] == [1, 1, 2, 2]


@pytest.mark.parametrize(
    ("later", "updates"),
    [
        ({"score": 0.55}, 0),  # too small a change
        ({"score": 0.65}, 1),
        ({"severity": 2}, 1),
    ],
)
def test_large_changes_are_published_at_once(later: dict[str, Any], updates: int) -> None:
    events = lifecycle((0, [candidate(0)]), (1.5, [candidate(1.5, **later)]), (2.0, [candidate(2.0, **later)]))
    assert [event.state for event in events] == ["open"] + ["updated"] * updates


def test_the_peak_is_the_clearest_frame() -> None:
    events = lifecycle(
        (0, [candidate(0)]),
        (1, [candidate(1, clarity=5.0, box=(1, 1, 9, 9))]),
        (2, [candidate(2, clarity=5.2, box=(2, 2, 9, 9))]),  # hardly better
        (3, [candidate(2, clarity=9.0, box=(3, 3, 9, 9))]),  # not seen in this frame
        (4, []),
    )
    assert (events[-1].peak.captured_at, events[-1].peak.box) == (NOON + 1, (1, 1, 9, 9))


def test_several_events_are_open_at_once() -> None:
    other: dict[str, Any] = {"key": "yard/2", "first_point": TrackPoint(50.0, 60.0, NOON), "tracks": (2,)}
    events = lifecycle((0, [candidate(0), candidate(0, **other)]), (1, [candidate(1, **other)]), (2, []))
    assert [(event.state, event.tracks) for event in events] == [
        ("open", (1,)),
        ("open", (2,)),
        ("closed", (1,)),
        ("closed", (2,)),
    ]


def test_an_id_is_made_once_and_is_the_same_in_every_run() -> None:
    first = lifecycle(
        (0, [candidate(0)]), (6, [candidate(6, first_point=TrackPoint(99.0, 99.0, NOON), since=NOON + 3)]), (7, [])
    )
    assert len({event.id for event in first}) == 1
    first_seen_ms, since_ms = round((NOON - 1) * 1000), round(NOON * 1000)
    assert first[0].id == str(
        uuid.uuid5(event_lifecycle.NAMESPACE, f"lane|loitering|yard|{first_seen_ms}|10,20|{since_ms}")
    )
    elsewhere = event_lifecycle.make_event_id(SOURCE._replace(camera="other"), "loitering", candidate(0))
    later = event_lifecycle.make_event_id(SOURCE, "loitering", candidate(0, since=NOON + 1))
    another_run = event_lifecycle.make_event_id(SOURCE._replace(run="rescore"), "loitering", candidate(0))
    assert len({first[0].id, elsewhere, later}) == 3
    assert another_run == first[0].id


def test_an_expired_event_has_no_end() -> None:
    states, _ = event_lifecycle.update_events(
        EventStates(), [(LOITERING, [candidate(0), candidate(0, key="gate/1", instant=True)])], observe(0), SOURCE
    )
    states, events = event_lifecycle.expire_events(states, NOON - 3600, SOURCE)
    assert [(event.state, event.ended_at) for event in events] == [("expired", None), ("closed", NOON)]
    assert all(event.revision > round(NOON * 1000) for event in events)  # revisions rise though the clock went back
    assert not states.open
