"""Walkers who stand and talk are recognised, on made-up walks."""

from __future__ import annotations

import numpy as np

from benchmarks.acts.walker_loitering import STEP_S, Crowd, boxes, talking
from streams.simulator.scene import HEIGHT, WIDTH

FRAMES = 60


def crowd(*walks: tuple[float, float, float]) -> Crowd:
    """Walkers from (x, y, speed along x), one picture each ``STEP_S``."""
    times = np.arange(FRAMES) * STEP_S
    positions = [np.stack([x + speed * times, np.full(FRAMES, y)], axis=1) for x, y, speed in walks]
    return Crowd("made up", np.stack(positions, axis=1))


def test_two_people_who_stand_beside_each_other_talk() -> None:
    talks = talking(crowd((0, 0, 0.0), (1.0, 0, 0.01), (-5, 0, 0.0)))
    assert talks[10:50, :2].all()
    assert not talks[:, 2].any()  # stands alone


def test_two_people_who_walk_beside_each_other_do_not_talk() -> None:
    assert not talking(crowd((-8, 0, 1.2), (-8, 0.8, 1.2))).any()


def test_a_walker_who_passes_a_standing_person_does_not_talk() -> None:
    assert not talking(crowd((0, 0, 0.0), (-8, 0.5, 1.2))).any()


def test_the_made_up_camera_sees_the_whole_square() -> None:
    xyxy, _, present = boxes(crowd((-6, -6, 0.0), (6, -6, 0.0), (-6, 6, 0.0), (6, 6, 0.0)))
    assert present.all()
    assert (xyxy >= 0).all()
    assert (xyxy <= [WIDTH, HEIGHT, WIDTH, HEIGHT]).all()
    assert (xyxy[..., 3] - xyxy[..., 1] > 30).all()
