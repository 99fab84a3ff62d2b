"""The benchmark's ground truth, on people whose paths can be computed by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import shapely

from benchmarks import events
from benchmarks import zone_event_ground_truth as truth
from benchmarks.datasets import KISA_WINDOW_S
from benchmarks.zone_event_ground_truth import LabelledEvent, PersonPath

ZONE = shapely.box(100, 0, 200, 100)


def person(*spans: tuple[float, float, float], number: int = 1, fps: float = 10.0) -> PersonPath:
    """A person at x from begin to end (begin, end, x), y always 50."""
    times = np.concatenate([np.arange(round((end - begin) * fps)) / fps + begin for begin, end, _ in spans])
    xs = np.concatenate([np.full(round((end - begin) * fps), x) for begin, end, x in spans])
    return PersonPath(number, times, np.stack([xs, np.full(len(xs), 50.0)], axis=1), np.full(len(xs), 90.0))


@pytest.mark.parametrize(
    ("spans", "loitering", "intrusion"),
    [
        ([(0, 5, 50)], [], []),  # never inside
        ([(0, 3, 50), (3, 8, 150)], [], [(3.0, False)]),
        ([(0, 3, 50), (3, 15, 150)], [(13.0, False)], [(3.0, False)]),
        ([(0, 20, 150)], [(10.0, False)], [(0.0, False)]),  # there when the clip begins
        ([(0, 3, 50), (3, 13, 150)], [(13.0, True)], [(3.0, False)]),  # ten seconds: ignored
        ([(0, 7, 150), (7, 7.9, 50), (7.9, 15, 150)], [(10.0, False)], [(0.0, False)]),  # a step out
        ([(0, 7, 150), (7, 9, 50), (9, 16, 150)], [], [(0.0, False), (9.0, False)]),  # two stays
        ([(0, 3, 50), (3, 3.5, 150), (3.5, 9, 50)], [], [(3.0, True)]),  # half a second: ignored
    ],
)
def test_stays(
    spans: list[tuple[float, float, float]], loitering: list[tuple[float, bool]], intrusion: list[tuple[float, bool]]
) -> None:
    paths = [person(*spans)]
    assert [(round(event.at, 3), event.ignored) for event in truth.loiterings(paths, ZONE)] == loitering
    assert [(round(event.at, 3), event.ignored) for event in truth.intrusions(paths, ZONE)] == intrusion


def test_crossings() -> None:
    line = shapely.LineString([(100, 0), (100, 100)])
    once = person((0, 2, 50), (2, 4, 150))
    sways = person((0, 2, 50), (2, 2.5, 150), (2.5, 3, 50), (3, 5, 150))
    assert truth.crossings([once], line) == [LabelledEvent(2.0, 1, False)]
    assert [(event.at, event.ignored) for event in truth.crossings([sways], line)] == [
        (2.0, False),
        (2.5, True),
        (3.0, True),
    ]


@pytest.mark.parametrize(
    ("alarms", "expected"),
    [
        ([], (0, 0, 1)),  # none
        ([20.0], (1, 0, 0)),
        ([18.0], (1, 0, 0)),
        ([30.0], (1, 0, 0)),
        ([17.9], (0, 1, 1)),  # early: false, and the truth is missed
        ([30.1], (0, 1, 1)),  # late
        ([20.0, 21.0], (1, 1, 0)),  # one alarm to one truth
        ([20.0, 52.0], (1, 0, 0)),  # for an ignored truth: not false
        ([20.0, 52.0, 53.0], (1, 1, 0)),
    ],
)
def test_kisas_window(alarms: list[float], expected: tuple[int, int, int]) -> None:
    truths = [LabelledEvent(20.0, 1, False), LabelledEvent(50.0, 2, True)]
    assert tuple(events.count(alarms, truths, KISA_WINDOW_S)) == expected


def test_layouts_have_the_given_size_and_are_reproducible(data: Path) -> None:
    paths = truth.person_paths(data / "pets09-s2l1" / "gt.txt", 7.0)
    layouts = truth.layouts(paths, 768, 576, 4.5, 1, 5)
    again = truth.layouts(paths, 768, 576, 4.5, 1, 5)
    assert [layout.closed.wkt for layout in layouts] == [layout.closed.wkt for layout in again]
    feet = np.concatenate([path.feet for path in paths])
    heights = np.concatenate([path.heights for path in paths])
    for layout in layouts:
        for zone in (layout.watch, layout.closed):
            assert shapely.box(0, 0, 768, 576).contains(zone)
            near = np.abs(feet[:, 1] - zone.centroid.y) < 30
            sides = shapely.get_coordinates(zone.minimum_rotated_rectangle)
            across = min(np.linalg.norm(sides[1] - sides[0]), np.linalg.norm(sides[2] - sides[1]))
            assert across / np.median(heights[near]) > 4
