"""Correlation gives the same result in any interleaving of the cameras' events."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import pipeline
from detectors.correlation.correlator import CorrelationError, Correlator, CorrelatorState
from detectors.correlation.event_ordering import MAX_WAIT_S
from lanewatch import records
from lanewatch.config.revisions import SiteRevision, SiteRevisions
from lanewatch.config.site import Site
from lanewatch.records import Event, Factor, Peak, Watermark
from tests.detectors.walker_records import NOON, along, detections, site

Item = tuple[str, Event | Watermark]
METRE = 1 / 111_195  # degrees of latitude


def street(*metres: float) -> Site:
    """Cameras c0, c1, ... along a street, at these distances from its beginning."""
    camera = site().cameras[0]
    cameras = tuple(
        camera.model_copy(update={"id": f"c{number}", "latitude": camera.latitude + METRE * far})
        for number, far in enumerate(metres)
    )
    return site().model_copy(update={"cameras": cameras})


def stay(
    camera: int, begin: float, end: float, *, dwell_s: float = 10.0, name: str = "", over: str = "closed"
) -> list[Event]:
    """A loitering event: opened at the dwell, revised each 5 s, closed 4 s after the end; seconds after noon."""
    opened = NOON + begin + dwell_s
    first = Event(
        run="live",
        id=name or f"{camera}-{begin}",
        camera=f"c{camera}",
        kind="loitering",
        zone="yard",
        began_at=NOON + begin,
        started_at=opened,
        updated_at=opened,
        ended_at=None,
        revision=round(opened * 1000),
        state="open",
        severity=1,
        score=0.4,
        factors=(Factor("night", 0.15, {"condition": "night"}),),
        thresholds={},
        sentence={},
        tracks=(1,),
        peak=Peak(1, opened, (0.0, 0.0, 1.0, 1.0), 10, 10),
        model="m",
        site="s",
    )
    events, at = [first], opened + 5
    while at < NOON + end:
        events.append(msgspec.structs.replace(first, updated_at=at, revision=round(at * 1000), state="updated"))
        at += 5
    at = NOON + end + 4
    ended_at = NOON + end if over == "closed" else None
    events.append(
        msgspec.structs.replace(first, updated_at=at, revision=round(at * 1000), state=over, ended_at=ended_at)
    )
    return events


def reached(at: float, gap: records.Gap | None = None) -> Watermark:
    return Watermark(at, at, gap, 1)


def items(events: Iterable[Event], camera: str, until: float) -> list[Item]:
    """A camera's events, and its watermark each second."""
    pending = sorted((event for event in events if event.camera == camera), key=lambda event: event.updated_at)
    result: list[Item] = []
    for second in range(int(until) + 1):
        at = NOON + second
        while pending and pending[0].updated_at <= at:
            result.append((camera, pending.pop(0)))
        result.append((camera, reached(at)))
    return result


def correlated(
    watched: Site | SiteRevisions, messages: Iterable[Item], *, checkpoints: bool = False
) -> tuple[list[Event], CorrelatorState]:
    fold = Correlator(watched)
    state, events = fold.start(), []
    for camera, item in messages:
        if isinstance(item, Event):
            state, more = fold.step(state, item)
        else:
            state, more = fold.advance(state, {camera: item})
        events += more
        if checkpoints:
            state = records.decode(records.encode(state), CorrelatorState)
    return events, state


def in_order(watched: Site, events: list[Event], until: float) -> list[Event]:
    """All cameras second by second, in parallel."""
    messages = [item for camera in watched.cameras for item in items(events, camera.id, until)]
    messages.sort(key=lambda item: _at(item[1]))
    return correlated(watched, messages)[0]


def _at(item: Event | Watermark) -> float:
    return item.updated_at if isinstance(item, Event) else item.captured_at


def any_way(
    watched: Site, events: list[Event], until: float, chance: random.Random, *, behind_s: float = MAX_WAIT_S - 10
) -> Iterator[Item]:
    """Each camera's items in its order, the cameras' in any: none further behind than that; some replayed."""
    queues = {camera.id: items(events, camera.id, until) for camera in watched.cameras}
    places = dict.fromkeys(queues, 0)
    while any(places[camera] < len(queue) for camera, queue in queues.items()):
        ahead = {
            camera: _at(queue[places[camera]][1]) for camera, queue in queues.items() if places[camera] < len(queue)
        }
        least = min(ahead.values())
        camera = chance.choice([camera for camera, at in ahead.items() if at <= least + behind_s])
        for _ in range(chance.randint(1, 30)):
            if places[camera] >= len(queues[camera]) or _at(queues[camera][places[camera]][1]) > least + behind_s:
                break
            yield queues[camera][places[camera]]
            places[camera] += 1
        if chance.random() < 0.15:  # its watcher was killed, and the next one repeats some of it
            back = chance.randint(0, places[camera])
            yield from queues[camera][back : places[camera]]


