"""Produce theft: stop, load, leave; and sequences that a site file declares."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import numpy as np
import pytest

from detectors.behaviours.registry import behaviours_of
from detectors.behaviours.sequences.produce_theft import ProduceTheft
from detectors.camera_state import CameraState
from detectors.site.validation import validate
from detectors.watch_stage import WatchStage
from lanewatch import records
from lanewatch.config.site import Site
from lanewatch.records import Event, StillRegion
from tests.detectors.vehicle_records import FIELD, LANE, Actor, lane_site, seen, stop, trip
from tests.detectors.walker_records import MIDNIGHT, NOON, along, hidden, make_record, watch

LOADING = [stop(10, 110), trip(20, 10), trip(45, 10), trip(70, 10)]
CHANGING = stop(10, 110)._replace(label=lambda time: "car" if int(time) % 7 == 0 else "truck")


def thefts(actors: list[Actor], *, site: Site | None = None, seconds: float = 300, **how: Any) -> list[Event]:
    events = watch(seen(actors, seconds=seconds, **how), site or lane_site())
    return [event for event in events if event.kind == "produce_theft"]


def highest_severity(events: list[Event]) -> int:
    return max((event.severity for event in events), default=0)


def test_it_is_one_event_that_escalates() -> None:
    events = thefts(LOADING)
    assert len({event.id for event in events}) == 1
    first = {
        severity: next(event.updated_at for event in events if event.severity == severity) for severity in (1, 2, 3)
    }
    assert first[1] - MIDNIGHT == pytest.approx(30, abs=1)  # 20 s after the stop
    assert 48 <= first[2] - MIDNIGHT <= 54  # the second one sets out at 45 s and is in the field for 3 s by 50 s
    assert first[3] - MIDNIGHT == pytest.approx(110, abs=2)
    assert events[0].began_at - MIDNIGHT == pytest.approx(10, abs=1)
    assert events[0].zone == "peppers"
    assert events[-1].state == "closed"
    assert "고추밭" in events[-1].sentence["ko"]
    assert "the vehicle left" in events[-1].sentence["en"]
    assert all(event.score == pytest.approx(sum(part.value for part in event.factors)) for event in events)
    assert all(0 <= event.score <= 1 for event in events)


@pytest.mark.parametrize("fps", [1, 2, 5])
def test_the_frame_rate_makes_little_difference(fps: float) -> None:
    events = thefts(LOADING, fps=fps)
    first = {
        severity: next(event.updated_at for event in events if event.severity == severity) for severity in (1, 2, 3)
    }
    assert first[1] - MIDNIGHT == pytest.approx(30, abs=1 / fps + 1)
    assert first[2] - MIDNIGHT == pytest.approx(52, abs=4)
    assert first[3] - MIDNIGHT == pytest.approx(111, abs=1 / fps + 1)


@pytest.mark.parametrize(
    ("actors", "severity"),
    [
        ([stop(10, 70)], 1),  # it only stops
        ([stop(10, 25)], 0),  # not even for long
        ([stop(10, 110), trip(20, 15)], 1),  # one looks at the peppers, once
        ([Actor(along((0, 500, 520), (200, 500, 520)), "truck"), trip(20, 10), trip(45, 10)], 1),  # parked before
        ([Actor(along((0, 100, 350), (20, 900, 350)), "person")], 0),  # passes through
        ([Actor(along((0, 500, 700), (8, 500, 300), (90, 560, 300), (100, 500, 700)), "person")], 3),  # on foot
        ([stop(10, 130, label="motorcycle"), trip(16, 70)], 3),
        ([CHANGING, *LOADING[1:]], 3),  # a car now, a truck then
        ([stop(10, 110, 500, 650), *LOADING[1:]], 3),  # on the lane, by the field
    ],
    ids=["stop", "short", "look", "parked", "pass", "foot", "motorcycle", "label", "lane"],
)
def test_the_severity_of_activities(actors: list[Actor], severity: int) -> None:
    assert highest_severity(thefts(actors)) == severity


def test_jitter_and_missed_boxes_change_nothing() -> None:
    for seed in range(3):
        events = thefts(LOADING, chance=np.random.default_rng(seed), missed=0.3)
        assert highest_severity(events) == 3
        assert len({event.id for event in events}) == 1


def test_by_day_it_is_raised_in_the_harvest_only() -> None:
    september = NOON + 240 * 86_400
    assert thefts(LOADING, start=NOON) == []
    assert highest_severity(thefts(LOADING, start=september)) == 1
    away = {**FIELD, "owner_hours": "early"}
    hours = {"night": {"sun": "night"}, "early": {"hours": ["04:00-08:00"]}}
    assert highest_severity(thefts(LOADING, start=september, site=lane_site(away, LANE, schedules=hours))) == 3


@pytest.mark.parametrize(
    ("zones", "site", "severity"),
    [
        ({"owner_hours": "late"}, {}, 1),
        ({"owner_hours": "early"}, {}, 3),
        ({}, {"visits": [("2026-01-15T23:50:00+09:00", "2026-01-16T00:30:00+09:00", "peppers")]}, 1),
        ({}, {"visits": [("2026-01-15T20:00:00+09:00", "2026-01-15T23:00:00+09:00", "peppers")]}, 3),
        ({}, {"visits": [("2026-01-15T23:50:00+09:00", "2026-01-16T00:30:00+09:00", "lane")]}, 3),
    ],
    ids=["owner", "not his hours", "visit", "over", "elsewhere"],
)
def test_owners_and_registered_visitors_raise_no_alert(
    zones: dict[str, Any], site: dict[str, Any], severity: int
) -> None:
    visits = [
        {"who": "이장", "zones": [zone], "since": since, "until": until}
        for since, until, zone in site.get("visits", [])
    ]
    hours = {"late": {"hours": ["23:00-01:00"]}, "early": {"hours": ["04:00-06:00"]}}
    events = thefts(LOADING, site=lane_site({**FIELD, **zones}, LANE, schedules=hours, visits=visits))
    assert highest_severity(events) == severity
    if severity == 1:
        lowered = [factor for factor in events[-1].factors if factor.name == "lowered"]
        assert [factor.value for factor in lowered] == [-0.2]


def test_a_registration_does_not_cover_the_next_vehicle() -> None:
    """Two vehicles within the calm time, one after the other: the first one's registration covers only the first."""
    visit = {"who": "이장", "zones": ["peppers"], "since": "2026-01-15T23:50:00+09:00"}
    site = lane_site(visits=[{**visit, "until": "2026-01-16T00:01:30+09:00"}])
    owner, thief = stop(10, 80), stop(140, 250, 600, 520)
    events = thefts([owner, thief, trip(150, 15), trip(175, 15), trip(200, 15)], site=site, seconds=450)
    worst = {event.id: highest_severity([other for other in events if other.id == event.id]) for event in events}
    assert list(worst.values()) == [1, 3]
    began = sorted({event.began_at for event in events})
    assert began[1] - MIDNIGHT == pytest.approx(140, abs=2)


