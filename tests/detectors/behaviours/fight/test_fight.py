"""Fights: the outline change rate by hand, the frame rates at which it works, and movement that is no fight."""

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


def two_people(at: float, distance: float, swing: float, pan: float = 0.0, size: float = 1.0) -> list[Box]:
    """Two people 100 px tall whose widths swing by ``exp(+-swing)``, one against the other, in straight lines."""
    phase = abs((at / PERIOD_S) % 1.0 * 4 - 2) - 1  # a triangle between -1 and 1: its slope is 4 / PERIOD_S
    boxes = []
    for x, sign in ((400.0, 1), (400.0 + distance, -1)):
        half = 20 * math.exp(swing * sign * phase)
        left, top, right, bottom = x - half + pan * at, 300.0, x + half + pan * at, 400.0
        boxes.append((left * size, top * size, right * size, bottom * size))
    return boxes


def records(
    boxes: Callable[[float], Sequence[Box]], fps: float, seconds: float, score: float = 0.3
) -> list[Detections]:
    """Records of those boxes, with scores too low for a new track."""
    made = []
    for tick in range(round(fps * seconds)):
        people = boxes(tick / fps)
        made.append(
            walker_records.make_record(
                walker_records.NOON + tick / fps, xyxy=people, scores=[score] * len(people), labels=[1] * len(people)
            )
        )
    return made


def raised(made: Sequence[Detections], **thresholds: float) -> list[Event]:
    site = walker_records.site(behaviours={"fight": {"thresholds": thresholds}})
    return [event for event in walker_records.watch(made, site) if event.kind == "fight" and event.state == "open"]


MOVEMENTS = [
    (0.5 * 100, 0.7, 10.0, 1),  # violent and close: 4 * .7 / .8 s = 3.5 a second, less at the turns
    (0.5 * 100, 0.1, 10.0, 0),  # close and calm: half a unit a second
    (1.5 * 100, 0.7, 10.0, 0),  # as violent, but one and a half body heights from each other
    (0.5 * 100, 0.4, 0.6, 0),  # two units a second, as close, over before a second has passed: a greeting
]


@pytest.mark.parametrize(("distance", "swing", "until", "expected"), MOVEMENTS)
@pytest.mark.parametrize("fps", [5.0, 10.0, 15.0])
def test_violent_movement_close_together_is_a_fight(
    fps: float, distance: float, swing: float, until: float, expected: int
) -> None:
    made = records(lambda at: two_people(at, distance, swing if at <= until else 0.0), fps, 6.0)
    assert len(raised(made)) == expected


@pytest.mark.parametrize(("pan", "size"), [(0.0, 1.0), (60.0, 1.0), (0.0, 0.4), (0.0, 2.0)])
def test_the_rate_depends_neither_on_panning_nor_on_the_picture_size(pan: float, size: float) -> None:
    """The same fight has the same rate, and standing people have none."""
    calm = records(lambda at: two_people(at, 50, 0.0, pan, size), 10, 4)
    wild = records(lambda at: two_people(at, 50, 0.45, pan, size), 10, 4)
    assert change_rate(calm) == pytest.approx(0.0, abs=1e-3)
    assert change_rate(wild) == pytest.approx(
        change_rate(records(lambda at: two_people(at, 50, 0.45), 10, 4)), rel=1e-3
    )


def test_the_changes_by_hand() -> None:
    """One grows to twice the width, the other shrinks to .7 of the height, a third walks a tenth of the height."""
    before: list[Box] = [(20, 0, 60, 100), (60, 0, 100, 100), (120, 0, 160, 100)]
    after: list[Box] = [(0, 0, 80, 100), (60, 15, 100, 85), (130, 0, 170, 100)]
    assert behaviour.close_people(after, 1.0) == {0, 1, 2}
    assert behaviour.outline_changes(before, after, {0, 1, 2}) == pytest.approx(
        {0: math.log(2), 1: -math.log(0.7), 2: 0.1}
    )
    assert behaviour.outline_changes(before, after, {1}) == pytest.approx({1: -math.log(0.7)})
    panned = [(left + 7, top, right + 7, bottom) for left, top, right, bottom in after]
    assert behaviour.outline_changes(before, panned, {0, 1, 2}) == pytest.approx(
        behaviour.outline_changes(before, after, {0, 1, 2})
    )
    assert behaviour.outline_changes([(500, 0, 540, 100)], after, {0, 1}) == {}  # no person was there before
    assert behaviour.close_people([(0, 0, 40, 100), (60, 0, 80, 50)], 1.0) == set()  # one is far behind the other


