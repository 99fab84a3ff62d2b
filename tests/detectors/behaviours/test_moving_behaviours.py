"""Running, wrong ways, gatherings, fences and repeated stays: what is raised, what is not, and at which rate."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from detectors.behaviours.loitering import Loitering, LoiteringMemory
from detectors.camera_state import CameraState
from detectors.observation.observation import Observation
from detectors.watch_stage import WatchStage
from lanewatch import records
from lanewatch.records import Event
from tests.detectors.walker_records import MIDNIGHT, NOON, Path, along, detections, opened, site, visit, watch

RATES = (1, 2, 5, 15)

LANE = {
    "id": "street",
    "name": {"ko": "일방통행로", "en": "the street"},
    "kind": "lane",
    "polygon": [[0.05, 0.4], [0.95, 0.4], [0.95, 0.98], [0.05, 0.98]],
    "direction": [[0.1, 0.7], [0.9, 0.7]],
}
FENCE = {"id": "wall", "name": {"ko": "담", "en": "the wall"}, "kind": "fence", "points": [[0.1, 0.6], [0.9, 0.6]]}
EDGEWISE = {**FENCE, "points": [[0.5, 0.3], [0.5, 0.95]]}


def raised(*paths: Path, kind: str, fps: float = 5, seconds: float = 20, label: int = 1, **changes: Any) -> list[Event]:
    shaken = np.random.default_rng(3)
    found = detections(paths, fps=fps, seconds=seconds, label=label, jitter=shaken, start=changes.pop("start", NOON))
    return opened(watch(found, site(**changes)), kind)


def across(pace: float, begin: float = 2.0) -> Path:
    """From left to right at ``pace`` body heights (of 100 pixels) a second, having stood for a moment."""
    return along((0, 60, 700), (begin, 60, 700), (begin + 8.8 / pace, 940, 700))


@pytest.mark.parametrize("fps", RATES)
def test_a_runner_is_found_at_every_frame_rate(fps: float) -> None:
    events = raised(across(2.4), kind="running", fps=fps)
    assert len(events) == 1
    # on his way after 2 s; 1.5 s of running, up to .9 s until the filtered speed is there, a record on top
    assert 3.5 <= events[0].started_at - NOON <= 4.4 + 1 / fps
    assert events[0].severity == 1
    # at one look a second the filtered speed is too high at first
    assert events[0].factors[0].detail["speed"] == pytest.approx(2.4, abs=0.4 if fps > 1 else 0.8)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize("pace", [0.5, 0.8, 1.2])
def test_a_walker_does_not_run(pace: float, fps: float) -> None:
    assert not raised(across(pace), kind="running", fps=fps)


@pytest.mark.parametrize(
    ("label", "thresholds", "count"),
    [
        (2, {}, 0),  # a bicycle is fast
        (3, {}, 0),  # a car too
        (1, {"speed": 4}, 0),
        (1, {"run_s": 5}, 0),  # he is through the picture sooner
        (2, {"classes": "person bicycle"}, 1),
    ],
)
def test_the_classes_that_run(label: int, thresholds: dict[str, Any], count: int) -> None:
    behaviours = {"running": {"thresholds": thresholds}}
    path = along((0, 60, 700), (2, 60, 700), (5.5, 940, 700))
    assert len(raised(path, kind="running", label=label, behaviours=behaviours)) == count


def test_a_dash_over_the_road_is_no_run() -> None:
    assert not raised(along((0, 100, 700), (3, 100, 700), (3.8, 290, 700), (20, 290, 700)), kind="running")


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize(
    ("start_x", "end_x", "label", "count"),
    [
        (920, 80, 3, 1),  # a car against the arrow
        (80, 920, 3, 0),  # along it
        (920, 80, 1, 0),  # people may walk as they like
        (920, 700, 3, 0),  # it backs up by two of its lengths
    ],
)
def test_the_wrong_way_along_a_lane(start_x: float, end_x: float, label: int, count: int, fps: float) -> None:
    path = along((0, start_x, 700), (abs(end_x - start_x) / 120, end_x, 700), (12, end_x, 700))
    events = raised(path, kind="wrong_way", fps=fps, seconds=12, label=label, camera={"zones": [LANE]})
    assert len(events) == count
    if events:  # three lengths of 100 pixels (.93 of the box's diagonal) at 120 pixels a second
        assert events[0].started_at - NOON == pytest.approx(2.5, abs=0.6 + 1 / fps)
        assert events[0].zone == "street"
        assert events[0].severity == 2


def test_crossing_a_lane_is_not_going_along_it() -> None:
    crosses = along((0, 500, 350), (4, 500, 790))
    slanting = along((0, 300, 350), (5, 150, 790))
    for path in (crosses, slanting):
        assert not raised(path, kind="wrong_way", label=3, camera={"zones": [LANE]})


def test_a_lane_without_a_direction_has_no_wrong_way() -> None:
    lane = {name: value for name, value in LANE.items() if name != "direction"}
    path = along((0, 920, 700), (7, 80, 700))
    assert not raised(path, kind="wrong_way", label=3, camera={"zones": [lane]})


def group(number: int, begin: float, stay_s: float, apart: float = 70.0) -> list[Path]:
    """People who come from all sides, stand in two rows, and leave."""
    paths = []
    for person in range(number):
        x, y = 430 + apart * (person // 2), 600 + 40 * (person % 2)
        outside = (80 if person % 2 else 920, y)
        paths.append(
            along((begin, *outside), (begin + 6, x, y), (begin + 6 + stay_s, x, y), (begin + 12 + stay_s, *outside))
        )
    return paths


@pytest.mark.parametrize("fps", RATES)
def test_five_people_who_stand_together_are_a_gathering(fps: float) -> None:
    events = raised(*group(5, 0, 50), kind="gathering", fps=fps, seconds=65)
    assert len(events) == 1
    assert events[0].began_at - NOON == pytest.approx(5, abs=1.5)  # near before they stand
    assert events[0].started_at - events[0].began_at == pytest.approx(30, abs=1 / fps + 0.01)
    assert events[0].sentence["ko"] == "주간에 5명이 30초 동안 모여 있음 (기준 5명, 30초)"


@pytest.mark.parametrize(
    ("paths", "why"),
    [
        (group(4, 0, 50), "too few"),
        (group(6, 0, 15), "for too short a time"),
        (group(6, 0, 50, apart=250), "too far apart"),
    ],
)
def test_other_groups_are_no_gathering(paths: list[Path], why: str) -> None:
    assert not raised(*paths, kind="gathering", seconds=65), why


def test_a_rule_may_lower_the_number_of_people() -> None:
    rules = [{"zones": ["yard"], "thresholds": {"people": 3, "together_s": 10}}]
    events = raised(*group(3, 0, 30), kind="gathering", seconds=45, behaviours={"gathering": {"rules": rules}})
    assert [(event.zone, event.thresholds["people"]) for event in events] == [("yard", 3.0)]


def climbs(up: float = 120.0) -> Path:
    """Comes to a wall at y = 480 from below, climbs by ``up`` pixels within 3 s, and walks on behind it."""
    return along((0, 500, 700), (3, 500, 500), (6, 500, 500 - up), (8, 500, 470 - up))


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize(
    ("line", "path", "count"),
    [
        (FENCE, climbs(), 1),
        (FENCE, along((0, 500, 300), (3, 500, 450), (5, 500, 350), (8, 500, 620)), 1),  # out of it: up, then down
        (FENCE, along((0, 200, 495), (12, 800, 495)), 0),  # along it, close by
        (FENCE, along((0, 500, 700), (3, 500, 500), (6, 500, 455), (9, 500, 700)), 0),  # looks over it
        (EDGEWISE, along((0, 300, 600), (2, 450, 600), (5, 480, 520), (7, 540, 540), (9, 700, 600)), 1),
        (EDGEWISE, along((0, 300, 600), (6, 700, 600)), 0),  # through a gate that was not left out: no rise
    ],
)
def test_climbing_over_a_fence(line: dict[str, Any], path: Path, count: int, fps: float) -> None:
    events = raised(path, kind="climbing", fps=fps, seconds=12, camera={"lines": [line]})
    assert len(events) == count
    assert all(event.severity == 2 and event.zone == "wall" for event in events)


def test_a_fence_is_no_line_to_cross() -> None:
    assert not raised(climbs(), kind="line_crossing", camera={"lines": [FENCE]})


def stays(*times: tuple[float, float], x: float = 500) -> Path:
    """A person, always with the same appearance, who is in the yard at some times for some seconds."""
    paths = [visit(begin, x, stay_s, 100) for begin, stay_s in times]
    return lambda time: next((spot for path in paths if (spot := path(time)) is not None), None)


def test_a_person_who_loiters_again_raises_the_severity() -> None:
    events = raised(stays((0, 15), (100, 15), (200, 15)), kind="loitering", seconds=250)
    assert [event.severity for event in events] == [1, 2, 2]
    parts = [{factor.name: factor for factor in event.factors} for event in events]
    assert "again" not in parts[0]
    assert [part["again"].detail["earlier"] for part in parts[1:]] == [1, 2]
    assert events[1].score == pytest.approx(events[0].score + 0.05, abs=0.02)
    assert events[1].sentence["en"].endswith("(threshold 10 s, stay 2 within the hour)")
    assert events[1].sentence["ko"].endswith("(기준 10초, 1시간 이내 2번째)")


def test_another_person_does_not_raise_the_severity() -> None:
    other = visit(100, 400, 15, 100)
    events = raised(stays((0, 15)), other, kind="loitering", seconds=150)
    assert [event.severity for event in events] == [1, 1]


def test_passing_by_ten_times_does_not_add_up() -> None:
    often = stays(*((40.0 * number, 3.0) for number in range(10)), (420, 15))
    events = raised(often, kind="loitering", seconds=460)
    assert [event.severity for event in events] == [1]


def test_after_an_hour_the_first_stay_does_not_count() -> None:
    seconds = 3800
    found = detections([stays((0, 15), (3720, 15))], fps=2, seconds=seconds)
    events = opened(watch(found, site()), "loitering")
    assert [event.severity for event in events] == [1, 1]


def test_under_infrared_no_person_is_recognised() -> None:
    path = stays((0, 15), (100, 15))
    found = [msgspec.structs.replace(record, profile="infrared") for record in detections([path], fps=2, seconds=150)]
    assert [event.severity for event in opened(watch(found, site()), "loitering")] == [1, 1]


def test_memories_survive_a_checkpoint() -> None:
    """The same revisions whether the state goes through msgpack at every record or never."""
    paths = [across(2.4), climbs(), *group(5, 0, 50)]
    camera = {"lines": [FENCE], "zones": [LANE]}
    behaviours = {"wrong_way": {"thresholds": {"classes": "person"}}}
    found = detections(paths, fps=3, seconds=60, start=MIDNIGHT)
    whole = watch(found, site(camera=camera, behaviours=behaviours))
    watcher = WatchStage(site(camera=camera, behaviours=behaviours), run="test")
    state = watcher.start("lane")
    pieces: list[Event] = []
    for record in found:
        state, events = watcher.step(records.decode(records.encode(state), CameraState), record)
        pieces += events
    assert pieces == whole
    assert {event.kind for event in whole} >= {"running", "climbing", "gathering"}


def test_remembered_stays_cost_nothing_while_the_street_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a loitering stay the behaviour is not evaluated until a person comes."""
    evaluated_at: list[float] = []
    step = Loitering.step

    def counting(self: Loitering, memory: LoiteringMemory, observation: Observation) -> Any:
        evaluated_at.append(observation.captured_at)
        return step(self, memory, observation)

    monkeypatch.setattr(Loitering, "step", counting)
    found = detections([stays((0, 15), (100, 15))], fps=2, seconds=140)
    events = opened(watch(found, site()), "loitering")
    assert [event.severity for event in events] == [1, 2]
    assert not [at for at in evaluated_at if 40 < at - NOON < 100]
