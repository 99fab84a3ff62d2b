"""Close contacts: two people who meet and stay in one place, and not people who pass, talk, came together or are
one."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec
import pytest

from detectors.behaviours.fight.close_contact import CloseContacts, outline_change
from detectors.watch_stage import WatchStage
from lanewatch.records import Box
from tests.detectors import walker_records

PERIOD_S = 0.8
SIZE = math.sqrt(40 * 100)


def person(x: float, at: float, swing: float) -> Box:
    """100 px tall; the width swings by ``exp(+-swing)`` in straight lines, |d ln width| is 4 * swing / PERIOD_S."""
    half = 20 * math.exp(swing * (abs((at / PERIOD_S) % 1.0 * 4 - 2) - 1))
    return x - half, 300.0, x + half, 400.0


def contacts_after(
    positions: Callable[[float], Sequence[float]], fps: float, swing: float, seconds: float, score: float = 0.8
) -> CloseContacts:
    """The contacts after those seconds of people at those positions. The first one has that score."""
    watcher = WatchStage(walker_records.site(), run="test")
    state = watcher.start("lane")
    for tick in range(round(fps * seconds)):
        at = tick / fps
        boxes = [person(x, at, swing) for x in positions(at)]
        scores = [score, 0.8][: len(boxes)]
        made = walker_records.make_record(walker_records.NOON + at, xyxy=boxes, scores=scores, labels=[1] * len(boxes))
        state, _ = watcher.step(state, made)
    memory = state.memories["fight"]
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(memory), type=type(memory)) == memory
    contacts = memory.contacts
    assert isinstance(contacts, CloseContacts)
    return contacts


def meet(distance: float, at: float) -> tuple[float, float]:
    """Two people approach from three sizes to ``distance`` sizes in three seconds, and stay there."""
    return 400.0, 400 + max(3 * SIZE * (1 - at / 3), distance * SIZE)


@pytest.mark.parametrize("fps", [5.0, 10.0, 15.0])
@pytest.mark.parametrize(
    ("positions", "seconds", "expected"),
    [
        (lambda at: meet(0.3, at), 5.0, True),  # they meet and stay in one place
        (lambda at: meet(0.3, at), 3.0, False),  # they have only just met
        (lambda at: meet(0.6, at), 5.0, False),  # they meet and talk
        (lambda at: (400.0, 400 + 0.3 * SIZE), 5.0, False),  # together from the first frame on
        (lambda at: (400.0, 400 + (4 - 1.5 * at) * SIZE), 3.2, False),  # one person passes the other
    ],
)
def test_close_contact(
    positions: Callable[[float], Sequence[float]], seconds: float, expected: bool, fps: float
) -> None:
    pair = contacts_after(positions, fps, 0.2, seconds).strongest(walker_records.NOON + seconds - 1 / fps)
    assert (pair is not None) == expected


@pytest.mark.parametrize(("score", "expected"), [(0.6, True), (0.4, False)])
def test_a_contact_needs_high_scores_of_both(score: float, expected: bool) -> None:
    """The box of a person half behind another one changes by the detector's jitter alone."""
    pair = contacts_after(lambda at: meet(0.3, at), 10.0, 0.2, 5.0, score=score).strongest(walker_records.NOON + 4.9)
    assert (pair is not None) == expected


def test_the_change_rate_of_a_contact_is_the_slope_of_its_outlines() -> None:
    """4 * .2 / .8 s a second, at 10 frames a second. It is less only at the turns of the swing."""
    pair = contacts_after(lambda at: meet(0.3, at), 10.0, 0.2, 5.0).strongest(walker_records.NOON + 4.9)
    assert pair is not None
    assert 0.5 <= pair.outline_change_rate / (4 * 0.2 / PERIOD_S) <= 1.0
    assert pair.box[3] - pair.box[1] == 100
    still = contacts_after(lambda at: meet(0.3, at), 10.0, 0.0, 5.0)
    assert still.pairs[0].since is not None
    assert still.strongest(walker_records.NOON + 4.9) is None


def test_pairs_that_left_are_removed() -> None:
    left = contacts_after(lambda at: meet(0.3, at) if at < 5 else (900.0,), 5.0, 0.2, 40.0)
    assert left.pairs == ()
    assert len(left.known) == 1


def test_the_change_of_an_outline_by_hand() -> None:
    assert outline_change((0, 0, 10, 10), (5, 5, 25, 10)) == pytest.approx(2 * math.log(2))