def test_a_registration_covers_one_visit_and_none_that_loaded_before_it() -> None:
    """Within its hours the second vehicle is another one, and so is one that had loaded before they began."""
    visit = {"who": "이장", "zones": ["peppers"], "until": "2026-01-16T00:30:00+09:00"}
    whole = lane_site(visits=[{**visit, "since": "2026-01-15T23:50:00+09:00"}])
    thief = [stop(140, 250, 600, 520), trip(150, 15), trip(175, 15), trip(200, 15)]
    events = thefts([stop(10, 80), trip(20, 15), trip(50, 15), *thief], site=whole, seconds=450)
    worst = {event.id: highest_severity([other for other in events if other.id == event.id]) for event in events}
    assert list(worst.values()) == [1, 3]
    events = thefts([stop(10, 80), *thief], site=whole, seconds=450)  # a vehicle that only stops has not used it
    assert highest_severity(events) == 1
    assert (
        highest_severity(thefts(LOADING, site=lane_site(visits=[{**visit, "since": "2026-01-16T00:01:00+09:00"}]))) == 3
    )


@pytest.mark.parametrize(("by", "severity"), [({}, 3), ({"by": ["motorcycle"]}, 3), ({"by": ["truck", "person"]}, 1)])
def test_a_registration_does_not_cover_other_means_of_arrival(by: dict[str, Any], severity: int) -> None:
    """A registered visitor comes by car or truck by default. A person on foot is another one."""
    whole = {"since": "2026-01-15T23:50:00+09:00", "until": "2026-01-16T00:30:00+09:00"}
    site = lane_site(visits=[{"who": "이장", "zones": ["peppers"], **whole, **by}])
    walker = Actor(along((0, 500, 700), (8, 500, 300), (90, 560, 300), (100, 500, 700)), "person")
    assert highest_severity(thefts([walker], site=site)) == severity
    assert highest_severity(thefts(LOADING, site=site)) == (3 if by == {"by": ["motorcycle"]} else 1)


