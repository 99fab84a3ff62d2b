"""Loads pose estimators by name: built in, or an ultralytics model's file."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Final

from models.detection import registry
from models.extras import import_extra
from models.pose.base import PoseEstimator

BUILT_IN: Final = "movenet"
NONE: Final = "none"


def load(name: str, device: str = "auto") -> PoseEstimator | None:
    """A pose estimator: movenet, always on the CPU, or an ultralytics pose model's path or name; None for ``none``.

    Raises:
        models.detection.base.ModelMissingError: there is none, or it cannot be used; the message explains it.
        models.hardware.DeviceMissingError: this machine has no such device.
    """
    if name == NONE:
        return None
    if name == BUILT_IN:
        bundled: Callable[[], PoseEstimator] = importlib.import_module("models.pose.movenet").MoveNet
        return bundled()
    path = find(name)
    ultralytics: Callable[[Path, str], PoseEstimator] = import_extra("models.pose.yolo_pose", str(path)).YoloPose
    return ultralytics(path, device)


def find(name: str) -> Path:
    """The ultralytics pose model of a path or name; a ``ModelMissingError`` if there is none."""
    return registry.find(name, (BUILT_IN, NONE), "detector.pose")