@settings(max_examples=40)
@given(
    stays=st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 500), st.integers(11, 80)), min_size=2, max_size=8, unique=True
    ),
    seed=st.integers(0),
)
def test_any_interleaving_and_any_replay_give_the_same(stays: list[tuple[int, int, int]], seed: int) -> None:
    watched = street(0, 150, 300, 900)
    events = [
        event
        for camera, begin, long in stays
        for event in stay(camera, begin, begin + long, name=f"{camera}-{begin}-{long}")
    ]
    expected = in_order(watched, events, 700)
    found, state = correlated(watched, any_way(watched, events, 700, random.Random(seed)))
    assert found == expected
    assert not state.order.waiting


def test_stays_at_neighbouring_cameras_are_roaming_and_more_severe_with_each_camera() -> None:
    watched = street(0, 150, 300, 450)
    events = stay(0, 0, 40) + stay(1, 100, 130) + stay(2, 400, 430) + stay(3, 1000, 1060)
    found = in_order(watched, events, 1100)
    assert [event.state for event in found] == ["open", "closed", "updated", "closed", "updated", "closed"]
    assert len({event.id for event in found}) == 1
    assert {event.kind for event in found} == {"roaming"}
    assert [event.severity for event in found] == [1, 1, 2, 2, 3, 3]
    assert found[0].began_at == NOON
    assert found[0].started_at == NOON + 110
    assert found[1].ended_at == NOON + 130
    assert found[-1].ended_at == NOON + 1060
    assert all(abs(event.score - sum(part.value for part in event.factors)) < 1e-9 for event in found)
    assert "4곳" in found[-1].sentence["ko"]
    assert "4 cameras" in found[-1].sentence["en"]
    revisions = [event.revision for event in found]
    assert revisions == sorted(set(revisions))


@pytest.mark.parametrize(
    ("metres", "first", "second"),
    [
        ((0, 900), (0, 40), (400, 440)),  # too far to be next door
        ((0, 450), (0, 40), (50, 90)),  # 450 m in 10 s is too fast
        ((0, 150), (0, 200), (100, 140)),  # two people: the first is still there
        ((0, 150), (0, 40), (3700, 3740)),  # more than an hour later
    ],
)
def test_a_stay_of_another_person_is_no_roaming(
    metres: tuple[float, ...], first: tuple[float, float], second: tuple[float, float]
) -> None:
    watched = street(*metres)
    assert not in_order(watched, stay(0, *first) + stay(1, *second), 3800)


def test_a_camera_that_went_away_leaves_no_invented_end() -> None:
    found = in_order(street(0, 150), stay(0, 0, 40) + stay(1, 100, 150, over="expired"), 300)
    assert [event.state for event in found] == ["open", "expired"]
    assert found[-1].ended_at is None


@pytest.mark.parametrize("silent_from", [None, 90])
def test_a_camera_that_does_not_come_holds_the_others_back_for_a_minute_at_most(silent_from: int | None) -> None:
    watched = street(0, 150, 300)
    events = stay(0, 0, 40) + stay(1, 100, 130)
    messages = [*items(events, "c0", 300), *items(events, "c1", 300)]
    if silent_from is not None:
        messages += items([], "c2", silent_from)
    messages.sort(key=lambda item: _at(item[1]))
    fold = Correlator(watched)
    state, opened_at = fold.start(), None
    for camera, item in messages:
        if isinstance(item, Event):
            state, more = fold.step(state, item)
        else:
            state, more = fold.advance(state, {camera: item})
        if more and opened_at is None:
            opened_at = _at(item)
    assert opened_at is not None
    assert opened_at - (NOON + 110) <= MAX_WAIT_S + 1


@pytest.mark.parametrize("off_s", [-7200.0, 7200.0])
def test_a_clock_that_is_two_hours_off_delays_no_events(off_s: float) -> None:
    watched = street(0, 150, 300)
    events = stay(0, 0, 40) + stay(1, 100, 130)
    wrong = [("c2", reached(NOON + second + off_s)) for second in range(300)]
    timed: list[tuple[float, Item]] = [
        (_at(item), (camera, item)) for c in ("c0", "c1") for camera, item in items(events, c, 299)
    ]
    timed += [(NOON + second, item) for second, item in enumerate(wrong)]
    timed.sort(key=lambda pair: pair[0])
    found, state = correlated(watched, (item for _, item in timed))
    assert found == in_order(street(0, 150), events, 299)
    assert not state.order.waiting


