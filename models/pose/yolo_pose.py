"""Any ultralytics pose model, such as yolo11n-pose.pt, as a pose estimator: for GPUs, where a batch of crops is cheap.

Ultralytics is AGPL-3.0: NOTICE says what that means for an operator.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any, Final

import numpy as np

from lanewatch.records import Box, Float32, Image
from models import hardware, offline_imports
from models.detection.base import ModelMissingError
from models.extras import ExtraMissingError
from models.pose.base import POINTS

MARGIN: Final = 1.25
"""Side of the crop over the box's longer side; the model finds the person in it."""
SIDE: Final = 256
"""Of the network's input, pixels: one person fills it."""


class YoloPose:
    """One model on one device. Its errors are those of ``models.pose.registry.load``.

    A lock serialises calls: ultralytics holds a call's state in the model.
    """

    def __init__(self, path: Path, device: str) -> None:
        self.name = path.name
        self._device = device = hardware.choose_device(device)
        self._lock = threading.Lock()
        try:
            self._model = offline_imports.yolo(path, "pose")
            points = self._predict([np.zeros((SIDE, SIDE, 3), np.uint8)])[0].keypoints
        except ExtraMissingError:
            raise
        except Exception as error:
            what = f"{path} is no pose model that ultralytics can load on {device}"
            raise ModelMissingError(f"{what}: {error}") from error
        if points is None or points.data.shape[1:] not in ((POINTS, 3), (0, 3)):
            raise ModelMissingError(f"{path} gives no {POINTS} keypoints: it is no pose model of people")

    def __call__(self, image: Image, boxes: Float32) -> Float32:
        """See ``PoseEstimator``. Of a crop's people the one of the highest score is used; zeros if there is none."""
        poses = np.zeros((len(boxes), POINTS, 3), np.float32)
        if not len(boxes):
            return poses
        crops, corners = zip(*(_crop(image, box) for box in boxes.tolist()), strict=True)
        with self._lock:
            results = self._predict(list(crops))
        for pose, result, corner in zip(poses, results, corners, strict=True):
            if len(result.boxes):
                pose[:] = result.keypoints.data[int(result.boxes.conf.argmax())].cpu().numpy()
                pose[:, :2] += corner
        return poses

    def _predict(self, images: list[Image]) -> list[Any]:
        results: list[Any] = self._model.predict(
            images, conf=0.1, imgsz=SIDE, device=self._device, half=self._device != "cpu", verbose=False, save=False
        )
        return results


def _crop(image: Image, box: Box) -> tuple[Image, tuple[int, int]]:
    left, top, right, bottom = box
    reach = max(right - left, bottom - top, 1.0) * MARGIN / 2
    x, y = (left + right) / 2, (top + bottom) / 2
    begin_x, begin_y = max(int(x - reach), 0), max(int(y - reach), 0)
    end_x, end_y = max(int(x + reach), begin_x + 2), max(int(y + reach), begin_y + 2)
    return np.ascontiguousarray(image[begin_y:end_y, begin_x:end_x]), (begin_x, begin_y)
