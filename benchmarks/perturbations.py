"""Changes of real footage under which a judgement must hold: of the light, the picture, its place, speed and rate.

The changes are those that a city's cameras show: they hang elsewhere, at another exposure, on a shaking pole, behind a
cheap encoder, at another frame rate. No constant of the project was chosen by them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import cv2
import numpy as np

from lanewatch.records import Image

Point = tuple[float, float]

CROP: Final = 0.05
"""Of each side: a tenth of the width and of the height."""
NOISE: Final = 8.0
"""Standard deviation of the noise, of 255 levels."""
SHAKE: Final = 2
"""Pixels by which a picture is shifted at most, in each direction."""


class Perturbation(NamedTuple):
    """One change.

    ``change`` takes a picture and its number in the clip. ``move`` takes a place, in fractions of the picture, to where
    the changed picture shows it. ``speed`` is that of everything in the picture. ``rate`` multiplies the pictures a
    second. ``network`` is another detector's name; the default one if None.
    """

    name: str
    change: Callable[[Image, int], Image] | None = None
    move: Callable[[Point], Point] = lambda point: point
    mirrored: bool = False
    speed: float = 1.0
    rate: float = 1.0
    network: str | None = None


def _brightness(factor: float) -> Callable[[Image, int], Image]:
    return lambda image, _: np.asarray(cv2.convertScaleAbs(image, alpha=factor), np.uint8)


def _gamma(image: Image, _: int) -> Image:
    levels = np.round(255 * (np.arange(256) / 255) ** 1.5).astype(np.uint8)
    return levels[image]


def _jpeg(image: Image, _: int) -> Image:
    data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 30))[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _cropped(image: Image, _: int) -> Image:
    top, left = (round(side * CROP / 2) * 2 for side in image.shape[:2])
    return image[top : image.shape[0] - top, left : image.shape[1] - left]


def _to_cropped(point: Point) -> Point:
    x, y = (min(max((value - CROP) / (1 - 2 * CROP), 0.0), 1.0) for value in point)
    return x, y


def _noise(image: Image, number: int) -> Image:
    noise = np.random.default_rng(number).normal(0.0, NOISE, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def _shake(image: Image, number: int) -> Image:
    right, down = np.random.default_rng(number).integers(-SHAKE, SHAKE + 1, 2)
    padded = cv2.copyMakeBorder(image, SHAKE, SHAKE, SHAKE, SHAKE, cv2.BORDER_REPLICATE)
    height, width = image.shape[:2]
    return np.asarray(padded[SHAKE + down :, SHAKE + right :][:height, :width], np.uint8)


NONE: Final = Perturbation("none")
PERTURBATIONS: Final = (
    NONE,
    Perturbation("mirrored", lambda image, _: image[:, ::-1], lambda point: (1 - point[0], point[1]), mirrored=True),
    Perturbation("70 % brightness", _brightness(0.7)),
    Perturbation("130 % brightness", _brightness(1.3)),
    Perturbation("gamma 1.5", _gamma),
    Perturbation("JPEG quality 30", _jpeg),
    Perturbation("10 % cropped", _cropped, _to_cropped),
    Perturbation("noise", _noise),
    Perturbation("shake", _shake),
    Perturbation("0.8 x speed", speed=0.8),
    Perturbation("1.25 x speed", speed=1.25),
    Perturbation("half rate", rate=0.5),
    Perturbation("double rate", rate=2.0),
    Perturbation("float32", network="nanodet-g-float32"),
)
"""The default network is in int8. The processor is the one at hand: PROTOCOLS.md says how to limit it to AVX2."""
