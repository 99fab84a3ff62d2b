"""Loitering, intrusion and line crossing: which tracks raise events, and which do not."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from lanewatch.records import Event
from tests.detectors.walker_records import MIDNIGHT, NOON, Path, along, detections, hidden, opened, site, watch

STAYS = along((0, 250, 500), (2, 350, 500), (3, 500, 500), (200, 500, 500))
"""Enters the yard at x = 300 after one second."""


def raised(
    path: Path, kind: str, *, seconds: float = 60, start: float = NOON, fps: float = 5, **changes: Any
) -> list[Event]:
    records = detections([path], fps=fps, seconds=seconds, start=start, label=changes.pop("label", 1))
    return opened(watch(records, site(**changes)), kind)


def behaviours(kind: str, thresholds: dict[str, Any], *rules: dict[str, Any]) -> dict[str, Any]:
    return {kind: {"thresholds": thresholds, "rules": rules}}


@pytest.mark.parametrize(
    ("config", "start", "dwell_s"),
    [
        ({}, NOON, 30),  # the usual values: by day
        ({}, MIDNIGHT, 20),  # and by night
        (behaviours("loitering", {"dwell_s": 10}), MIDNIGHT, 10),  # one value that is given holds by night too
        (behaviours("loitering", {"dwell_s": 10, "night_dwell_s": 15}), MIDNIGHT, 15),
        (behaviours("loitering", {}, {"schedule": "night", "thresholds": {"dwell_s": 12}}), MIDNIGHT, 12),
        (behaviours("loitering", {}, {"schedule": "night", "thresholds": {"dwell_s": 12}}), NOON, 30),
        (behaviours("loitering", {}, {"zones": ["yard"], "thresholds": {"dwell_s": 8}}), NOON, 8),
        (behaviours("loitering", {}, {"zones": ["shed"], "thresholds": {"dwell_s": 8}}), NOON, 30),
        (behaviours("loitering", {}, {"classes": ["person"], "thresholds": {"dwell_s": 8}}), NOON, 8),
        (behaviours("loitering", {}, {"classes": ["car"], "thresholds": {"dwell_s": 8}}), NOON, 30),
        (behaviours("loitering", {}, {"cameras": ["other"], "thresholds": {"dwell_s": 8}}), NOON, 30),
        (
            behaviours("loitering", {}, {"thresholds": {"dwell_s": 8}}, {"thresholds": {"dwell_s": 9}}),
            NOON,
            9,  # the last rule wins
        ),
    ],
)
def test_the_dwell_threshold_that_applies(config: dict[str, Any], start: float, dwell_s: float) -> None:
    events = raised(STAYS, "loitering", start=start, behaviours=config)
    assert len(events) == 1
    assert events[0].started_at - start == pytest.approx(1 + dwell_s, abs=0.7)
    assert events[0].thresholds["dwell_s"] == dwell_s


def test_a_disabled_behaviour_raises_nothing() -> None:
    assert not raised(STAYS, "loitering", behaviours={"loitering": {"enabled": False}})


@pytest.mark.parametrize(
    ("label", "count"),
    [
        (1, 1),  # a person
        (0, 1),  # what moves and has no name
        (3, 0),  # a parked car does not loiter
        (8, 0),  # nor does a dog
    ],
)
def test_the_classes_that_loiter(label: int, count: int) -> None:
    assert len(raised(STAYS, "loitering", label=label)) == count


def test_motion_without_a_class_scores_less() -> None:
    person, unknown = (raised(STAYS, "loitering", label=label, behaviours={})[0] for label in (1, 0))
    assert {factor.name: factor.value for factor in unknown.factors}["unnamed"] == -0.15
    assert unknown.score < person.score - 0.1
    assert unknown.sentence["ko"] == "주간에 '마당' 구역에서 미확인 물체가 30초 동안 배회 (기준 30초)"


@pytest.mark.parametrize(
    ("seconds", "severity", "state"),
    [
        (15, 1, "open"),
        (25, 2, "updated"),  # twice the threshold: an alert
        (65, 2, "updated"),  # six times: time alone is one kind of evidence, which is not enough for dispatch
    ],
)
def test_loitering_escalates(seconds: float, severity: int, state: str) -> None:
    config = behaviours("loitering", {"dwell_s": 10})
    events = watch(detections([STAYS], fps=5, seconds=seconds), site(behaviours=config))
    assert (events[-1].severity, events[-1].state) == (severity, state)
    assert len({event.id for event in events}) == 1


@pytest.mark.parametrize(
    ("kind", "start", "severity"), [("produce", MIDNIGHT, 3), ("produce", NOON, 2), ("watch", MIDNIGHT, 2)]
)
def test_long_loitering_near_produce_by_night_suggests_dispatch(kind: str, start: float, severity: int) -> None:
    zones = [{**zone.model_dump(), "kind": kind} for zone in site().cameras[0].zones[:1]]
    config = behaviours("loitering", {"dwell_s": 10})
    records = detections([STAYS], fps=5, seconds=65, start=start)
    events = watch(records, site(behaviours=config, camera={"zones": zones}))
    assert max(event.severity for event in events if event.kind == "loitering") == severity


def test_a_slow_walker_through_a_long_zone_does_not_loiter() -> None:
    """At .6 body heights a second, four fifths of a walker's pace."""
    slow = along((0, 250, 500), (1, 310, 500), (8, 730, 500), (12, 970, 500))
    config = behaviours("loitering", {"dwell_s": 6})
    assert not raised(slow, "loitering", seconds=12, behaviours=config)
    kisa = behaviours("loitering", {"dwell_s": 6, "progress": 10})
    assert len(raised(slow, "loitering", seconds=12, behaviours=kisa)) == 1
    returns = along((0, 250, 500), (1, 310, 500), (5, 550, 500), (9, 310, 500), (12, 250, 500))
    assert len(raised(returns, "loitering", seconds=12, behaviours=config)) == 1


