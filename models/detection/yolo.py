"""Any ultralytics model as a detector: its .pt, .onnx or .engine file, or its OpenVINO folder.

Ultralytics is AGPL-3.0: NOTICE says what that means for an operator. It calls ``predict``, never ``track``: those
trackers would share one state between all cameras of a batch.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from lanewatch.records import LABELS, Image, Int64
from models import hardware, offline_imports
from models.detection.base import OVERLAP, Boxes, ModelMissingError
from models.extras import ExtraMissingError

_SYNONYMS: Final = {
    "pedestrian": "person",
    "people": "person",
    "motorbike": "motorcycle",
    "van": "car",
    "lorry": "truck",
}
"""Names in other data sets for classes of ``records.LABELS``."""


class Yolo:
    """One model on one device. Its errors are those of ``models.detection.registry.load``.

    A lock serialises calls: ultralytics holds a call's state in the model.
    """

    def __init__(self, path: Path, device: str, score: float) -> None:
        self.name = path.name
        self._device = device = hardware.choose_device(device)
        self._score = score
        self._lock = threading.Lock()
        try:
            self._model = offline_imports.yolo(path, "detect")
            names: dict[int, str] = self._model.names
        except ExtraMissingError:
            raise
        except Exception as error:
            raise _unusable(path, device, error) from error
        self._labels = _labels(names)
        self._classes = [int(index) for index in np.flatnonzero(self._labels >= 0)]
        if not self._classes:
            known = ", ".join(names.values())
            raise ModelMissingError(f"{path} knows {known}: none of these is one of {', '.join(LABELS[1:])}")
        try:
            self._predict([np.zeros((64, 64, 3), np.uint8)])
        except Exception as error:
            raise _unusable(path, device, error) from error
        if device == "cpu":
            torch.set_num_threads(hardware.usable_cores())  # ultralytics leaves one core idle

    def __call__(self, images: Sequence[Image]) -> list[Boxes]:
        """See ``ObjectDetector``."""
        boxes: list[Boxes] = [Boxes.empty()] * len(images)
        for rows in _by_shape(images):
            with self._lock:
                results = self._predict([images[row] for row in rows])
            for row, result in zip(rows, results, strict=True):
                boxes[row] = self._boxes(result, images[row])
        return boxes

    def _predict(self, images: list[Image]) -> list[Any]:
        results: list[Any] = self._model.predict(
            images,
            conf=self._score,
            iou=OVERLAP,
            classes=self._classes,
            device=self._device,
            half=self._device != "cpu",
            verbose=False,
            save=False,
        )
        return results

    def _boxes(self, result: Any, image: Image) -> Boxes:
        found = result.boxes.cpu().numpy()
        labels = self._labels[found.cls.astype(np.int64)]
        boxes = Boxes(found.xyxy.astype(np.float32), found.conf.astype(np.float32), labels.astype(np.uint8))
        return boxes.inside(image.shape[1], image.shape[0]).distinct()


def _unusable(path: Path, device: str, error: Exception) -> ModelMissingError:
    return ModelMissingError(
        f"{path} is no detector that ultralytics can load on {device}: {error}. An .engine file works only with the "
        f"TensorRT and the GPU that it was made for; a .pt file works everywhere."
    )


def _by_shape(images: Sequence[Image]) -> list[list[int]]:
    """Indices of the pictures of each shape: a call with several shapes would pad them, which gives other boxes."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, image in enumerate(images):
        groups.setdefault(image.shape, []).append(row)
    return list(groups.values())


def _labels(names: dict[int, str]) -> Int64:
    """The index in ``LABELS`` of each of the model's classes, or -1."""
    labels = np.full(max(names, default=-1) + 1, -1, np.int64)
    for index, name in names.items():
        known = _SYNONYMS.get(name.lower(), name.lower())
        if known in LABELS[1:]:
            labels[index] = LABELS.index(known)
    return labels
