"""The same theft on a later night is linked to the earlier one."""

from __future__ import annotations

import msgspec
import pytest

from detectors.correlation.correlator import Correlator, CorrelatorState
from lanewatch import records
from lanewatch.records import Event, Peak, Watermark
from tests.detectors.vehicle_records import lane_site
from tests.detectors.walker_records import MIDNIGHT

HOUR, DAY = 3600.0, 86_400.0


def theft(at: float, *, zone: str = "peppers", severities: tuple[int, ...] = (1, 2, 3)) -> list[Event]:
    """A theft that began so many seconds after a midnight: its revisions, a minute apart, and its end."""
    began_at = MIDNIGHT + at
    first = Event(
        run="live",
        id=f"{zone}-{at:g}",
        camera="lane",
        kind="produce_theft",
        zone=zone,
        began_at=began_at,
        started_at=began_at,
        updated_at=began_at,
        ended_at=None,
        revision=0,
        state="open",
        severity=1,
        score=0.5,
        factors=(),
        thresholds={},
        sentence={},
        tracks=(1,),
        peak=Peak(1, began_at, (0.0, 0.0, 1.0, 1.0), 10, 10),
        model="m",
        site="s",
        condition="night",
    )
    revisions = []
    for number, severity in enumerate((*severities, severities[-1])):
        now = began_at + 60 * number
        revisions.append(
            msgspec.structs.replace(
                first,
                updated_at=now,
                revision=round(now * 1000),
                severity=severity,
                state="open" if number == 0 else "closed" if number == len(severities) else "updated",
                ended_at=now if number == len(severities) else None,
            )
        )
    return revisions


def correlated(*thefts: list[Event], checkpoints: bool = False) -> list[Event]:
    fold = Correlator(lane_site())
    state, found = fold.start(), []
    for revision in [event for events in thefts for event in events]:
        state, more = fold.step(state, revision)
        found += more
        state, more = fold.advance(state, {"lane": Watermark(revision.updated_at, revision.updated_at)})
        found += more
        if checkpoints:
            state = records.decode(records.encode(state), CorrelatorState)
    return found


def test_a_later_night_at_much_the_same_hour_is_linked() -> None:
    first, second, third = theft(2 * HOUR), theft(3 * DAY + 1 * HOUR), theft(10 * DAY + 2.5 * HOUR)
    found = correlated(first, second, third)
    assert [(event.state, event.severity) for event in found] == [
        ("open", 2),
        ("closed", 2),
        ("open", 3),
        ("closed", 3),
    ]
    assert found[0].parts == (first[0].id, second[0].id)
    assert found[2].parts == (first[0].id, second[0].id, third[0].id)
    assert found[0].kind == "repeated_theft"
    assert found[0].began_at == second[0].began_at
    assert found[0].updated_at == second[1].updated_at  # when it became an alert
    assert found[1].ended_at == second[-1].ended_at
    assert "3 nights before" in found[0].sentence["en"]
    assert "3일 전" in found[0].sentence["ko"]
    assert correlated(first, second, third, checkpoints=True) == found


@pytest.mark.parametrize(
    "later",
    [
        theft(3 * HOUR),  # the same night
        theft(31 * DAY + 2 * HOUR),  # too long ago
        theft(1 * DAY + 6 * HOUR),  # another hour
        theft(1 * DAY + 2 * HOUR, zone="store"),  # elsewhere
        theft(1 * DAY + 2 * HOUR, severities=(1, 1)),  # a vehicle stopped, and it was no theft
    ],
    ids=["same night", "old", "other hour", "elsewhere", "no alert"],
)
def test_anything_else_is_not(later: list[Event]) -> None:
    assert correlated(theft(2 * HOUR), later) == []


def test_one_night_goes_over_midnight_and_over_the_day_of_utc() -> None:
    assert correlated(theft(-0.5 * HOUR), theft(0.5 * HOUR)) == []
    assert correlated(theft(8.5 * HOUR), theft(DAY + 9.5 * HOUR))  # UTC's midnight lies between them, and a day


def test_repeated_revisions_link_nothing_twice() -> None:
    first, second = theft(2 * HOUR), theft(DAY + 2 * HOUR)
    assert correlated(first, second, second, first, second) == correlated(first, second)
