"""What the sampler says of the picture as a whole."""

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
    one = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
    return np.asarray(cv2.merge([one, one, one]), np.uint8)


def tinted(picture: Image) -> Image:
    """Monochrome, with a violet cast as of a cheap infrared camera."""
    cast: Image = np.clip(grey(picture) + np.array((14, -6, 8)), 0, 255).astype(np.uint8)
    return cast


def looked(pictures: list[Image], every_s: float = 2.0) -> ImageQuality:
    look = ImageQuality(site().cameras[0])
    for index, picture in enumerate(pictures):
        noise = np.random.default_rng(index).normal(0, 2, picture.shape)
        noisy = np.clip(picture + noise, 0, 255).astype(np.uint8)
        decoded = VideoFrame.from_ndarray(noisy, format="bgr24").reformat(format="yuv420p")
        small = luma_plane(decoded)
        look.update(decoded, small, small, NOON + index * every_s)
    return look


@pytest.mark.parametrize(
    ("change", "profile"),
    [
        (lambda one: one, "day"),
        (grey, "infrared"),
        (tinted, "infrared"),
        (lambda one: (one * 0.3).astype(np.uint8), "day"),  # dark, and in colour
    ],
)
def test_infrared_is_known_by_its_colours_whatever_its_tint(change: Callable[[Image], Image], profile: str) -> None:
    look = looked([street()] * 2 + [change(street())] * 2)
    assert look.profile(NOON) == profile


def test_stills_at_night_are_told_apart(data: Path) -> None:
    folder = data / "llvip-night"
    assert folder.is_dir()
    for light in ("visible", "infrared"):
        for path in sorted((folder / light).glob("*.jpg"))[::4]:
            picture = cv2.imread(str(path))
            assert picture is not None
            seen = looked([cv2.resize(picture, (640, 512)).astype(np.uint8)]).profile(NOON)
            assert (seen == "infrared") == (light == "infrared"), path


def familiar(pictures: list[Image]) -> float:
    value = looked(pictures).familiar
    assert value is not None
    return value


def test_the_view_is_familiar_until_the_camera_is_turned() -> None:
    usual = [street()] * 20
    assert looked(usual[:5]).familiar is None  # nothing is known yet
    bus = street()
    bus[40:150, 60:200] = 90
    assert familiar(usual) > 0.9
    assert familiar([*usual, (street() * 0.6).astype(np.uint8)]) > 0.7
    assert familiar([*usual, bus]) > 0.5
    assert familiar([*usual, street(seed=4)]) < 0.25  # turned away
    assert familiar([*usual, np.roll(street(), 24, axis=1)]) < 0.25  # pushed


def test_a_new_view_is_the_usual_one_after_ten_minutes() -> None:
    assert familiar([street()] * 20 + [street(seed=4)] * 300) > 0.6


def test_how_long_a_picture_has_stood() -> None:
    look = ImageQuality(site().cameras[0])
    decoded = VideoFrame.from_ndarray(street(), format="bgr24").reformat(format="yuv420p")
    small = luma_plane(decoded).copy()
    for second in range(6):
        look.update(decoded, small, small, NOON + second)
        assert look.frozen_s == second
        assert look.frozen == (second > 0)
    changed = small.copy()
    changed[5, 5] += 1
    look.update(decoded, changed, small, NOON + 6)
    assert (look.frozen, look.frozen_s) == (False, 0.0)


def test_blur_takes_sharpness_and_leaves_contrast_and_a_cover_takes_both() -> None:
    clear = looked([street()])
    soft = looked([np.asarray(cv2.GaussianBlur(street(), (0, 0), 4), np.uint8)])
    covered = looked([np.full((180, 320, 3), 40, np.uint8)])
    focus = [one.sharpness / one.contrast**2 for one in (clear, soft)]
    assert focus[1] < 0.3 * focus[0]
    assert soft.contrast > 0.5 * clear.contrast
    assert covered.contrast < 0.4 * clear.contrast
    assert covered.sharpness < 0.4 * clear.sharpness
