"""What real walkers' alarms are told apart by, on made-up walks."""

from __future__ import annotations

import numpy as np

from benchmarks.acts.walkers import STEP_S, Crowd, boxes, talking
from streams.simulator.scene import HEIGHT, WIDTH

FRAMES = 60


def crowd(*walks: tuple[float, float, float]) -> Crowd:
    """People who begin at (x, y) and walk at a speed along x, one picture each ``STEP_S``."""
    times = np.arange(FRAMES) * STEP_S
    spots = [np.stack([x + speed * times, np.full(FRAMES, y)], axis=1) for x, y, speed in walks]
    return Crowd("made up", np.stack(spots, axis=1))


def test_two_who_stand_beside_each_other_talk() -> None:
    talks = talking(crowd((0, 0, 0.0), (1.0, 0, 0.01), (-5, 0, 0.0)))
    assert talks[10:50, :2].all()
    assert not talks[:, 2].any()  # stands alone


def test_two_who_walk_beside_each_other_do_not() -> None:
    assert not talking(crowd((-8, 0, 1.2), (-8, 0.8, 1.2))).any()


def test_one_who_passes_by_one_who_stands_does_not() -> None:
    assert not talking(crowd((0, 0, 0.0), (-8, 0.5, 1.2))).any()


def test_the_made_up_camera_sees_the_whole_square() -> None:
    whole, _, there = boxes(crowd((-6, -6, 0.0), (6, -6, 0.0), (-6, 6, 0.0), (6, 6, 0.0)))
    assert there.all()
    assert (whole >= 0).all()
    assert (whole <= [WIDTH, HEIGHT, WIDTH, HEIGHT]).all()
    assert (whole[..., 3] - whole[..., 1] > 30).all()