def test_a_vehicle_that_stops_in_the_place_of_a_lost_one_is_another() -> None:
    """The first drives away unseen; the second drives in from elsewhere, and its stop is its own."""
    first = Actor(along((4, 40, 640), (10, 500, 520), (100, 500, 520)), "truck")
    second = [stop(130, 230), trip(140, 10), trip(165, 10), trip(190, 10)]
    events = thefts([first, *LOADING[1:], *second], seconds=450)
    worst = {
        event.began_at - MIDNIGHT: highest_severity([other for other in events if other.id == event.id])
        for event in events
    }
    assert list(worst) == [pytest.approx(10, abs=1), pytest.approx(130, abs=1)]
    assert list(worst.values()) == [3, 3]


def test_untracked_people_make_trips() -> None:
    """Their score is high enough for a detection now and then, and never for a track."""
    weak = [trip(at, 12)._replace(score=0.35) for at in (20, 50, 80)]
    assert highest_severity(thefts([stop(10, 120), *weak])) == 3
    assert highest_severity(thefts([stop(10, 120), weak[0]])) == 1
    apart = [weak[0], trip(200, 12)._replace(score=0.35)]
    assert (
        highest_severity(thefts([stop(10, 240), *apart], seconds=400)) == 1
    )  # three minutes apart they are no trips of one theft
    touches = [along((at, 480, 500), (at + 2, 480, 370), (at + 4, 480, 500)) for at in (20, 50, 80)]
    assert highest_severity(thefts([stop(10, 120), *(Actor(path, "person", 0.35) for path in touches)])) == 1


@pytest.mark.parametrize("score", [0.35, 0.7])
def test_a_standing_person_who_is_missed_for_a_while_makes_no_new_trip(score: float) -> None:
    """A driver stands at the field's edge. The detector misses the driver for ten seconds in the middle."""
    visitor = along((20, 480, 500), (22, 480, 390), (50, 480, 390), (52, 480, 500))
    driver = Actor(hidden(visitor, 30, 40), "person", score)
    assert highest_severity(thefts([stop(10, 120), driver])) == 1
    walks = along((20, 480, 500), (22, 480, 390), (30, 480, 390), (40, 540, 390), (50, 540, 390), (52, 480, 500))
    goes_and_comes = Actor(hidden(walks, 30, 40), "person", score)
    assert highest_severity(thefts([stop(10, 120), goes_and_comes])) == 3


@pytest.mark.parametrize(("idle_s", "another"), [(600, False), (2 * 3600, True)])
def test_a_vehicle_in_the_place_of_one_seen_an_hour_ago_is_another(idle_s: int, another: bool) -> None:
    """The first drives away unseen, nothing moves until the second one comes, and that appears where it stopped."""
    first = seen([Actor(along((4, 40, 640), (10, 500, 520), (60, 500, 520)), "truck")], seconds=70)
    later = MIDNIGHT + 70 + idle_s
    idle = [make_record(MIDNIGHT + 70 + second, gap="idle") for second in range(0, idle_s, 5)]
    rests = StillRegion((420.0, 430.0, 580.0, 520.0), later + 10)
    second = []
    truck = Actor(along((10, 500, 520), (105, 500, 520), (110, 960, 640)), "truck")
    for record in seen([truck, *LOADING[1:]], seconds=150, start=later):
        still = (rests,) if 13 <= record.captured_at - later < 105 else ()
        second.append(msgspec.structs.replace(record, scene=msgspec.structs.replace(record.scene, still=still)))
    events = watch([*first, *idle, *second], lane_site())
    theft = [event for event in events if event.kind == "produce_theft"]
    assert highest_severity(theft) == 3
    assert ("a truck stood for 1 min 3" in theft[-1].sentence["en"]) == another


def test_a_vehicle_has_arrived_if_only_the_end_of_its_way_is_seen() -> None:
    late = Actor(along((0, 400, 520), (2, 500, 520), (100, 500, 520), (105, 1000, 520)), "truck")
    assert highest_severity(thefts([late, *LOADING[1:]])) == 3


