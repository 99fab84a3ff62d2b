"""Camera faults, each by the values of a sampler, and conditions that are none."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

from detectors.behaviours.registry import find
from detectors.camera_state import CameraState
from detectors.watch_stage import WatchStage
from lanewatch.records import Detections, Event, Gap, Profile, SceneMeasurements, decode, encode
from tests.detectors.walker_records import MIDNIGHT, NOON, make_record, opened, site, watch

WELL = SceneMeasurements(brightness=110, chroma=8, contrast=45, sharpness=90, familiar=0.95, warm=True)
KINDS = ("signal_lost", "frozen", "covered", "defocused", "moved", "too_dark", "clock_drift")


def scenes(
    seconds: float, at: Callable[[float], dict[str, Any]], *, fps: float = 2.0, start: float = NOON, **changes: Any
) -> Iterator[Detections]:
    """A record for each instant, well but for what ``at`` says of it."""
    for tick in range(round(seconds * fps)):
        time = tick / fps
        scene = msgspec.structs.replace(WELL, **at(time))
        yield make_record(start + time, scene=scene, **changes)


def between(begin: float, end: float, **values: Any) -> Callable[[float], dict[str, Any]]:
    return lambda time: values if begin <= time < end else {}


def frozen(*spans: tuple[float, float]) -> Callable[[float], dict[str, Any]]:
    """A picture that stands still in these spans."""

    def at(time: float) -> dict[str, Any]:
        began = next((begin for begin, end in spans if begin <= time < end), None)
        return {} if began is None else {"frozen": time > began, "frozen_s": time - began}

    return at


FAULTS = [
    ("covered", between(120, 200, contrast=6, sharpness=2, brightness=60, familiar=0.05), 120, 10),
    ("defocused", between(120, 300, sharpness=12, contrast=40, familiar=0.7), 120, 60),
    ("moved", between(120, 200, familiar=0.08), 120, 20),
    ("too_dark", between(120, 300, brightness=18, contrast=3, sharpness=1, familiar=0.0), 120, 60),
    ("frozen", frozen((120, 200)), 120, 30),
    ("clock_drift", between(0, 400, clock_s=-41.5), 0, 60),
]


@pytest.mark.parametrize(("kind", "at", "began", "hold_s"), FAULTS)
@pytest.mark.parametrize("fps", [0.5, 2.0, 7.0])
def test_a_fault_is_one_event_after_its_hold_time(
    kind: str, at: Callable[[float], dict[str, Any]], began: float, hold_s: float, fps: float
) -> None:
    start = MIDNIGHT if kind == "too_dark" else NOON
    events = watch(scenes(400, at, fps=fps, start=start), site())
    first = opened(events)
    assert [event.kind for event in first] == [kind]
    assert first[0].began_at - start == pytest.approx(began, abs=2.1)  # evaluated every two seconds
    assert first[0].started_at - start == pytest.approx(began + hold_s, abs=4.1)
    assert first[0].onvif == find(kind).onvif
    assert 0 < first[0].score < 0.7
    for event in events:
        assert event.score == pytest.approx(sum(factor.value for factor in event.factors))
        assert event.severity in (1, 2)
    if kind != "clock_drift":
        assert events[-1].state == "closed"
        assert events[-1].ended_at is not None


@pytest.mark.parametrize(
    ("at", "start"),
    [
        (lambda time: {}, NOON),  # no fault
        (lambda time: {"contrast": 45 - time / 40, "sharpness": 90 - time / 15, "brightness": 110 - time / 20}, NOON),
        (between(200, 206, contrast=5, sharpness=1, familiar=0.0), NOON),  # a bus goes by
        (lambda time: {"contrast": 10 + 4 * math.sin(time), "brightness": 34 + 3 * math.sin(time / 3)}, MIDNIGHT),
        (lambda time: {"clock_s": 0.2 + 0.1 * math.sin(time)}, NOON),  # the way over the network
        (lambda time: {"clock_s": 8.0 if round(time) % 300 == 0 else -0.2}, NOON),  # one late packet
        (lambda time: {"familiar": 0.6 + 0.3 * math.sin(time / 50)}, NOON),  # shadows
        (lambda time: {"frozen": True, "frozen_s": time}, NOON),  # a drawn scene in which nothing ever moves
        (frozen(*((at, at + 20) for at in range(0, 1190, 21))), NOON),  # an encoder that sends nothing for 20 s
        (frozen((70, 95), (100, 130), (140, 175), (180, 210)), NOON),  # and so drawn scenes go on
    ],
)
def test_conditions_that_are_no_fault(at: Callable[[float], dict[str, Any]], start: float) -> None:
    assert not watch(scenes(1200, at, start=start), site())


def test_an_intermittent_fault_is_one_event() -> None:
    """Covered for twelve seconds, free for six, twenty times."""
    events = watch(
        scenes(
            600,
            lambda time: {"contrast": 4, "sharpness": 1} if time >= 120 and (time - 120) % 18 < 12 else {},
        ),
        site(),
    )
    assert [event.kind for event in opened(events)] == ["covered"]
    assert {event.state for event in events[1:]} == {"updated"}


def test_infrared_has_its_own_baseline() -> None:
    """Softer and flatter all night, every night: no trouble. A lens that goes soft by night is one."""

    def night(time: float) -> Profile:
        return "infrared" if time % 1200 >= 600 else "day"

    records = []
    for record in scenes(3600, lambda time: {}):
        time = record.captured_at - NOON
        dull = {"contrast": 22.0, "sharpness": 6.0, "chroma": 0.2} if night(time) == "infrared" else {}
        if 3100 <= time < 3400:
            dull = dull | {"sharpness": 1.2}
        scene = msgspec.structs.replace(record.scene, **dull)
        records.append(msgspec.structs.replace(record, scene=scene, profile=night(time)))
    events = opened(watch(records, site()))
    assert [event.kind for event in events] == ["defocused"]
    assert 3160 <= events[0].started_at - NOON <= 3170
    assert events[0].condition == "infrared"


def lost(seconds: float, gaps: Callable[[float], Gap | None], step: float = 1.0) -> list[Detections]:
    made = []
    for tick in range(round(seconds / step)):
        gap = gaps(tick * step)
        scene = WELL if gap is None else SceneMeasurements()
        made.append(make_record(NOON + tick * step, gap=gap, scene=scene))
    return made


def test_a_lost_signal_is_raised_within_seconds_and_lasts_until_it_is_back() -> None:
    events = watch(lost(300, lambda time: "lost" if 60 <= time < 200 else None), site())
    assert {event.kind for event in events} == {"signal_lost"}
    assert [event.state for event in events if event.state != "updated"] == ["open", "closed"]
    assert events[0].began_at == NOON + 59  # the last picture
    assert events[0].started_at == pytest.approx(NOON + 69, abs=1.01)
    assert max(event.severity for event in events) == 2  # after a minute
    assert events[-1].ended_at == NOON + 199
    assert events[-1].sentence["ko"].startswith("'길' 카메라: 영상 신호 끊김")


def test_a_camera_that_never_gave_a_picture_is_a_lost_signal() -> None:
    """Records before the first picture have no size. Lines and lanes must not fail on them."""
    line = {"id": "mouth", "name": {"ko": "입구", "en": "mouth"}, "points": [[0.2, 0.5], [0.2, 0.3]]}
    lane = {**site().cameras[0].zones[0].model_dump(mode="json"), "id": "road", "kind": "lane"}
    lane["direction"] = [[0.1, 0.5], [0.9, 0.5]]
    ticks = [make_record(NOON + second, gap="lost", width=0, height=0) for second in range(30)]
    events = watch(ticks, site(camera={"lines": [line], "zones": [lane]}))
    assert [(event.kind, event.started_at - NOON) for event in opened(events)] == [("signal_lost", 10.0)]


@pytest.mark.parametrize(
    ("gaps", "count"),
    [
        (lambda time: "idle" if time % 10 else None, 0),  # nothing happens
        (lambda time: "lost" if 60 <= time < 66 else None, 0),  # a hiccup
        (lambda time: "unreadable" if 60 <= time < 90 else None, 1),
        (lambda time: "shed" if 60 <= time < 120 else None, 0),  # our own doing
        (lambda time: "failed" if 60 <= time < 120 else None, 0),
        (lambda time: "lost" if time >= 60 and time % 15 else None, 1),  # it comes back for a moment, again and again
    ],
)
def test_the_gaps_that_are_a_lost_signal(gaps: Callable[[float], Gap | None], count: int) -> None:
    assert len(opened(watch(lost(200, gaps), site()), "signal_lost")) == count


def test_memories_survive_msgpack_and_do_not_grow() -> None:
    watcher = WatchStage(site(), run="test")
    straight = coded = watcher.start("lane")
    sizes = []
    uninterrupted: list[Event] = []
    restored: list[Event] = []
    noise = np.random.default_rng(3)
    for index, record in enumerate(scenes(3000, between(2000, 2400, contrast=3, sharpness=1))):
        shaken = msgspec.structs.replace(
            record.scene, contrast=record.scene.contrast + noise.normal(0, 0.5), clock_s=0.1
        )
        record = msgspec.structs.replace(record, scene=shaken)
        straight, events = watcher.step(straight, record)
        uninterrupted += events
        if index % 7 == 0:
            coded = decode(encode(coded), CameraState)
        coded, events = watcher.step(coded, record)
        restored += events
        if index in (300, 5900):
            sizes.append(len(encode(coded)))
    assert uninterrupted == restored
    assert [event.kind for event in opened(uninterrupted)] == ["covered"]
    assert sizes[1] <= sizes[0] + 64