def test_the_score_grows_with_the_dwell_and_with_staying() -> None:
    def last_score(path: Path, seconds: float) -> float:
        events = watch(detections([path], fps=5, seconds=seconds), site(behaviours=config))
        return events[-1].score

    config = behaviours("loitering", {"dwell_s": 10})
    strolls = along((0, 250, 500), (2, 350, 500), (3, 400, 500), (60, 700, 500))
    assert last_score(STAYS, 35) > last_score(STAYS, 12)
    assert last_score(STAYS, 35) > last_score(strolls, 35)


@pytest.mark.parametrize(
    ("hidden_s", "x", "count"),
    [
        (15, 500, 1),  # a person cannot leave the middle of a zone unseen
        (25, 500, 0),  # too long: it may be another person
        (15, 350, 0),  # half a body height from the edge
    ],
)
def test_a_stay_goes_on_when_a_person_vanishes_away_from_every_edge(hidden_s: float, x: float, count: int) -> None:
    path = hidden(along((0, 250, 500), (2, x, 500), (60, x, 500)), 15, 15 + hidden_s)
    seconds = 15 + hidden_s + 10  # 14 s before, and 10 s after: together with the gap more than 30 s
    assert len(raised(path, "loitering", seconds=seconds, behaviours=behaviours("loitering", {"dwell_s": 30}))) == count


def scarecrow(stays: Path) -> Path:
    """It is missed for half a minute every three minutes."""
    return lambda time: None if time % 180 > 150 else stays(time)


def test_what_has_not_moved_since_the_first_look_is_watched_once() -> None:
    """A scarecrow would be a new loiterer after each gap."""
    post = scarecrow(along((0, 500, 500), (1200, 500, 500)))
    events = watch(detections([post], fps=2, seconds=1200), site())
    assert len({event.id for event in events}) == 1
    assert max(event.severity for event in events) == 1


def test_a_person_who_comes_and_stands_is_watched_each_time() -> None:
    person = scarecrow(along((0, 250, 500), (3, 500, 500), (1200, 500, 500)))
    events = watch(detections([person], fps=2, seconds=1200), site())
    assert len({event.id for event in events}) > 3
    assert max(event.severity for event in events) > 1


def test_the_sentence_of_a_loiterer() -> None:
    event = raised(STAYS, "loitering", start=MIDNIGHT, behaviours={})[0]
    assert event.sentence == {
        "ko": "야간에 '마당' 구역에서 사람이 20초 동안 배회 (기준 20초)",
        "en": "Person loitering in 'the yard' for 20 s at night (threshold 20 s)",
    }
    assert {factor.name for factor in event.factors} == {"dwell", "staying", "night", "sureness"}
    by_day = raised(STAYS, "loitering", behaviours={})[0]
    assert event.score == pytest.approx(by_day.score + 0.15, abs=0.02), "the stay by day is ten seconds longer"