def test_a_pile_that_disappears_while_a_vehicle_stands_raises_the_severity() -> None:
    pile = StillRegion((300.0, 350.0, 340.0, 380.0), MIDNIGHT + 45)
    revisions = []
    watcher = WatchStage(lane_site())
    state = watcher.start("lane")
    for record in seen([stop(10, 110)], seconds=150):
        if record.captured_at >= pile.still_since + 3:
            scene = msgspec.structs.replace(record.scene, still=(pile,))
            record = msgspec.structs.replace(record, scene=scene)
        state, events = watcher.step(state, record)
        revisions += [event for event in events if event.kind == "produce_theft"]
    assert next(event.updated_at for event in revisions if event.severity == 2) - MIDNIGHT == pytest.approx(55, abs=1)
    assert "is gone" in revisions[-1].sentence["en"]


def test_the_memory_survives_a_checkpoint() -> None:
    watcher = WatchStage(lane_site(), run="test")
    state, revisions = watcher.start("lane"), []
    for record in seen(LOADING, seconds=200):
        state, events = watcher.step(state, record)
        state = records.decode(records.encode(state), CameraState)
        revisions += [event for event in events if event.kind == "produce_theft"]
    assert revisions == thefts(LOADING, seconds=200)


DUMPING = {
    "id": "dumping",
    "name": {"ko": "투기 의심", "en": "Suspected dumping"},
    "when": ["late"],
    "steps": [
        {"what": "vehicle_stands", "where": ["off_lane"], "for_s": 10},
        {"what": "people_leave", "within_s": 60, "severity": 2},
        {"what": "vehicle_leaves", "severity": 3},
    ],
}


def test_a_site_file_declares_its_own_sequence() -> None:
    verge = stop(10, 60, 850, 520)
    out = Actor(along((30, 830, 500), (34, 830, 450), (40, 830, 500)), "person")
    hours = {"late": {"hours": ["23:00-01:00"]}}
    site = lane_site(FIELD, LANE, schedules=hours, composites=[DUMPING])
    events = [event for event in watch(seen([verge, out], seconds=250), site) if event.kind == "dumping"]
    assert [event.severity for event in events if event.state == "open"] == [1]
    assert highest_severity(events) == 3
    assert "1 person got out of it" in events[-1].sentence["en"]
    late = [*DUMPING["steps"][:1], {**DUMPING["steps"][1], "within_s": 1}, DUMPING["steps"][2]]  # type: ignore[index]
    strict = lane_site(FIELD, LANE, schedules=hours, composites=[{**DUMPING, "steps": late}])
    slow = Actor(along((40, 830, 500), (44, 830, 450), (50, 830, 500)), "person")
    events = [event for event in watch(seen([verge, slow], seconds=250), strict) if event.kind == "dumping"]
    assert highest_severity(events) == 1


def test_with_three_walkers_and_no_vehicle_it_costs_next_to_nothing() -> None:
    site = lane_site()
    behaviour = ProduceTheft(_limits(site))
    shown = _observations(site)[-1]
    assert len(shown.objects) == 3
    memory = behaviour.start()
    assert behaviour.step(memory, shown) == (memory, ())
    assert behaviour.step(memory, shown)[0] is memory
    best = min(_timed(lambda: behaviour.step(memory, shown)) for _ in range(20))
    assert best < 20e-6  # seconds; 3 us measured on an idle machine


def _timed(call: Any, times: int = 200) -> float:
    began = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - began) / times


def _limits(site: Site) -> Any:
    from detectors.thresholds import Resolver

    return Resolver(site, "lane", ProduceTheft.kind, ProduceTheft.Thresholds)


def _observations(site: Site) -> list[Any]:
    """The observations while three people walk along the lane."""
    shown: list[Any] = []
    watcher = WatchStage(site)
    post = watcher._context(site, "lane")
    assert post is not None
    real = post.evaluate
    post.evaluate = lambda memories, view, triggers: (shown.append(view), real(memories, view, triggers))[1]  # type: ignore
    state = watcher.start("lane")
    walkers = [Actor(along((0, 50, 600 + 40 * row), (20, 900, 600 + 40 * row)), "person") for row in range(3)]
    for record in seen(walkers, seconds=10):
        state, _ = watcher.step(state, record)
    return shown


def test_the_example_of_the_docs_is_valid(tmp_path: Any) -> None:
    import re
    from pathlib import Path

    text = (Path(__file__).parents[4] / "docs" / "site.md").read_text(encoding="utf-8")
    whole, example = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)[:2]
    path = tmp_path / "site.yaml"
    path.write_text(whole.replace("${LANE_PASSWORD}", "x") + example, encoding="utf-8")
    site, problems = validate(path)
    assert problems == []
    assert site is not None
    assert "night-dumping" in behaviours_of(site)
