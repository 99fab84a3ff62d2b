"""The measurements of the whole picture."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from av.video.frame import VideoFrame

from lanewatch.records import Image
from streams.sampling.image_quality import ImageQuality, luma_plane
from tests.detectors.walker_records import NOON, site


def street(seed: int = 3) -> Image:
    rng = np.random.default_rng(seed)
    wall = rng.integers(60, 200, (18, 32, 3)).repeat(10, axis=0).repeat(10, axis=1)
    return wall.astype(np.uint8)


def grey(picture: Image) -> Image:
    luma = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.merge([luma, luma, luma]), np.uint8)


def tinted(picture: Image) -> Image:
    """Monochrome, with a violet cast as of a cheap infrared camera."""
    cast: Image = np.clip(grey(picture) + np.array((14, -6, 8)), 0, 255).astype(np.uint8)
    return cast


def measured(pictures: list[Image], every_s: float = 2.0) -> ImageQuality:
    quality = ImageQuality(site().cameras[0])
    for index, picture in enumerate(pictures):
        noise = np.random.default_rng(index).normal(0, 2, picture.shape)
        noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
        decoded = VideoFrame.from_ndarray(noisy, format="bgr24").reformat(format="yuv420p")
        small = luma_plane(decoded)
        quality.update(decoded, small, small, NOON + index * every_s)
    return quality


@pytest.mark.parametrize(
    ("change", "profile"),
    [
        (lambda picture: picture, "day"),
        (grey, "infrared"),
        (tinted, "infrared"),
        (lambda picture: (picture * 0.3).astype(np.uint8), "day"),  # dark, and in colour
    ],
)
def test_infrared_is_recognised_with_any_tint(change: Callable[[Image], Image], profile: str) -> None:
    quality = measured([street()] * 2 + [change(street())] * 2)
    assert quality.profile(NOON) == profile


def test_infrared_and_colour_stills_at_night_are_distinguished(data: Path) -> None:
    folder = data / "llvip-night"
    assert folder.is_dir()
    for light in ("visible", "infrared"):
        for path in sorted((folder / light).glob("*.jpg"))[::4]:
            picture = cv2.imread(str(path))
            assert picture is not None
            profile = measured([cv2.resize(picture, (640, 512)).astype(np.uint8)]).profile(NOON)
            assert (profile == "infrared") == (light == "infrared"), path


def familiar(pictures: list[Image]) -> float:
    value = measured(pictures).familiar
    assert value is not None
    return value


def test_the_view_is_familiar_until_the_camera_is_moved() -> None:
    baseline = [street()] * 20
    assert measured(baseline[:5]).familiar is None  # not learned yet
    bus = street()
    bus[40:150, 60:200] = 90
    assert familiar(baseline) > 0.9
    assert familiar([*baseline, (street() * 0.6).astype(np.uint8)]) > 0.7
    assert familiar([*baseline, bus]) > 0.5
    assert familiar([*baseline, street(seed=4)]) < 0.25  # turned away
    assert familiar([*baseline, np.roll(street(), 24, axis=1)]) < 0.25  # pushed


def test_a_new_view_is_the_usual_one_after_ten_minutes() -> None:
    assert familiar([street()] * 20 + [street(seed=4)] * 300) > 0.6


def test_the_duration_of_a_frozen_picture() -> None:
    quality = ImageQuality(site().cameras[0])
    decoded = VideoFrame.from_ndarray(street(), format="bgr24").reformat(format="yuv420p")
    small = luma_plane(decoded).copy()
    for second in range(6):
        quality.update(decoded, small, small, NOON + second)
        assert quality.frozen_s == second
        assert quality.frozen == (second > 0)
    changed = small.copy()
    changed[5, 5] += 1
    quality.update(decoded, changed, small, NOON + 6)
    assert (quality.frozen, quality.frozen_s) == (False, 0.0)


def test_blur_lowers_sharpness_only_and_a_cover_lowers_contrast_too() -> None:
    clear = measured([street()])
    soft = measured([np.asarray(cv2.GaussianBlur(street(), (0, 0), 4), np.uint8)])
    covered = measured([np.full((180, 320, 3), 40, np.uint8)])
    focus = [quality.sharpness / quality.contrast**2 for quality in (clear, soft)]
    assert focus[1] < 0.3 * focus[0]
    assert soft.contrast > 0.5 * clear.contrast
    assert covered.contrast < 0.4 * clear.contrast
    assert covered.sharpness < 0.4 * clear.sharpness
