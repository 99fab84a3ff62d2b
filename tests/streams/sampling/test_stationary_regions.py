"""Stationary regions in drawn pictures: noisy grey ground on which objects appear, disappear and pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lanewatch.records import StillRegion, UInt8
from streams.sampling.motion_gate import MotionGate
from streams.sampling.stationary_regions import StationaryRegionDetector

Paint = Callable[[UInt8, float], None]


def detected(paint: Paint, seconds: float, fps: float = 5.0) -> list[tuple[StillRegion, ...]]:
    """The regions that are found in each picture, 180 x 320, on which ``paint`` draws."""
    rng = np.random.default_rng(3)
    ground = rng.integers(105, 115, (180, 320))
    gate, still, regions = MotionGate(), StationaryRegionDetector(), []
    for index in range(round(seconds * fps)):
        at = index / fps
        picture = (ground + rng.integers(-3, 4, ground.shape)).astype(np.uint8)
        paint(picture, at)
        small = gate.reduce(picture)
        motion = gate.update(small, at, 1.0, still.learning_mask)
        if motion.relearned:
            still.reset()
        found = still.update(small, gate.fast_average, gate.slow_average, at, 1.0) if motion.warm else ()
        regions.append(found)
    return regions


def _bag(grey: int, begin: float, end: float) -> Paint:
    def paint(picture: UInt8, at: float) -> None:
        if begin <= at < end:
            picture[100:116, 150:168] = grey

    return paint


@pytest.mark.parametrize("grey", [20, 60, 170, 240])
def test_an_added_object_stands_out_now_and_a_removed_one_did_before(grey: int) -> None:
    (region,) = detected(_bag(grey, 10, 60), 25)[-1]
    assert region.added > 0.7
    (region,) = detected(_bag(grey, 0, 30), 45)[-1]
    assert region.added < -0.7
    assert region.box == pytest.approx((150, 100, 168, 116), abs=3)


def test_the_ground_of_a_busy_path_is_no_region() -> None:
    """Dark people cover each place for a third of the time, then leave. They have smeared the slow average."""

    def walkers(picture: UInt8, at: float) -> None:
        if 5 <= at < 35:
            x = int(at % 3.0 * 100)
            picture[90:130, max(x - 100, 0) : x] = 10

    assert not any(detected(walkers, 50)[-70:])


def test_the_shadow_of_a_cloud_is_no_region() -> None:
    """Less light by 40 % within ten seconds. A path, its verges, a light wall and a dark bush change by 44, 28, 60, 80
    and 16 grey levels."""

    def cloud(picture: UInt8, at: float) -> None:
        light = 1.0 - 0.4 * min(max((at - 10) / 10, 0.0), 1.0)
        picture[:, :100] -= 40
        picture[:, 220:] += 40
        picture[20:60, 120:170] += 90
        picture[120:160, 120:170] -= 70
        picture[:] = picture * light

    assert not any(detected(cloud, 40))


def test_an_object_in_the_dark_is_found() -> None:
    """A third of the light: a bag is 16 instead of 48 grey levels darker than the ground."""

    def night(picture: UInt8, at: float) -> None:
        _bag(62, 10, 60)(picture, at)
        picture[:] = picture / 3

    (region,) = detected(night, 25)[-1]
    assert region.added > 0.5
    assert region.box == pytest.approx((150, 100, 168, 116), abs=3)