@pytest.mark.parametrize(
    ("away_s", "events"),
    [
        (0.8, 1),  # a step out of the zone: the exit grace
        (6.0, 0),  # two stays of nine seconds are no stay of ten
    ],
)
def test_short_absences(away_s: float, events: int) -> None:
    path = along(
        (0, 200, 500),
        (1, 330, 500),
        (9, 330, 500),
        (9.5, 280, 500),
        (9.5 + away_s, 280, 500),
        (10 + away_s, 330, 500),
        (18 + away_s, 330, 500),
        (18.5 + away_s, 280, 500),
        (30, 250, 500),
    )
    assert len(raised(path, "loitering", seconds=30, behaviours=behaviours("loitering", {"dwell_s": 10}))) == events


def test_the_cool_down_suppresses_events_until_it_ends() -> None:
    points = [(0.0, 250.0, 500.0)]
    for visit in range(4):
        begin = visit * 30.0
        points += [(begin + 1, 250, 500), (begin + 3, 400, 500), (begin + 20, 400, 500), (begin + 22, 250, 500)]
    path = along(*points, (130, 250, 500))
    for cooldown_s, count in ((0, 4), (40, 2), (300, 1)):
        config = behaviours("loitering", {"dwell_s": 10, "cooldown_s": cooldown_s})
        events = raised(path, "loitering", seconds=125, behaviours=config)
        assert len(events) == count
        assert len({event.id for event in events}) == count


def test_two_loiterers_are_two_events() -> None:
    paths = [STAYS, along((0, 750, 600), (3, 600, 600), (60, 600, 600))]
    events = opened(watch(detections(paths, fps=5, seconds=60), site()), "loitering")
    assert len({event.id for event in events}) == 2


SHED = along((0, 300, 500), (2, 150, 500), (20, 100, 500), (23, 300, 500), (30, 320, 500))
"""Enters the shed at x = 200 after 1.33 s and leaves it at about 21.5 s."""


def test_an_intrusion_from_its_entry_to_its_end() -> None:
    events = watch(detections([SHED], fps=5, seconds=30), site())
    assert [event.state for event in events if event.state != "updated"] == ["open", "closed"]
    first, last = events[0], events[-1]
    assert (first.kind, first.zone, first.severity, first.kisa) == ("intrusion", "shed", 2, "Intrusion")
    assert first.started_at - NOON == pytest.approx(1.33 + 0.5, abs=0.6)
    assert last.ended_at is not None
    assert last.ended_at - NOON == pytest.approx(21.5, abs=0.6)
    assert first.sentence == {
        "ko": "주간에 출입이 금지된 '창고' 구역에 사람이 들어옴 (기준 0.5초 이상)",
        "en": "Person entered the closed zone 'the shed' by day (threshold 0.5 s)",
    }
    assert last.sentence["ko"].startswith("주간에 출입이 금지된 '창고' 구역에 사람이 들어와 ")


@pytest.mark.parametrize(
    ("schedule", "start", "count"),
    [
        (None, NOON, 1),  # always closed
        ("night", NOON, 0),  # open by day
        ("night", MIDNIGHT, 1),
        ("office", NOON, 1),
        ("office", MIDNIGHT, 0),
    ],
)
def test_a_zone_is_closed_by_its_hours(schedule: str | None, start: float, count: int) -> None:
    zones = [zone.model_dump() for zone in site().cameras[0].zones]
    zones[1]["schedule"] = schedule
    assert len(raised(SHED, "intrusion", start=start, camera={"zones": zones})) == count


def test_a_person_inside_when_the_zone_closes_is_an_intruder_from_then_on() -> None:
    zones = [zone.model_dump() for zone in site().cameras[0].zones]
    zones[1]["schedule"] = "office"  # closed from 09:00
    nine = NOON - 3 * 3600
    stays = along((0, 100, 500), (60, 100, 500))
    events = raised(stays, "intrusion", start=nine - 30, camera={"zones": zones})
    assert [event.started_at - nine for event in events] == [pytest.approx(0.5, abs=0.3)]


