"""Fights are counted: scenes are recognised, no threshold is chosen on its own scene, and chance gives .5."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.acts import fights
from benchmarks.acts.fights import Clip
from lanewatch.records import Image


def picture(seed: int, shift: int = 0) -> Image:
    """Random blocks, ``shift`` pixels further to the right."""
    noise = np.random.default_rng(seed).integers(0, 255, (24, 60), np.uint8)
    return np.ascontiguousarray(cv2.resize(noise, (600, 240), interpolation=cv2.INTER_CUBIC)[:, shift : shift + 320])


def test_a_turned_camera_shows_the_same_scene_and_another_size_is_another_scene() -> None:
    shown = [(1, 0, 640), (1, 40, 640), (2, 0, 640), (1, 0, 1280)]
    found = [Clip(Path("x"), True, 25.0, (width, 480), picture(seed, shift)) for seed, shift, width in shown]
    first, turned, other, larger = fights.scenes(found)
    assert first == turned
    assert len({first, other, larger}) == 3


def test_a_clip_that_was_assigned_by_eye_is_in_its_scene() -> None:
    near, far = fights.CLOSER[0]
    names = [near, far, "third"]
    found = [Clip(Path(f"{name}.mp4"), True, 25.0, (640, 480), picture(seed)) for seed, name in enumerate(names)]
    scene = fights.scenes(found)
    assert scene[0] == scene[1] != scene[2]


def test_the_threshold_for_a_scene_comes_from_the_other_scenes() -> None:
    """The first scene's own best threshold would classify it correctly; the others' does not."""
    scores = [5.0, 4.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    truth = [True, False] * 4
    assert fights.leave_scene_out(scores, truth, [0, 0, 1, 1, 2, 2, 3, 3]) == [
        True,
        True,
        True,
        False,
        True,
        False,
        True,
        False,
    ]
    assert fights.threshold(scores[:2], truth[:2]) == 4.5


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        ([2.0, 3.0, 0.0, 1.0], [True, True, False, False], 1.0),
        ([0.0, 1.0, 2.0, 3.0], [True, True, False, False], 0.0),
        ([1.0, 1.0, 1.0], [True, False, False], 0.5),  # no information
        ([3.0, 1.0, 2.0, 0.0], [True, True, False, False], 0.75),  # by hand: 3 of 4 pairs
    ],
)
def test_auc_is_the_share_of_pairs_in_the_right_order(scores: list[float], truth: list[bool], expected: float) -> None:
    assert fights.auc(scores, truth) == expected


def test_balanced_accuracy_by_hand() -> None:
    """One of two fights found, three of four others rejected."""
    answers, truth = [True, False, True, False, False, False], [True, True, False, False, False, False]
    assert fights.balanced_accuracy(answers, truth) == (1 / 2 + 3 / 4) / 2
