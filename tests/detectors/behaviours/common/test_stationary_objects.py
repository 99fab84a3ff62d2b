"""Bags set down and taken away by people of ``walks``, who are 100 pixels high; the truth is in the walks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from detectors.behaviours.abandoned_object import AbandonedObject
from detectors.behaviours.removed_object import RemovedObject
from detectors.camera_state import CameraState
from detectors.watch_stage import WatchStage
from lanewatch.records import Box, Detections, Event, Gap, SceneMeasurements, StillRegion, decode, encode
from tests.detectors.walker_records import NOON, SITE, Path, along, detections, hidden, make_record, opened, site, watch

BAG: Box = (480.0, 480.0, 510.0, 500.0)
FAR: Box = (900.0, 700.0, 930.0, 720.0)
LEAVES = along((0, 100, 500), (10, 495, 500), (12, 495, 500), (20, 950, 500))
"""Sets a bag down at 10 s, waits 2 s beside it and walks off, .57 body heights a second."""
STAYS = along((0, 100, 500), (10, 495, 500), (60, 495, 500))
WAS_THERE = along((0, 495, 500), (12, 495, 500), (20, 950, 500))


def lying(
    records: Sequence[Detections], box: Box, since: float, until: float = 1e9, added: float = 0.9
) -> list[Detections]:
    """The same records with a still region, reported from three seconds after it is at rest."""
    region = StillRegion(box, NOON + since, added)
    return [
        msgspec.structs.replace(
            record, scene=msgspec.structs.replace(record.scene, still=(*record.scene.still, region))
        )
        if since + 3 <= record.captured_at - NOON < until and record.gap is None
        else record
        for record in records
    ]


def bag(
    path: Path = LEAVES, *, fps: float = 5, seconds: float = 24, box: Box = BAG, until: float = 1e9, added: float = 0.9
) -> list[Detections]:
    return lying(detections([path], fps=fps, seconds=seconds), box, 10.0, until, added)


def raised(records: Sequence[Detections], kind: str = "abandoned_object", **changes: Any) -> list[Event]:
    return opened(watch(records, site(**changes)), kind)


@pytest.mark.parametrize("fps", [1, 2, 5, 15])
def test_a_bag_whose_owner_has_left_is_raised_within_a_frame_at_any_rate(fps: float) -> None:
    """The owner's box (40 wide) is 1.2 heights clear of the bag at x = 650, at 14.72 s; three seconds later."""
    (event,) = raised(bag(fps=fps))
    assert 17.7 <= event.started_at - NOON <= 17.7 + 2 / fps
    assert event.began_at == NOON + 10
    assert event.peak.box == BAG
    assert (event.onvif, event.kisa) == ("RuleEngine/ObjectAbandoned", "Abandonment")
    assert event.score == pytest.approx(sum(factor.value for factor in event.factors))
    assert "3초" in event.sentence["ko"]
    assert "3 s" in event.sentence["en"]


@pytest.mark.parametrize(
    ("records", "why"),
    [
        (bag(STAYS), "its owner stays with it"),
        (bag(box=(480.0, 480.0, 484.0, 486.0)), "a leaf"),
        (bag(box=(440.0, 400.0, 540.0, 500.0)), "larger than a bag: a person, or a part of a vehicle"),
        (bag(added=-0.9), "bare ground where something was"),
        (bag(until=15.0), "he takes it with him"),
        (bag(WAS_THERE), "he stood before it when the camera began to look: it may always have been there"),
        (bag(hidden(STAYS, 12, 60)), "he is missed, and it is a part of him"),
        (lying(detections([], fps=5, seconds=24), BAG, 10.0), "no person was there: the light"),
        (lying(detections([along((0, 50, 100), (40, 55, 100))], fps=5, seconds=24), FAR, 10.0), "too far to be his"),
    ],
)
def test_other_objects_are_not_abandoned(records: list[Detections], why: str) -> None:
    assert raised(records) == [], why


def test_adjacent_regions_are_one_object_and_passers_by_do_not_end_it() -> None:
    passer = along((30, 50, 520), (40, 950, 520))
    records = lying(detections([LEAVES, passer], fps=5, seconds=60), BAG, 10.0)
    records = lying(records, (512.0, 490.0, 530.0, 500.0), 13.0)
    events = [event for event in watch(records, site()) if event.kind == "abandoned_object"]
    assert len({event.id for event in events}) == 1
    assert all(event.ended_at is None for event in events)