def test_the_state_comes_back_from_a_checkpoint_as_it_was() -> None:
    watched = street(0, 150)
    messages = [item for camera in ("c0", "c1") for item in items(stay(0, 0, 40) + stay(1, 100, 130), camera, 200)]
    messages.sort(key=lambda item: _at(item[1]))
    assert correlated(watched, messages, checkpoints=True)[0] == correlated(watched, messages)[0]


STREET = street(0, 150, 300)
OFF = STREET.model_copy(update={"correlations": ()})


def changing(*sites: tuple[float, Site]) -> list[Event]:
    """The revisions of roaming on the street; each site is in effect from that second after noon on."""
    revisions = SiteRevisions([SiteRevision(NOON + at, site) for at, site in sites])
    events = stay(0, 0, 40) + stay(1, 100, 130) + stay(2, 200, 260)
    messages = [item for camera in STREET.cameras for item in items(events, camera.id, 300)]
    messages.sort(key=lambda item: _at(item[1]))
    found, state = correlated(revisions, messages, checkpoints=True)
    assert not state.order.waiting
    return found


@pytest.mark.parametrize(
    ("sites", "expected"),
    [
        ([(0, STREET)], [(110, "open", 2), (134, "closed", 2), (210, "updated", 3), (264, "closed", 3)]),
        ([(0, OFF)], []),
        ([(0, OFF), (170, STREET)], []),  # the stays before are not remembered
        ([(0, STREET), (90, OFF)], []),  # it had not begun
        ([(0, STREET), (120, OFF)], [(110, "open", 2), (134, "closed", 2)]),  # the link ends, and no stay joins it
        ([(0, STREET), (205, OFF)], [(110, "open", 2), (134, "closed", 2)]),
        ([(0, STREET), (220, OFF)], [(110, "open", 2), (134, "closed", 2), (210, "updated", 3), (264, "closed", 3)]),
    ],
)
def test_a_revision_switches_it_off_by_capture_time(
    sites: list[tuple[float, Site]], expected: list[tuple[int, str, int]]
) -> None:
    found = changing(*sites)
    cameras = [next(part.detail["cameras"] for part in event.factors if part.name == "roaming") for event in found]
    assert [(event.updated_at - NOON, event.state) for event in found] == [(at, state) for at, state, _ in expected]
    assert cameras == [count for _, _, count in expected]


def test_an_unknown_correlation_is_named() -> None:
    with pytest.raises(
        CorrelationError, match="no such correlation: lurking; there are outage, repeated_theft, roaming"
    ):
        Correlator(STREET.model_copy(update={"correlations": ("lurking",)}))


def test_old_stays_are_forgotten() -> None:
    watched = street(0, 150)
    events = [event for hour in range(20) for event in stay(hour % 2, hour * 900, hour * 900 + 40)]
    messages: list[Item] = [(event.camera, event) for event in events]
    messages += [(camera, reached(NOON + second)) for second in range(0, 90_000, 30) for camera in ("c0", "c1")]
    messages.sort(key=lambda item: _at(item[1]))
    _, state = correlated(watched, messages)
    assert not state.memories
    again, after = correlated(watched, [*messages, *((event.camera, event) for event in events[:5])])
    assert len(again) == len(correlated(watched, messages)[0])
    assert not after.order.waiting


def test_a_rescoring_gives_the_same_in_any_order_of_the_cameras() -> None:
    watched = street(0, 150)
    seen = {
        f"c{number}": [
            msgspec.structs.replace(record, camera=f"c{number}")
            for record in detections([along((begin, 500, 500), (begin + 20, 500, 500))], fps=2, seconds=120)
        ]
        for number, begin in enumerate((0, 50))
    }
    together = sorted(
        (record for of_camera in seen.values() for record in of_camera), key=lambda record: record.captured_at
    )
    events = list(pipeline.rescore(together, watched))
    roaming = [event for event in events if event.kind == "roaming"]
    assert [event.state for event in roaming] == ["open", "closed"]
    assert roaming[0].camera == "c1"
    one_after_the_other = list(pipeline.rescore([*seen["c1"], *seen["c0"]], watched))
    assert [event for event in one_after_the_other if event.kind == "roaming"] == roaming
