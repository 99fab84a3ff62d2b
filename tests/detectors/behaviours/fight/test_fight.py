"""Fights: what unrest is, by hand; at which rates; and who is left alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import pytest

from detectors.behaviours.fight import behaviour
from detectors.behaviours.fight.behaviour import Fight, FightMemory
from detectors.watch_stage import WatchStage
from lanewatch.records import Box, Detections, Event
from tests.detectors import walker_records

PERIOD_S = 0.8
SWING = 0.3


def two(at: float, apart: float, swing: float, pan: float = 0.0, size: float = 1.0) -> list[Box]:
    """Two people 100 px tall whose widths swing by ``exp(+-swing)``, one against the other, in straight lines."""
    phase = abs((at / PERIOD_S) % 1.0 * 4 - 2) - 1  # a triangle between -1 and 1: its slope is 4 / PERIOD_S
    boxes = []
    for x, sign in ((400.0, 1), (400.0 + apart, -1)):
        half = 20 * math.exp(swing * sign * phase)
        left, top, right, bottom = x - half + pan * at, 300.0, x + half + pan * at, 400.0
        boxes.append((left * size, top * size, right * size, bottom * size))
    return boxes


def records(
    boxes: Callable[[float], Sequence[Box]], fps: float, seconds: float, score: float = 0.3
) -> list[Detections]:
    """Nobody here is sure enough for the tracker to follow him."""
    made = []
    for tick in range(round(fps * seconds)):
        shown = boxes(tick / fps)
        made.append(
            walker_records.record(
                walker_records.NOON + tick / fps, xyxy=shown, scores=[score] * len(shown), labels=[1] * len(shown)
            )
        )
    return made


def raised(made: Sequence[Detections], **thresholds: float) -> list[Event]:
    site = walker_records.site(behaviours={"fight": {"thresholds": thresholds}})
    return [event for event in walker_records.watch(made, site) if event.kind == "fight" and event.state == "open"]


CASES = [
    (0.5 * 100, 0.7, 10.0, 1),  # wild and close: 4 * .7 / .8 s = 3.5 a second, less at the turns
    (0.5 * 100, 0.1, 10.0, 0),  # close and calm: half a unit a second
    (1.5 * 100, 0.7, 10.0, 0),  # as wild, but one and a half body heights from each other
    (0.5 * 100, 0.4, 0.6, 0),  # two units a second, as close, over before a second has passed: a greeting
]


@pytest.mark.parametrize(("apart", "swing", "until", "expected"), CASES)
@pytest.mark.parametrize("fps", [5.0, 10.0, 15.0])
def test_who_fights(fps: float, apart: float, swing: float, until: float, expected: int) -> None:
    made = records(lambda at: two(at, apart, swing if at <= until else 0.0), fps, 6.0)
    assert len(raised(made)) == expected


@pytest.mark.parametrize(("pan", "size"), [(0.0, 1.0), (60.0, 1.0), (0.0, 0.4), (0.0, 2.0)])
def test_neither_a_panning_camera_nor_the_size_of_the_picture_is_unrest(pan: float, size: float) -> None:
    """The same fight has the same unrest, and the same calm none."""
    calm = records(lambda at: two(at, 50, 0.0, pan, size), 10, 4)
    wild = records(lambda at: two(at, 50, 0.45, pan, size), 10, 4)
    assert _level(calm) == pytest.approx(0.0, abs=1e-3)
    assert _level(wild) == pytest.approx(_level(records(lambda at: two(at, 50, 0.45), 10, 4)), rel=1e-3)


def test_unrest_by_hand() -> None:
    """One grows to twice the width, the other shrinks to .7 of the height, a third walks a tenth of his height."""
    before: list[Box] = [(20, 0, 60, 100), (60, 0, 100, 100), (120, 0, 160, 100)]
    after: list[Box] = [(0, 0, 80, 100), (60, 15, 100, 85), (130, 0, 170, 100)]
    assert behaviour.near(after, 1.0) == {0, 1, 2}
    assert behaviour.unrest(before, after, {0, 1, 2}) == pytest.approx({0: math.log(2), 1: -math.log(0.7), 2: 0.1})
    assert behaviour.unrest(before, after, {1}) == pytest.approx({1: -math.log(0.7)})
    panned = [(left + 7, top, right + 7, bottom) for left, top, right, bottom in after]
    assert behaviour.unrest(before, panned, {0, 1, 2}) == pytest.approx(behaviour.unrest(before, after, {0, 1, 2}))
    assert behaviour.unrest([(500, 0, 540, 100)], after, {0, 1}) == {}  # nobody who was there before
    assert behaviour.near([(0, 0, 40, 100), (60, 0, 80, 50)], 1.0) == set()  # one is far behind the other


def test_a_linear_swing_has_the_unrest_of_its_slope() -> None:
    """Between its turns: 4 * .3 / .8 s = 1.5 a second; five steps of a tenth of a second are within one slope."""
    made = records(lambda at: two(at * 0.4 / 2, 50, SWING), 10, 2)  # a fifth of the pace: the slope is .3 a second
    assert _level(made) == pytest.approx(4 * SWING / PERIOD_S / 5, rel=0.05)


def test_jitter_between_two_looks_is_no_more_unrest_at_seven_looks_a_second_than_at_five() -> None:
    """A width that is a tenth wider at every other look: .1 in a seventh of a second counts as .1 in a fifth."""
    five, seven = (_jitter(fps) for fps in (5, 7))
    assert five == pytest.approx(0.1 / 0.2, rel=0.01)
    assert seven == pytest.approx(five, rel=0.01)


@pytest.mark.parametrize(("seconds", "expected"), [(0.75, 0), (6.0, 1)])
def test_a_camera_that_looks_less_often_needs_ten_looks(seconds: float, expected: int) -> None:
    """Four looks a second, in two of which outlines are twice as wide: 2.8 a second in the mean of one, 1.1 of ten."""
    made = records(lambda at: _doubled(2 <= at < 2 + seconds and round(at * 4) % 2 == 0), 4, 10)
    assert len(raised(made)) == expected


def test_a_fight_goes_on_through_a_pause_and_ends() -> None:
    made = records(lambda at: two(at, 50, 0.45 if at < 3 or 3.4 < at < 6 else 0.0), 10, 12)
    site = walker_records.site(behaviours={"fight": {"thresholds": {"unrest": 1.2}}})
    events = [event for event in walker_records.watch(made, site) if event.kind == "fight"]
    assert [event.state for event in events if event.state != "updated"] == ["open", "closed"]
    opened, closed = events[0], events[-1]
    assert opened.kisa == "Violence"
    assert opened.severity == 1
    assert opened.started_at - walker_records.NOON <= 1.5
    assert closed.ended_at is not None
    assert 6.0 <= closed.ended_at - walker_records.NOON <= 7.2
    assert sum(part.value for part in opened.factors) == pytest.approx(opened.score)
    assert opened.score <= 1
    assert "싸움" in opened.sentence["ko"]
    assert "possible fight" in opened.sentence["en"]


def test_an_event_shows_the_strongest_sign_since_its_opening() -> None:
    """Violent for 3 s, then at two thirds of it, which is below the threshold and goes on."""
    made = records(lambda at: two(at, 50, 0.6 if at < 3 else 0.3), 10, 12)
    site = walker_records.site(behaviours={"fight": {"thresholds": {"unrest": 1.6}}})
    events = [event for event in walker_records.watch(made, site) if event.kind == "fight"]
    assert events[-1].updated_at - events[0].updated_at > 5
    shown = [value for event in events for value, _ in walker_records.measures(event)]
    assert len(shown) == len(events)
    assert shown == sorted(shown)
    assert shown[0] >= 1.6


def test_a_memory_survives_a_checkpoint_and_is_empty_when_nobody_is_near() -> None:
    made = records(lambda at: two(at, 50, 0.45), 10, 4)
    watcher = WatchStage(walker_records.site(), run="test")
    state = watcher.start("lane")
    for record in made:
        state, _ = watcher.step(state, record)
    memory = state.memories["fight"]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(memory), type=FightMemory) == memory
    assert len(memory.looks) <= 3
    assert len(memory.samples) <= 10
    for tick in range(15):
        state, _ = watcher.step(state, walker_records.record(walker_records.NOON + 4 + tick / 10))
    assert "fight" not in state.memories


def test_gaps_and_boxes_without_a_size_do_no_harm() -> None:
    made = records(lambda at: [*two(at, 50, 0.45), (10, 10, 10, 10)], 10, 6)
    holed = [record for tick, record in enumerate(made) if not 10 <= tick < 40]
    assert len(raised(made, unrest=1.2)) == 1
    assert _level(holed[:11]) < _level(made)  # what was not seen is no evidence


def _doubled(wide: bool) -> list[Box]:
    """Two who stand; both twice as wide at some looks."""
    half = 40 if wide else 20
    return [(400 - half, 300, 400 + half, 400), (450 - half, 300, 450 + half, 400)]


def _jitter(fps: float) -> float:
    """The unrest of two whose widths are a tenth of a logarithm wider at every other look."""
    halves = (20 * math.exp(0.05), 20 * math.exp(-0.05))

    def boxes(at: float) -> list[Box]:
        half = halves[round(at * fps) % 2]
        return [(400 - half, 300, 400 + half, 400), (450 - half, 300, 450 + half, 400)]

    return _level(records(boxes, fps, 5))


def _level(made: Sequence[Detections]) -> float:
    """The unrest after those records."""
    watcher = WatchStage(walker_records.site(), run="test")
    state = watcher.start("lane")
    for record in made:
        state, _ = watcher.step(state, record)
    memory = state.memories.get("fight", Fight.Memory())
    return behaviour.mean(memory.samples)
