"""The fold as a whole: what it raises, whatever the rate, the order of checkpoints and the state of the camera."""

from __future__ import annotations

import random
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.behaviours.base import BehaviourError
from detectors.behaviours.registry import find
from detectors.camera_state import CameraState
from detectors.thresholds import ThresholdError
from detectors.watch_stage import WatchStage
from lanewatch import records
from lanewatch.records import Detections, Event, Gap
from tests.detectors.walker_records import (
    NOON,
    along,
    detections,
    hidden,
    loiterer,
    make_record,
    opened,
    site,
    visit,
    watch,
)

RATES = (1.0, 2.0, 5.0, 15.0)
FOOT_FILTER_S = 0.4

SITE = site()


@settings(max_examples=8)
@given(
    begin=st.floats(0, 3), x=st.floats(320, 680), stay_s=st.floats(14, 25), pace=st.floats(60, 90), seed=st.integers(0)
)
def test_the_same_loiterer_at_any_rate(begin: float, x: float, stay_s: float, pace: float, seed: int) -> None:
    path = visit(begin, x, stay_s, pace)
    entered = begin + 90 / pace
    raised = {}
    for fps in RATES:
        noise = np.random.default_rng(seed)
        events = opened(watch(detections([path], fps=fps, seconds=45, jitter=noise), SITE))
        assert [(event.kind, event.zone) for event in events] == [("loitering", "yard")]
        raised[fps] = events[0].started_at - NOON
        assert -0.1 <= raised[fps] - (entered + 10) <= 1 / fps + FOOT_FILTER_S
    for fps in RATES:
        assert abs(raised[fps] - raised[15.0]) <= 1 / fps + 1 / 15


@settings(max_examples=8)
@given(begin=st.floats(0, 3), y=st.floats(330, 680), pace=st.floats(60, 90))
def test_the_same_intruder_at_any_rate(begin: float, y: float, pace: float) -> None:
    path = along((begin, 290, y), (begin + 290 / pace, 0, y))
    entered = begin + 90 / pace
    raised = {}
    for fps in RATES:
        events = opened(watch(detections([path], fps=fps, seconds=10), SITE))
        assert [(event.kind, event.zone) for event in events] == [("intrusion", "shed")]
        raised[fps] = events[0].started_at - NOON
        assert 0 <= raised[fps] - entered <= 0.5 + 1 / fps + FOOT_FILTER_S
    for fps in RATES:
        assert abs(raised[fps] - raised[15.0]) <= 1 / fps + 1 / 15


@settings(max_examples=8)
@given(begin=st.floats(0, 3), y=st.floats(250, 750), pace=st.floats(60, 90), back=st.booleans())
def test_the_same_crossing_at_any_rate(begin: float, y: float, pace: float, back: bool) -> None:
    first, last = (980, 620) if back else (620, 980)
    path = along((begin, first, y), (begin + 360 / pace, last, y))
    crossed = begin + abs(800 - first) / pace
    raised = {}
    for fps in RATES:
        events = opened(watch(detections([path], fps=fps, seconds=12), SITE))
        assert [(event.kind, event.zone) for event in events] == [("line_crossing", "gate")]
        raised[fps] = events[0].started_at - NOON
        assert -0.1 <= raised[fps] - crossed <= 1 / fps + FOOT_FILTER_S
    for fps in RATES:
        assert abs(raised[fps] - raised[15.0]) <= 1 / fps + 1 / 15


@pytest.mark.parametrize("fps", RATES)
def test_ten_short_passes_are_no_loiterer(fps: float) -> None:
    """Four seconds in the yard, three outside, ten times: forty seconds in all."""
    points = []
    for turn in range(10):
        begin = turn * 14.0
        points += [(begin, 180.0, 500.0), (begin + 7, 820.0, 500.0)]
        points += [(begin + 10, 850.0, 500.0)]
    events = watch(detections([along(*points)], fps=fps, seconds=140), SITE)
    assert not opened(events, "loitering")
    assert opened(events, "line_crossing")


