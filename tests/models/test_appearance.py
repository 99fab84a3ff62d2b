"""Looks tell clothes apart, survive a change of size and light noise, and bear any box."""

from __future__ import annotations

import numpy as np
import pytest

from lanewatch.records import Image
from models import appearance

RED, BLUE, GREY, BLACK = (30, 30, 190), (180, 60, 30), (128, 128, 128), (20, 20, 20)


def person(upper: tuple[int, int, int], lower: tuple[int, int, int], height: int = 80) -> Image:
    image = np.full((200, 200, 3), 210, np.uint8)
    image[20 : 20 + height // 2, 40 : 40 + height // 3] = upper
    image[20 + height // 2 : 20 + height, 40 : 40 + height // 3] = lower
    return image


def box(height: int = 80) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    return np.array([[40, 20, 40 + height // 3, 20 + height]], np.float32)


def test_an_appearance_is_similar_to_itself_at_another_size() -> None:
    near, far = (
        appearance.describe(person(RED, BLACK, 120), box(120)),
        appearance.describe(person(RED, BLACK, 40), box(40)),
    )
    assert near.shape == (1, appearance.SIZE)
    assert near.dtype == np.uint8
    assert appearance.similarity(near, near)[0, 0] == pytest.approx(1, abs=1e-6)
    assert appearance.similarity(near, far)[0, 0] > 0.95


@pytest.mark.parametrize(
    ("other", "most"),
    [
        (person(BLUE, BLACK), 0.6),  # another coat
        (person(BLACK, RED), 0.1),  # the same colours, the other way up
        (person(BLUE, GREY), 0.1),  # nothing in common
    ],
)
def test_other_clothes_are_distinguished(other: Image, most: float) -> None:
    assert (
        appearance.similarity(appearance.describe(person(RED, BLACK), box()), appearance.describe(other, box()))[0, 0]
        < most
    )


def test_invalid_boxes_have_an_empty_appearance() -> None:
    boxes = np.array(
        [
            [40, 20, 40, 100],  # no width
            [60, 90, 50, 20],  # inside out
            [np.nan, 0, 10, 10],
            [0, 0, np.inf, 9],
            [-50, -50, -10, -10],  # outside
            [900, 900, 950, 990],
        ],
        np.float32,
    )
    looks = appearance.describe(person(RED, BLACK), boxes)
    assert not looks.any()
    assert not appearance.similarity(looks, appearance.describe(person(RED, BLACK), box())).any()
    assert appearance.similarity(looks[:0], looks).shape == (0, len(boxes))


def test_boxes_over_the_border_and_below_a_pixel_are_described() -> None:
    boxes = np.array([[-10, -10, 30, 60], [50.2, 30.2, 50.4, 30.4], [190, 190, 220, 260]], np.float32)
    assert appearance.describe(person(RED, BLACK), boxes).any(axis=1).all()


def test_a_grey_picture_is_compared_by_lightness() -> None:
    dark, light = person(BLACK, BLACK), person((90, 90, 90), (90, 90, 90))
    assert appearance.similarity(appearance.describe(dark, box()), appearance.describe(light, box()))[0, 0] < 0.2
