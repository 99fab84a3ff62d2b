"""Time without observation: lost cameras, ended recordings, handovers, late and duplicate records."""

from __future__ import annotations

import msgspec
import pytest

from detectors.watch_stage import WatchStage
from lanewatch import records
from lanewatch.records import Detections
from tests.detectors.walker_records import (
    NOON,
    along,
    detections,
    loiterer,
    make_record,
    opened,
    site,
    watch,
)

SITE = site()
LOITERING_AT = 10.9


def test_a_recordings_end_expires_what_is_open() -> None:
    events = watch([*loiterer(20), make_record(NOON + 20, gap="ended")], SITE)
    assert [event.state for event in events if event.state != "updated"] == ["open", "expired"]
    assert events[-1].ended_at is None
    assert events[-1].revision == round((NOON + 20) * 1000)


@pytest.mark.parametrize(
    ("lost_s", "states"),
    [
        (20, ["open"]),  # he may still be there
        (40, ["open", "expired"]),  # unknown
    ],
)
def test_a_camera_out_of_reach_expires_what_is_open(lost_s: int, states: list[str]) -> None:
    ticks = [make_record(NOON + 20 + second, gap="lost") for second in range(lost_s)]
    events = [event for event in watch([*loiterer(20), *ticks], SITE) if event.kind == "loitering"]
    assert [event.state for event in events if event.state != "updated"] == states
    assert all(event.ended_at is None for event in events)


def test_a_short_loss_of_the_camera_does_not_end_a_dwell() -> None:
    seen = loiterer(20)
    blind = [
        make_record(record.captured_at, gap="lost") if 5 < record.captured_at - NOON < 10 else record for record in seen
    ]
    assert opened(watch(blind, SITE))[0].started_at == opened(watch(seen, SITE))[0].started_at


def test_a_still_cameras_ticks_let_time_pass() -> None:
    """He stands so still that the gate shuts: he has dwelt on, and when he has gone the event closes."""
    still = [make_record(NOON + 6 + second, gap="idle") for second in range(1, 10)]
    events = watch([*loiterer(6), *still], SITE)
    assert [event.kind for event in opened(events)] == ["loitering"]
    assert opened(events)[0].started_at == pytest.approx(NOON + LOITERING_AT, abs=1.1)
    empty = [make_record(NOON + 16 + second, gap=None if second < 3 else "idle") for second in range(30)]
    events = watch([*loiterer(6), *still, *empty], SITE)
    assert events[-1].state == "closed"
    assert events[-1].ended_at == NOON + 15


@pytest.mark.parametrize(
    ("step_s", "opens"),
    [
        (0.2, 1),  # a sampler was restarted, or handed over
        (2.9, 1),
        (15.0, 1),  # one was killed, and another one has taken over
        (31.0, 2),  # the person may be another one
        (-3600.0, 2),  # the clock was set back by an hour
        (3600.0, 2),
    ],
)
def test_a_new_epoch(step_s: float, opens: int) -> None:
    before = loiterer(15)
    shifted = before[-1].captured_at + step_s
    after = detections([lambda _: (500, 500)], fps=5, seconds=15, start=shifted, epoch=2)
    events = watch([*before, *after], SITE)
    assert len(opened(events)) == opens
    assert [event.state for event in events].count("expired") == opens - 1
    assert len({(event.id, event.revision) for event in events}) == len(events)


def test_late_duplicate_and_stale_records_are_skipped_and_counted() -> None:
    recorded = loiterer(15)
    disorder = []
    for number, record in enumerate(recorded):
        disorder.append(record)
        if number % 5 == 4:
            disorder += [record, recorded[number - 3]]
    watcher = WatchStage(SITE, run="test")
    state, events = watcher.start("lane"), []
    for record in disorder:
        state, more = watcher.step(state, record)
        events += more
    assert events == watch(recorded, SITE)
    assert state.skipped == {"duplicate": 15, "late": 15}


def test_a_handovers_overlap_is_recognised_by_slot_and_the_newest_epoch_wins() -> None:
    recorded = loiterer(15)
    first, second = recorded[:50], [records.decode(records.encode(record), Detections) for record in recorded[45:]]
    successor = loiterer(15, epoch=2)[45:]
    expected = [(event.id, event.state, event.revision) for event in watch(recorded, SITE)]
    watcher = WatchStage(SITE, run="test")
    state, events = watcher.start("lane"), []
    for record in [*first, *successor[:10], *second[10:20], *successor[10:]]:
        state, more = watcher.step(state, record)
        events += more
    assert [(event.id, event.state, event.revision) for event in events] == expected
    assert state.skipped == {"duplicate": 2, "late": 3, "stale": 10}


@pytest.mark.parametrize("hole_s", [5, 10, 15])
@pytest.mark.parametrize("begin", range(2, 44, 8))
def test_a_hole_in_a_stay_loses_and_doubles_nothing(hole_s: int, begin: int) -> None:
    """A sampler is killed at any moment of a loiterer's and an intruder's stay; the threshold is half a minute."""
    longer_dwell = site(behaviours={"loitering": {"thresholds": {"dwell_s": 30}}})
    paths = [along((0, 500, 500), (55, 500, 500)), along((0, 100, 500), (55, 100, 500))]
    whole = detections(paths, fps=5, seconds=60)
    holed = [record for record in whole if record.captured_at - NOON < begin]
    holed += [
        msgspec.structs.replace(record, epoch=2) for record in whole if record.captured_at - NOON >= begin + hole_s
    ]
    expected, found = opened(watch(whole, longer_dwell)), opened(watch(holed, longer_dwell))
    for kind in ("loitering", "intrusion"):
        times = [event.started_at for event in expected if event.kind == kind]
        late = [event.started_at - times[0] for event in found if event.kind == kind]
        assert len(late) == 1
        assert late[0] <= 10.0 or begin <= times[0] - NOON <= begin + hole_s


def test_another_person_inherits_no_stay_over_a_hole() -> None:
    first_person = [record for record in loiterer(8) if record.captured_at - NOON < 8]
    after = detections([lambda _: (330, 320)], fps=5, seconds=8, start=NOON + 20, epoch=2)
    moved = detections([lambda _: (500, 500)], fps=5, seconds=8, start=NOON + 20, epoch=2)
    assert opened(watch([*first_person, *moved], SITE))
    other = [msgspec.structs.replace(record, appearance=record.appearance[:, ::-1].copy()) for record in after]
    assert not opened(watch([*first_person, *other], SITE))
