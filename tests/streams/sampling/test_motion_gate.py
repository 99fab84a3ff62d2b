from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import motion_gate as gate_benchmark
from lanewatch.records import Box, UInt8
from streams.sampling.motion_gate import MotionGate
from streams.sampling.stationary_regions import StationaryRegionDetector
from streams.video.privacy_masks import Polygon

FPS = 5.0
WALL = np.random.default_rng(7).integers(80, 170, (18, 32)).repeat(10, axis=0).repeat(10, axis=1).astype(np.float64)


def picture(rng: np.random.Generator, noise: float = 2.0, gain: float = 1.0, light: float = 0.0) -> UInt8:
    grey = WALL * gain + light + rng.normal(0, noise, WALL.shape)
    return np.clip(grey, 0, 255).astype(np.uint8)


def warm_gate(
    rng: np.random.Generator, masks: Sequence[Polygon] = (), noise: float = 2.0, pictures: int = 25
) -> MotionGate:
    gate = MotionGate(masks)
    for index in range(pictures):
        gate.update(gate.reduce(picture(rng, noise)), index / FPS)
    return gate


def test_there_is_no_motion_before_the_background_is_learned() -> None:
    rng = np.random.default_rng(0)
    gate = MotionGate()
    first = gate.update(gate.reduce(picture(rng)), 0.0)
    assert first.boxes == ()
    assert not first.warm
    assert first.active  # but the camera is not idle either
    assert warm_gate(rng).update(gate.reduce(picture(rng)), 5.0).warm


@pytest.mark.parametrize("noise", [0.0, 2.0, 5.0, 10.0, 15.0])
def test_camera_noise_is_no_motion(noise: float) -> None:
    rng = np.random.default_rng(1)
    gate = warm_gate(rng, noise=noise, pictures=60)
    boxes = [box for i in range(60, 120) for box in gate.update(gate.reduce(picture(rng, noise)), i / FPS).boxes]
    assert boxes == []


@pytest.mark.parametrize(
    ("seconds", "gain", "light"),
    [
        (0.2, 1.0, 40.0),  # a lamp goes on
        (0.2, 0.5, 0.0),  # a lamp goes out
        (4.0, 1.3, 10.0),  # a cloud passes
        (20.0, 0.6, -10.0),  # a fast dusk
        (0.2, 1.5, 30.0),  # the camera's exposure jumps
    ],
)
def test_a_change_of_the_light_is_no_motion(seconds: float, gain: float, light: float) -> None:
    rng = np.random.default_rng(2)
    gate = warm_gate(rng)
    boxes: list[Box] = []
    steps = max(1, round(seconds * FPS))
    for index in range(steps + 25):
        share = min(1.0, (index + 1) / steps)
        small = gate.reduce(picture(rng, 2.0, 1 + (gain - 1) * share, light * share))
        boxes += gate.update(small, 5.0 + index / FPS).boxes
    assert boxes == []


@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_motion_is_located_also_after_a_change_of_the_light(gain: float) -> None:
    rng = np.random.default_rng(3)
    gate = warm_gate(rng)
    for index in range(25, 60):
        gate.update(gate.reduce(picture(rng, 2.0, gain)), index / FPS)
    found = 0
    for index in range(60, 90):
        left = 20 + (index - 60) * 8
        grey = picture(rng, 2.0, gain)
        grey[90:130, left : left + 14] = 10
        boxes = gate.update(gate.reduce(grey), index / FPS, 2.0).boxes
        found += len(boxes) == 1 and abs(boxes[0][0] - 2 * left) < 24 and abs(boxes[0][3] - 260) <= 6
    assert found >= 28


def test_a_stopped_object_and_its_ghost_are_soon_no_motion() -> None:
    rng = np.random.default_rng(4)
    gate = warm_gate(rng)
    quiet = []
    for index in range(25, 125):
        grey = picture(rng)
        grey[90:130, 100:114] = 10
        quiet.append(not gate.update(gate.reduce(grey), index / FPS).boxes)
    assert not quiet[0]
    assert all(quiet[15:])
    afterwards = [gate.update(gate.reduce(picture(rng)), index / FPS).boxes for index in range(125, 160)]
    assert all(not boxes for boxes in afterwards[15:])