@pytest.mark.parametrize("fps", [2.0, 5.0, 15.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_teleporting_box_raises_nothing(fps: float, seed: int) -> None:
    """Five body heights and more between two records, in and out of both zones and over the line."""
    source = random.Random(seed)
    spots = [(500.0, 500.0)]
    while len(spots) < 40 * fps:
        spot = (source.uniform(20, 980), source.uniform(320, 780))
        if all(np.hypot(spot[0] - x, spot[1] - y) > 300 for x, y in spots[-1:]):
            spots.append(spot)
    path = lambda time: spots[round(time * fps)]  # noqa: E731
    assert not watch(detections([path], fps=fps, seconds=40), SITE)


@pytest.mark.parametrize("fps", RATES)
@pytest.mark.parametrize(
    ("hidden_s", "tracks"),
    [
        (2.0, 1),  # the tracker finds him again
        (3.6, 2),  # the tracker has forgotten him: place and look carry the dwell over
    ],
)
def test_lost_and_found_keeps_its_dwell(fps: float, hidden_s: float, tracks: int) -> None:
    path = visit(0, 500, 20, 100)
    expected = opened(watch(detections([path], fps=fps, seconds=40), SITE))[0]
    hidden_path = hidden(path, 6, 6 + hidden_s)
    events = opened(watch(detections([hidden_path], fps=fps, seconds=40), SITE))
    assert [event.kind for event in events] == ["loitering"]
    assert abs(events[0].started_at - expected.started_at) <= 1 / fps + 1e-6
    assert events[0].id == expected.id
    assert len(events[0].tracks) == tracks


def test_another_person_does_not_inherit_a_dwell() -> None:
    """One leaves the place unseen; another, who looks different, appears there."""
    first = hidden(visit(0, 500, 20, 100), 9, 60)
    second = hidden(visit(0, 500, 20, 100), 0, 12.5)
    events = opened(watch(detections([first, second], fps=5, seconds=20), SITE))
    assert not events


def crowd(seed: int, fps: float = 3.0, seconds: float = 60.0) -> list[Detections]:
    """Six people who wander about, with misses, jitter, idle ticks and a false box now and then."""
    source = np.random.default_rng(seed)
    paths = []
    for _ in range(6):
        times = np.cumsum(source.uniform(2, 9, 12))
        paths.append(along(*zip(times, source.uniform(20, 980, 12), source.uniform(250, 780, 12), strict=True)))
    result = []
    for record in detections(paths, fps=fps, seconds=seconds, jitter=source):
        keep = source.random(len(record)) > 0.1
        gap: Gap | None = "idle" if not keep.any() else None
        result.append(
            make_record(
                record.captured_at,
                gap=gap,
                xyxy=record.xyxy[keep],
                scores=record.scores[keep].tolist(),
                labels=record.labels[keep].tolist(),
                appearance=record.appearance[keep],
            )
        )
    return result


@pytest.mark.parametrize("seed", range(4))
def test_checkpoints_replayed_in_any_order_give_the_same_events(seed: int) -> None:
    recorded = crowd(seed)
    watcher = WatchStage(SITE, run="test")
    state = watcher.start("lane")
    checkpoints, events = [], []
    for record in recorded:
        checkpoints.append(records.encode(state))
        state, more = watcher.step(state, record)
        events.append([records.encode(event) for event in more])
    last = records.encode(state)
    assert sum(map(len, events)) > 10
    order = list(range(len(recorded)))
    random.Random(seed).shuffle(order)
    for position in order[:25]:
        again = WatchStage(SITE, run="test")
        state = records.decode(checkpoints[position], CameraState)
        assert records.encode(state) == checkpoints[position]
        for record, expected in zip(recorded[position : position + 40], events[position:], strict=False):
            state, more = again.step(state, record)
            assert [records.encode(event) for event in more] == expected
        if position + 40 >= len(recorded):
            assert records.encode(state) == last


def test_the_state_that_is_given_is_not_changed() -> None:
    watcher = WatchStage(SITE)
    state = watcher.start("lane")
    for record in crowd(1):
        before = records.encode(state)
        after, _ = watcher.step(state, record)
        assert records.encode(state) == before
        state = after


@pytest.mark.parametrize("seed", range(3))
def test_every_event_is_sound(seed: int) -> None:
    """What holds of any event: an opening first, revisions that rise, an end that is not before its beginning, parts
    that add up, sentences in both languages, a peak that was seen."""
    events = watch([*crowd(seed), make_record(NOON + 61, gap="ended")], SITE)
    by_id: dict[str, list[Event]] = {}
    for event in events:
        by_id.setdefault(event.id, []).append(event)
    assert len(by_id) > 3
    for life in by_id.values():
        assert life[0].state == "open"
        assert {event.state for event in life[1:-1]} <= {"updated"}
        assert life[-1].state in ("closed", "expired")
        assert all(event.revision < other.revision for event, other in pairwise(life))
        assert life[-1].ended_at is None if life[-1].state == "expired" else life[-1].ended_at is not None
        for revision in life:
            assert revision.score == pytest.approx(sum(factor.value for factor in revision.factors), abs=1e-9)
            assert 0 < revision.score <= 1
            assert set(revision.sentence) == {"ko", "en"}
            assert revision.ended_at is None or revision.ended_at >= revision.started_at
            assert NOON <= revision.peak.captured_at <= revision.updated_at
            assert revision.onvif == find(revision.kind).onvif


@pytest.mark.parametrize(
    "box",
    [
        (500, 500, 500, 500),  # no size
        (500, 400, 500, 500),  # no width
        (500, 500, 540, 500),  # no height
        (540, 500, 500, 400),  # inside out
        (float("nan"), 400, 540, 500),
        (500, 400, float("inf"), 500),
    ],
)
def test_an_invalid_box_is_harmless(box: tuple[float, ...]) -> None:
    with_invalid_box = [
        make_record(
            record.captured_at,
            xyxy=np.vstack([record.xyxy, np.array([box], np.float32)]),
            scores=[*record.scores.tolist(), 0.9],
            labels=[*record.labels.tolist(), 1],
            appearance=np.vstack([record.appearance, np.full((1, 144), 9, np.uint8)]),
        )
        for record in loiterer(15)
    ]
    events = opened(watch(with_invalid_box, SITE))
    assert [(event.kind, event.zone) for event in events] == [("loitering", "yard")]


def test_boxes_in_an_ignored_zone_are_removed() -> None:
    tree = {
        "id": "tree",
        "name": {"ko": "나무", "en": "the tree"},
        "kind": "ignore",
        "polygon": [[0.35, 0.4], [0.65, 0.4], [0.65, 0.8], [0.35, 0.8]],
    }
    zones = [zone.model_dump() for zone in SITE.cameras[0].zones]
    assert not watch(loiterer(30), site(camera={"zones": [*zones, tree]}))


def test_a_small_false_box_raises_nothing() -> None:
    """One record with a box in the closed zone, at every rate."""
    for fps in RATES:
        flash = hidden(along((0, 100, 500), (1 / fps / 2, 100, 500)), 1 / fps, 99)
        assert not watch(detections([flash], fps=fps, seconds=5), SITE)


def test_a_camera_of_another_site_is_refused() -> None:
    with pytest.raises(KeyError, match="elsewhere"):
        WatchStage(SITE).start("elsewhere")


def test_an_unknown_behaviour_or_threshold_is_named() -> None:
    with pytest.raises(BehaviourError, match=r"behaviours\.lurking.*there are.*loitering"):
        WatchStage(site(behaviours={"lurking": {}}))
    with pytest.raises(ThresholdError, match=r"behaviours\.loitering\.rules\[0\]\.thresholds: dwell.*dwell_s"):
        WatchStage(site(behaviours={"loitering": {"rules": [{"thresholds": {"dwell": 3}}]}}))