def test_a_linear_swing_has_the_rate_of_its_slope() -> None:
    """Between its turns: 4 * .3 / .8 s = 1.5 a second; five steps of a tenth of a second are within one slope."""
    made = records(
        lambda at: two_people(at * 0.4 / 2, 50, SWING), 10, 2
    )  # a fifth of the speed: the slope is .3 a second
    assert change_rate(made) == pytest.approx(4 * SWING / PERIOD_S / 5, rel=0.05)


def test_jitter_gives_no_higher_rate_at_seven_frames_a_second_than_at_five() -> None:
    """A width that is a tenth wider in every other frame: .1 in a seventh of a second counts as .1 in a fifth."""
    five, seven = (jitter_rate(fps) for fps in (5, 7))
    assert five == pytest.approx(0.1 / 0.2, rel=0.01)
    assert seven == pytest.approx(five, rel=0.01)


@pytest.mark.parametrize(("seconds", "expected"), [(0.75, 0), (6.0, 1)])
def test_a_lower_frame_rate_needs_ten_frames(seconds: float, expected: int) -> None:
    """Four frames a second, with outlines twice as wide in two: 2.8 a second over one second, 1.1 over ten frames."""
    made = records(lambda at: doubled(2 <= at < 2 + seconds and round(at * 4) % 2 == 0), 4, 10)
    assert len(raised(made)) == expected


def test_a_fight_continues_through_a_pause_and_ends() -> None:
    made = records(lambda at: two_people(at, 50, 0.45 if at < 3 or 3.4 < at < 6 else 0.0), 10, 12)
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


def test_an_event_shows_the_strongest_evidence_since_its_opening() -> None:
    """Violent for 3 s, then at two thirds of it, which is below the threshold and continues the event."""
    made = records(lambda at: two_people(at, 50, 0.6 if at < 3 else 0.3), 10, 12)
    site = walker_records.site(behaviours={"fight": {"thresholds": {"unrest": 1.6}}})
    events = [event for event in walker_records.watch(made, site) if event.kind == "fight"]
    assert events[-1].updated_at - events[0].updated_at > 5
    rates = [value for event in events for value, _ in walker_records.measures(event)]
    assert len(rates) == len(events)
    assert rates == sorted(rates)
    assert rates[0] >= 1.6


def test_a_memory_survives_a_checkpoint_and_is_removed_when_no_people_are_near() -> None:
    made = records(lambda at: two_people(at, 50, 0.45), 10, 4)
    watcher = WatchStage(walker_records.site(), run="test")
    state = watcher.start("lane")
    for record in made:
        state, _ = watcher.step(state, record)
    memory = state.memories["fight"]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(memory), type=FightMemory) == memory
    assert len(memory.frames) <= 3
    assert len(memory.samples) <= 10
    for tick in range(15):
        state, _ = watcher.step(state, walker_records.make_record(walker_records.NOON + 4 + tick / 10))
    assert "fight" not in state.memories


def test_gaps_and_boxes_without_a_size_give_no_evidence() -> None:
    made = records(lambda at: [*two_people(at, 50, 0.45), (10, 10, 10, 10)], 10, 6)
    holed = [record for tick, record in enumerate(made) if not 10 <= tick < 40]
    assert len(raised(made, unrest=1.2)) == 1
    assert change_rate(holed[:11]) < change_rate(made)  # time without records is no evidence


def doubled(wide: bool) -> list[Box]:
    """Two people who stand, both twice as wide if ``wide``."""
    half = 40 if wide else 20
    return [(400 - half, 300, 400 + half, 400), (450 - half, 300, 450 + half, 400)]


def jitter_rate(fps: float) -> float:
    """The rate of two people whose widths are a tenth of a logarithm larger in every other frame."""
    halves = (20 * math.exp(0.05), 20 * math.exp(-0.05))

    def boxes(at: float) -> list[Box]:
        half = halves[round(at * fps) % 2]
        return [(400 - half, 300, 400 + half, 400), (450 - half, 300, 450 + half, 400)]

    return change_rate(records(boxes, fps, 5))


def change_rate(made: Sequence[Detections]) -> float:
    """The outline change rate after those records."""
    watcher = WatchStage(walker_records.site(), run="test")
    state = watcher.start("lane")
    for record in made:
        state, _ = watcher.step(state, record)
    memory = state.memories.get("fight", Fight.Memory())
    return behaviour.mean_rate(memory.samples)