def test_it_ends_when_the_bag_is_fetched() -> None:
    back = along((0, 100, 500), (10, 495, 500), (20, 950, 500), (30, 950, 500), (40, 495, 500), (50, 950, 500))
    events = [event for event in watch(bag(back, seconds=60, until=41.0), site()) if event.kind == "abandoned_object"]
    assert [events[0].state, events[-1].state] == ["open", "closed"]
    assert events[-1].ended_at is not None
    assert 40.0 <= events[-1].ended_at - NOON <= 41.0


def test_ticks_without_motion_count_as_time_alone() -> None:
    """The owner is out of reach, then nothing moves. Ticks carry no scene, and the bag is still there."""
    seen = bag(seconds=16)
    ticks = [make_record(NOON + 16 + second, gap="idle") for second in range(1, 6)]
    (event,) = raised([*seen, *ticks])
    assert 17.7 <= event.started_at - NOON <= 19.0


@pytest.mark.parametrize("gap", ["lost", "shed"])
def test_a_short_gap_neither_raises_nor_removes_an_object(gap: Gap) -> None:
    whole = bag()
    holed = [
        make_record(record.captured_at, gap=gap) if 14 <= record.captured_at - NOON < 16 else record for record in whole
    ]
    assert len(raised(holed)) == 1


def test_a_detected_class_raises_the_score_and_a_threshold_delays_the_event() -> None:
    named = []
    for record in bag():
        grown: dict[str, Any] = {
            "xyxy": [*record.xyxy.tolist(), BAG],
            "scores": [*record.scores.tolist(), 0.6],
            "labels": [*record.labels.tolist(), 9],
        }
        named.append(make_record(record.captured_at, **grown, scene=record.scene))
    assert raised(named)[0].score == pytest.approx(raised(bag())[0].score + 0.2)
    assert "Backpack" in raised(named)[0].sentence["en"]
    patient = {"abandoned_object": {"thresholds": {"alone_s": 60}}}
    assert raised(bag(), behaviours=patient) == []


def test_the_memory_survives_a_checkpoint_and_what_is_unchanged_stays_the_same() -> None:
    records, trial = bag(), site()
    whole = WatchStage(trial, run="test")
    state, events = whole.start("lane"), []
    for record in records:
        state, more = whole.step(decode(encode(state), CameraState), record)
        events += more
    assert [encode(event) for event in events] == [encode(event) for event in watch(records, trial)]


def test_without_stationary_regions_nothing_is_evaluated() -> None:
    for made in (AbandonedObject, RemovedObject):
        assert made.triggers == {"still"}
    watcher = WatchStage(site(), run="test")
    state = watcher.start("lane")
    for record in bag(LEAVES, seconds=40, until=20.0):
        state, _ = watcher.step(state, record)
    assert not {"abandoned_object", "removed_object"} & state.memories.keys()


PILE: Box = (480.0, 470.0, 520.0, 500.0)
"""In the yard, here a place where produce lies."""
STORE = {"camera": {"zones": [{**SITE["cameras"][0]["zones"][0], "kind": "produce"}]}}  # type: ignore[index]


@pytest.mark.parametrize(
    ("box", "added", "count", "why"),
    [
        (PILE, -0.9, 1, "a sack that lay in the yard"),
        (PILE, 0.9, 0, "a sack set down there"),
        (PILE, -0.2, 0, "not clear enough"),
        ((820.0, 470.0, 860.0, 500.0), -0.9, 0, "outside of the zone"),
        ((450.0, 400.0, 540.0, 500.0), -0.9, 0, "a person or a vehicle"),
    ],
)
def test_objects_taken_from_a_produce_zone(box: Box, added: float, count: int, why: str) -> None:
    taker = along((0, 250, 500), (10, 495, 500), (12, 495, 500), (20, 950, 500))
    events = raised(bag(taker, box=box, added=added), "removed_object", **STORE)
    assert len(events) == count, why
    for event in events:
        assert event.zone == "yard"
        assert 15.0 <= event.started_at - NOON <= 15.3
        assert "the yard" in event.sentence["en"]
        assert "'마당'" in event.sentence["ko"]


def test_other_zones_raise_no_removed_object() -> None:
    taker = along((0, 250, 500), (10, 495, 500), (12, 495, 500), (20, 950, 500))
    assert raised(bag(taker, box=PILE, added=-0.9), "removed_object") == []


def test_a_person_who_stood_there_and_leaves_was_not_taken() -> None:
    stood = along((0, 500, 495), (10, 500, 495), (20, 950, 500))
    assert raised(bag(stood, box=PILE, added=-0.9), "removed_object", **STORE) == []


def test_older_records_without_added_raise_nothing() -> None:
    assert SceneMeasurements(still=(StillRegion(BAG, 1.0),)).still[0].added == 0.0