def test_has_motion_does_not_change_the_background() -> None:
    rng = np.random.default_rng(5)
    gate = warm_gate(rng)
    grey = picture(rng)
    grey[90:130, 100:114] = 10
    before = gate.slow_average.copy()
    assert gate.has_motion(gate.reduce(grey))
    assert not gate.has_motion(gate.reduce(picture(rng)))
    assert not gate.has_motion(gate.reduce(picture(rng, light=5.0)))
    np.testing.assert_array_equal(gate.slow_average, before)


def test_masked_motion_is_not_found() -> None:
    rng = np.random.default_rng(6)
    gate = warm_gate(rng, [[(0.0, 0.4), (1.0, 0.4), (1.0, 0.8), (0.0, 0.8)]])
    for index in range(25, 40):
        grey = picture(rng, light=float(index % 3) * 5)
        grey[90:130, index * 5 : index * 5 + 14] = 10
        assert gate.update(gate.reduce(grey), index / FPS).boxes == ()


def test_an_update_is_cheap() -> None:
    """The benchmark has the exact limit. This one only finds a gate that became much slower."""
    rng = np.random.default_rng(8)
    gate = warm_gate(rng)
    smalls = [gate.reduce(picture(rng)) for _ in range(20)]
    cv2.setNumThreads(1)
    best = 1.0
    for turn in range(10):
        started = time.thread_time()
        for index, small in enumerate(smalls):
            gate.update(small, 10.0 + turn * 4 + index / FPS)
        best = min(best, (time.thread_time() - started) / len(smalls))
    assert best < 0.0016  # twice the bound of a quiet machine


def test_a_bag_becomes_a_stationary_region_and_not_background() -> None:
    rng = np.random.default_rng(9)
    gate, still = warm_gate(rng, pictures=50), StationaryRegionDetector()
    regions = []
    for index in range(50, 50 + 5 * 60):
        grey = picture(rng)
        grey[120:134, 200:214] = 20
        small = gate.reduce(grey)
        gate.update(small, index / FPS, 1.0, still.learning_mask)
        regions.append(still.update(small, gate.fast_average, gate.slow_average, index / FPS, 2.0))
    first = next(index for index, found in enumerate(regions) if found)
    assert 3.0 <= first / FPS <= 7.0
    assert len(regions[-1]) == 1
    left, top, right, bottom = regions[-1][0].box
    assert (left, top, right, bottom) == pytest.approx((400, 240, 428, 268), abs=6)
    assert regions[-1][0].still_since == regions[first][0].still_since
    assert 10.0 <= regions[-1][0].still_since <= 13.5


def test_moving_people_are_found_on_real_footage(data: Path) -> None:
    row = gate_benchmark.measure("pets09-s2l1", [gate_benchmark.pets(data)])
    assert row["unsampled"] == 0.0
    assert float(row["unseen"]) <= 0.01


@pytest.mark.parametrize(
    ("height", "width"), [(180, 320), (288, 384), (360, 640), (576, 768), (1080, 1920), (575, 767)]
)
def test_the_reduced_picture_is_at_most_400_wide(height: int, width: int) -> None:
    small = MotionGate().reduce(np.zeros((height, width), np.uint8))
    assert 200 < small.shape[1] <= 400
    assert small.shape[1] / small.shape[0] == pytest.approx(width / height, rel=0.02)


def test_the_background_is_relearned_if_the_picture_size_changes_beside_a_bag() -> None:
    gate, still = MotionGate(()), StationaryRegionDetector(())
    large, small = (np.full(shape, 90, np.uint8) for shape in ((240, 320), (180, 320)))
    for at in np.arange(0.0, 20.0, 0.25):
        picture = large.copy()
        if at >= 8.0:
            picture[150:170, 100:115] = 200
        motion = gate.update(picture, float(at), 1.0, still.learning_mask)
        still.update(picture, gate.fast_average, gate.slow_average, float(at), 1.0)
    assert still.learning_mask is not None
    motion = gate.update(small, 20.0, 1.0, still.learning_mask)
    assert motion.relearned
    still.reset()
    for at in np.arange(20.25, 30.0, 0.25):
        motion = gate.update(small, float(at), 1.0, still.learning_mask)
    assert motion.warm
    assert not motion.boxes
