"""Any ultralytics model as a detector: its .pt, .onnx or .engine file, or its OpenVINO folder.

Ultralytics is AGPL-3.0: NOTICE says what that means for a city. Always ``predict``, never ``track``: its trackers
would share one state over all the cameras of a batch.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from lanewatch.records import LABELS, Image, Int64
from models import hardware, offline
from models.detection.base import OVERLAP, Boxes, ModelMissingError, ObjectDetector

_SAME: Final = {"pedestrian": "person", "people": "person", "motorbike": "motorcycle", "van": "car", "lorry": "truck"}
"""Names that other data sets have for what ``records.LABELS`` has."""


def load(path: Path, device: str, score: float) -> ObjectDetector:
    """The model of that file or folder.

    Args:
        path: as ``models.detection.registry.find`` gives it.
        device: auto, cpu, cuda or cuda:N.
        score: boxes below it are left out.

    Raises:
        ModelMissingError: it is no model that ultralytics can load here, or it knows nothing that has a label here.
        DeviceMissingError: the device is not here.
    """
    return Yolo(path, hardware.choose_device(device), score)


class Yolo:
    """One model on one device. Calls from several threads take turns: ultralytics keeps a call's state in itself."""

    def __init__(self, path: Path, device: str, score: float) -> None:
        self.name = path.name
        self._device = device
        self._score = score
        self._turn = threading.Lock()
        ultralytics = offline.ultralytics()
        try:
            self._model = ultralytics.YOLO(str(path), **({} if path.suffix == ".pt" else {"task": "detect"}))
            names: dict[int, str] = self._model.names
        except Exception as error:
            raise _unusable(path, device, error) from error
        self._labels = _labels(names)
        self._classes = [int(index) for index in np.flatnonzero(self._labels >= 0)]
        if not self._classes:
            known = ", ".join(names.values())
            raise ModelMissingError(f"{path} knows {known}: none of it is one of {', '.join(LABELS[1:])}")
        try:
            self._predict([np.zeros((64, 64, 3), np.uint8)])
        except Exception as error:
            raise _unusable(path, device, error) from error
        if device == "cpu":
            torch.set_num_threads(hardware.usable_cores())  # ultralytics leaves one core idle

    def __call__(self, images: Sequence[Image]) -> list[Boxes]:
        """See ``ObjectDetector``."""
        seen: list[Boxes] = [Boxes.empty()] * len(images)
        for rows in _by_shape(images):
            with self._turn:
                results = self._predict([images[row] for row in rows])
            for row, result in zip(rows, results, strict=True):
                seen[row] = self._boxes(result, images[row])
        return seen

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
        seen = Boxes(found.xyxy.astype(np.float32), found.conf.astype(np.float32), labels.astype(np.uint8))
        return seen.inside(image.shape[1], image.shape[0]).distinct()


def _unusable(path: Path, device: str, error: Exception) -> ModelMissingError:
    return ModelMissingError(
        f"{path} is no detector that ultralytics can load on {device}: {error}. An .engine file works only with the "
        f"TensorRT and the GPU that it was made for; a .pt file works everywhere."
    )


def _by_shape(images: Sequence[Image]) -> list[list[int]]:
    """Rows of pictures of one shape: those of several in one call would be padded, and seen otherwise than alone."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, image in enumerate(images):
        groups.setdefault(image.shape, []).append(row)
    return list(groups.values())


def _labels(names: dict[int, str]) -> Int64:
    """For each of the model's classes its index in ``LABELS``, or -1."""
    labels = np.full(max(names, default=-1) + 1, -1, np.int64)
    for index, name in names.items():
        known = _SAME.get(name.lower(), name.lower())
        if known in LABELS[1:]:
            labels[index] = LABELS.index(known)
    return labels
