"""Where somebody's joints are: 17 points in COCO's order, for the few boxes that look odd by themselves."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from lanewatch.records import Float32, Image
from models import detector

POINTS: Final = 17
SHOULDERS: Final = (5, 6)
HIPS: Final = (11, 12)
ANKLES: Final = (15, 16)
"""Rows of the points that are asked for; the person's left before the right."""

BUILT_IN: Final = "movenet"
NONE: Final = "none"


class PoseEstimator(Protocol):
    """A picture and people's boxes in, their joints out; may be called from several threads at once."""

    @property
    def name(self) -> str:
        """Which network it is."""
        ...

    def __call__(self, image: Image, boxes: Float32) -> Float32:
        """The joints of the person in each box.

        Args:
            image: (H, W, 3) uint8, BGR.
            boxes: (N, 4) xyxy, pixels of the image.

        Returns:
            (N, 17, 3) float32: x and y in pixels of the image, and a score in [0, 1]; points that the estimator only
            guesses, such as those out of the picture, have low scores.
        """
        ...


def load(name: str, device: str = "auto") -> PoseEstimator | None:
    """A pose estimator, ready to be called; None for ``none``.

    Args:
        name: movenet (which always runs on the CPU), none, or the path or name of an ultralytics pose model.
        device: auto, cpu, cuda or cuda:N, for an ultralytics model.

    Raises:
        models.detector.ModelMissingError: there is no such model, and how to get it.
        models.detector.DeviceMissingError: the device is not here.
    """
    if name == NONE:
        return None
    if name == BUILT_IN:
        bundled: Callable[[], PoseEstimator] = importlib.import_module("models.movenet").MoveNet
        return bundled()
    path = find(name)
    ultralytics: Callable[[Path, str], PoseEstimator] = importlib.import_module("models.yolo_pose").load
    return ultralytics(path, device)


def find(name: str) -> Path:
    """The ultralytics pose model of that path or name.

    Raises:
        models.detector.ModelMissingError: there is none.
    """
    return detector.find(name, (BUILT_IN, NONE), "detector.pose")