def test_grazing_a_closed_zone_raises_nothing() -> None:
    grazes = along((0, 300, 500), (2, 205, 500), (2.1, 195, 500), (2.2, 205, 500), (4, 300, 500))
    assert not raised(grazes, "intrusion", seconds=10)


@pytest.mark.parametrize(
    ("direction", "path", "count"),
    [
        # the line runs down the picture: one who walks along it has the picture's right on the left hand
        ("both", along((0, 700, 500), (4, 900, 500)), 1),
        ("both", along((0, 900, 500), (4, 700, 500)), 1),
        ("left_to_right", along((0, 900, 500), (4, 700, 500)), 1),
        ("left_to_right", along((0, 700, 500), (4, 900, 500)), 0),
        ("right_to_left", along((0, 700, 500), (4, 900, 500)), 1),
        ("right_to_left", along((0, 900, 500), (4, 700, 500)), 0),
        ("both", along((0, 700, 150), (4, 900, 150)), 0),  # past the line's end
        ("both", along((0, 700, 500), (3, 780, 500), (6, 700, 500)), 0),  # up to it and back
        ("both", along((0, 700, 500), (3, 880, 500), (6, 700, 500)), 2),  # over it and back again
    ],
)
def test_which_crossings_count(direction: str, path: Path, count: int) -> None:
    line = {**site().cameras[0].lines[0].model_dump(), "direction": direction}
    assert len(raised(path, "line_crossing", seconds=8, camera={"lines": [line]})) == count


@pytest.mark.parametrize("fps", [1.0, 2.0, 5.0, 15.0])
def test_a_person_who_stands_on_the_line_raises_one_event_at_most(fps: float) -> None:
    sways = along(*((float(second), 795.0 + second % 2 * 10, 500.0) for second in range(60)))
    assert len(raised(sways, "line_crossing", fps=fps)) <= 1


def test_a_crossing_closes_as_soon_as_it_opens() -> None:
    events = watch(detections([along((0, 700, 500), (4, 900, 500))], fps=5, seconds=8), site())
    assert [event.state for event in events] == ["open", "closed"]
    assert events[0].started_at == events[1].ended_at
    assert events[0].sentence == {
        "ko": "주간에 사람이 '정문' 선을 오른쪽에서 왼쪽으로 넘음 (감시 방향: 양방향)",
        "en": "Person crossed the line 'the gate' from right to left by day (watched: both directions)",
    }


def test_a_crossing_during_an_occlusion_is_raised_afterwards() -> None:
    behind_a_truck = hidden(along((0, 600, 500), (8, 1000, 500)), 3.6, 4.8)
    assert len(raised(behind_a_truck, "line_crossing", seconds=8)) == 1


def test_a_dwell_returns_to_its_first_track() -> None:
    """Two people look alike. One is hidden and the other appears there and continues the dwell; then both are seen."""
    first = along((0, 250, 500), (2, 400, 500), (60, 400, 500))
    second = hidden(along((0, 530, 500), (60, 530, 500)), 0, 7.8)
    records = detections([hidden(first, 6, 8.4), second], fps=5, seconds=30)
    alike = [
        msgspec.structs.replace(record, appearance=np.full((len(record), 144), 40, np.uint8)) for record in records
    ]
    events = opened(watch(alike, site()), "loitering")
    assert [event.started_at - NOON for event in events] == [
        pytest.approx(0.7 + 10, abs=0.7),  # the first one's dwell ran on
        pytest.approx(7.8 + 10, abs=0.7),  # the second one's runs from his own entry
    ]


@pytest.mark.parametrize(
    ("label", "path", "count"),
    [
        (3, along((0, 100, 500), (30, 100, 500)), 0),  # a parked car
        (3, along((0, 400, 500), (4, 100, 500), (30, 100, 500)), 1),  # a car that drives in
        (0, along(*((float(second), 100.0 + second % 2 * 30, 500.0) for second in range(30))), 0),  # a branch
        (0, along((0, 400, 500), (4, 100, 500), (30, 100, 500)), 1),  # it came in, whatever it is
        (1, along((0, 100, 500), (30, 100, 500)), 1),  # a person who stands there
    ],
)
def test_the_classes_that_must_move_to_count(label: int, path: Path, count: int) -> None:
    assert len(raised(path, "intrusion", seconds=30, label=label)) == count
