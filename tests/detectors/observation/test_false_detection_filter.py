"""Rain, insects and headlights are removed and counted; named boxes and possible persons remain."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detectors.observation import false_detection_filter
from detectors.observation.false_detection_filter import FilterState
from detectors.watch_stage import WatchStage
from lanewatch.records import Detections, SceneMeasurements
from tests.detectors.walker_records import MIDNIGHT, NOON, TALL, make_record, opened, site

FPS = 4


def filtered(records: list[Detections]) -> tuple[dict[str, int], list[int]]:
    """What was left out, by reason; and how many boxes went on at each picture."""
    memory = FilterState()
    counts: dict[str, int] = {}
    left = []
    for record in records:
        memory, keep, out = false_detection_filter.apply_filter(memory, record)
        left.append(len(record) if keep is None else int(keep.sum()))
        if keep is not None:
            named = record.labels != 0
            assert keep[named].all()
        for reason, count in out.items():
            counts[reason] = counts.get(reason, 0) + count
    return counts, left


def pictures(seconds: float, *, start: float = MIDNIGHT, profile: str = "infrared", **how: Any) -> list[Detections]:
    """Records with boxes (x, foot, height, label) by ``how['boxes'](time, noise)``."""
    noise = np.random.default_rng(9)
    made = []
    for tick in range(round(seconds * FPS)):
        time = tick / FPS
        boxes = how["boxes"](time, noise)
        xyxy = [(x - 0.2 * tall, foot - tall, x + 0.2 * tall, foot) for x, foot, tall, _ in boxes]
        labels = [label for *_, label in boxes]
        scores = [0.8 if label else 0.15 for label in labels]
        light = how.get("light", lambda time: 60.0)(time)
        scene = SceneMeasurements(brightness=light, contrast=30, warm=True)
        made.append(make_record(start + time, xyxy=xyxy, scores=scores, labels=labels, scene=scene, profile=profile))
    return made


def walker(time: float, label: int) -> tuple[float, float, float, int]:
    return 100 + 40 * time, 500, TALL, label


def test_rain_is_left_out_and_a_walker_in_it_is_not() -> None:
    def rain(time: float, noise: np.random.Generator) -> list[tuple[float, float, float, int]]:
        drops = [(noise.uniform(0, 1000), 500, noise.uniform(15, 40), 0) for _ in range(7)] if time > 3 else []
        return [walker(time, 1), *drops]

    counts, left = filtered(pictures(20, boxes=rain))
    assert counts["rain"] > 0.7 * 7 * FPS * 10
    assert min(left) >= 1
    assert np.mean(left[-20:]) < 1.5
    unnamed = [lambda time, noise: [*rain(time, noise)[1:], walker(time, 1 if time < 3 else 0)]]
    assert np.mean(filtered(pictures(20, boxes=unnamed[0]))[1][-20:]) >= 1


def test_insects_before_the_lens_are_left_out() -> None:
    def insects(time: float, noise: np.random.Generator) -> list[tuple[float, float, float, int]]:
        return [(noise.uniform(0, 1000), noise.uniform(200, 800), noise.uniform(30, 60), 0) for _ in range(2)]

    counts, left = filtered(pictures(30, boxes=insects))
    assert counts.get("insect", 0) > 0.3 * 2 * FPS * 30
    near = lambda time, noise: [walker(time, 1), (500.0, 520.0, 4 * TALL, 0)]  # noqa: E731
    counts, left = filtered(pictures(10, boxes=near))
    assert counts == {"insect": FPS * 10}
    assert set(left) == {1}


def test_headlights_are_left_out_for_seconds_and_no_longer() -> None:
    light = lambda time: 90.0 if time >= 5 else 60.0  # noqa: E731
    boxes = lambda time, noise: [(600.0, 600.0, 120.0, 0), walker(time, 1)]  # noqa: E731
    counts, left = filtered(pictures(30, boxes=boxes, light=light))
    assert set(counts) == {"headlights"}
    assert 1 * FPS <= counts["headlights"] <= 7 * FPS
    assert left[-1] == 2


@pytest.mark.parametrize("profile", ["day", "night", "infrared"])
@pytest.mark.parametrize("pace", [0.5, 1.0, 2.5])
def test_an_unnamed_person_is_tracked(profile: str, pace: float) -> None:
    """A walker, a runner, by day and by night, alone and with a companion."""
    boxes = lambda time, noise: [(50 + pace * TALL * time, 500, TALL, 0), (900.0, 700.0, 150.0, 0)]  # noqa: E731
    counts, _ = filtered(pictures(8, boxes=boxes, profile=profile, start=NOON))
    assert not counts


def test_the_watcher_counts_them_and_still_sees_who_loiters() -> None:
    def scene(time: float, noise: np.random.Generator) -> list[tuple[float, float, float, int]]:
        drops = [(noise.uniform(0, 1000), 600, noise.uniform(15, 40), 0) for _ in range(7)]
        return [(500.0, 600.0, TALL, 1), *drops]

    watcher = WatchStage(site(), run="test")
    state = watcher.start("lane")
    events = []
    for record in pictures(30, boxes=scene):
        state, more = watcher.step(state, record)
        events += more
    assert watcher.counters(state)["rain"] > 300
    assert [event.kind for event in opened(events, "loitering")] == ["loitering"]
