"""Who holds whom: two who meet and stay in one place, and not those who pass, talk, came together or are one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import pytest

from detectors.behaviours.fight.close_contact import Clinches, outline
from detectors.watch_stage import WatchStage
from lanewatch.records import Box
from tests.detectors import walker_records

PERIOD_S = 0.8
SIZE = math.sqrt(40 * 100)


def person(x: float, at: float, swing: float) -> Box:
    """100 px tall; his width swings by ``exp(+-swing)`` in straight lines, |d ln width| is 4 * swing / PERIOD_S."""
    half = 20 * math.exp(swing * (abs((at / PERIOD_S) % 1.0 * 4 - 2) - 1))
    return x - half, 300.0, x + half, 400.0


def watched(
    places: Callable[[float], Sequence[float]], fps: float, swing: float, seconds: float, unsure: float = 0.8
) -> Clinches:
    """What is known after those seconds in which people stood at those places, the first one of that score."""
    watcher = WatchStage(walker_records.site(), run="test")
    state = watcher.start("lane")
    for tick in range(round(fps * seconds)):
        at = tick / fps
        boxes = [person(x, at, swing) for x in places(at)]
        scores = [unsure, 0.8][: len(boxes)]
        made = walker_records.record(walker_records.NOON + at, xyxy=boxes, scores=scores, labels=[1] * len(boxes))
        state, _ = watcher.step(state, made)
    memory = state.memories["fight"]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(memory), type=type(memory)) == memory
    found = memory.clinches
    assert isinstance(found, Clinches)
    return found


def meet(apart: float, at: float) -> tuple[float, float]:
    """From three sizes to ``apart`` of them in three seconds, and stay there."""
    return 400.0, 400 + max(3 * SIZE * (1 - at / 3), apart * SIZE)


@pytest.mark.parametrize("fps", [5.0, 10.0, 15.0])
@pytest.mark.parametrize(
    ("places", "seconds", "holds"),
    [
        (lambda at: meet(0.3, at), 5.0, True),  # they meet and stay in one place
        (lambda at: meet(0.3, at), 3.0, False),  # they have only just met
        (lambda at: meet(0.6, at), 5.0, False),  # they meet and talk
        (lambda at: (400.0, 400 + 0.3 * SIZE), 5.0, False),  # together since they were seen first
        (lambda at: (400.0, 400 + (4 - 1.5 * at) * SIZE), 3.2, False),  # one passes the other
    ],
)
def test_who_holds_whom(places: Callable[[float], Sequence[float]], seconds: float, holds: bool, fps: float) -> None:
    found = watched(places, fps, 0.2, seconds).wildest(walker_records.NOON + seconds - 1 / fps)
    assert (found is not None) == holds


@pytest.mark.parametrize(("score", "holds"), [(0.6, True), (0.4, False)])
def test_two_hold_each_other_only_where_both_are_sure(score: float, holds: bool) -> None:
    """The box of a person half behind another one changes by the detector's jitter alone."""
    found = watched(lambda at: meet(0.3, at), 10.0, 0.2, 5.0, unsure=score).wildest(walker_records.NOON + 4.9)
    assert (found is not None) == holds


def test_the_unrest_of_a_clinch_is_the_slope_of_its_outlines() -> None:
    """4 * .2 / .8 s a second, at 10 looks in which no turn falls between two compared: less only at the turns."""
    found = watched(lambda at: meet(0.3, at), 10.0, 0.2, 5.0).wildest(walker_records.NOON + 4.9)
    assert found is not None
    assert 0.5 <= found.unrest / (4 * 0.2 / PERIOD_S) <= 1.0
    assert found.box[3] - found.box[1] == 100
    still = watched(lambda at: meet(0.3, at), 10.0, 0.0, 5.0)
    assert still.near[0].since is not None
    assert still.wildest(walker_records.NOON + 4.9) is None


def test_those_who_have_gone_are_forgotten() -> None:
    gone = watched(lambda at: meet(0.3, at) if at < 5 else (900.0,), 5.0, 0.2, 40.0)
    assert gone.near == ()
    assert len(gone.known) == 1


def test_the_change_of_an_outline_by_hand() -> None:
    assert outline((0, 0, 10, 10), (5, 5, 25, 10)) == pytest.approx(2 * math.log(2))
