"""The network of NanoDet-g: its weights, its classes, and the decoding of its head."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from lanewatch.records import LABELS, Float32
from models import offline_imports
from models.detection.base import Boxes

NAME: Final = "nanodet-g"
SIDE: Final = 416  # of the network's input, pixels; pictures are resized to it without keeping their proportions
STRIDES: Final = (8, 16, 32)
CHANNELS: Final = 124  # of the head at each cell: COCO's 80 classes, then four sides by 11 steps of distance
PLACES: Final = sum((SIDE // stride) ** 2 for stride in STRIDES)

_WEIGHTS: Final = Path(__file__).parents[1] / "weights"
INT8: Final = _WEIGHTS / "nanodet-g-416-int8.xml"
FLOAT: Final = _WEIGHTS / "nanodet-g-416.onnx"

_COCO: Final = {
    0: "person",
    1: "bicycle",
    2: "car",
    3: "motorcycle",
    5: "bus",
    7: "truck",
    15: "cat",
    16: "dog",
    24: "backpack",
    26: "handbag",
    28: "suitcase",
}
_CLASSES: Final = np.array(list(_COCO))
_LABEL_OF: Final = np.array([LABELS.index(label) for label in _COCO.values()], np.uint8)
_COCO_CLASSES: Final = 80
_SIDES: Final = 4
_STEPS: Final = np.arange((CHANNELS - _COCO_CLASSES) // _SIDES, dtype=np.float32)


def build_network(weights: Path) -> Any:
    """The network for one picture, as an OpenVINO model, up to its three raw head maps, (1, H, W, ``CHANNELS``) each.

    The graph's own sigmoid, softmax and sorting of all 3549 cells take 11 % of its time. ``decode_head`` computes them
    for the few cells with an object.
    """
    openvino = offline_imports.openvino()
    model = openvino.Core().read_model(weights)
    model.reshape([1, SIDE, SIDE, 3])
    heads = [node.input_value(0) for node in model.get_ordered_ops() if node.get_type_name() == "VariadicSplit"]
    ops = openvino.opset13
    heads.sort(key=lambda head: -int(head.get_shape()[-1]))
    maps = [ops.result(ops.transpose(head, ops.constant([0, 2, 3, 1])).output(0)) for head in heads]
    return openvino.Model(maps, model.get_parameters(), NAME)


def decode_head(head: Float32, width: int, height: int, score: float) -> Boxes:
    """The boxes of one picture, by generalised focal loss (arXiv:2006.04388): a side's distance is a distribution.

    ``head`` has (``PLACES``, C) raw values. The last 44 columns are the distances' logits, C - 44 the classes', either
    COCO's 80 or only those of ``records.LABELS``.
    """
    count = head.shape[1] - _SIDES * len(_STEPS)
    logits = head[:, _CLASSES] if count == _COCO_CLASSES else head[:, :count]
    rows = np.flatnonzero(logits.max(axis=1) >= np.log(score / (1 - score)))
    logits = logits[rows]
    best = logits.argmax(axis=1)
    scores = 1 / (1 + np.exp(-logits[np.arange(len(rows)), best]))
    steps = head[rows, count:].reshape(-1, _SIDES, len(_STEPS))
    weights = np.exp(steps - steps.max(axis=2, keepdims=True))
    distances = (weights @ _STEPS) / weights.sum(axis=2) * _STRIDE_AT[rows]
    corners = np.concatenate((_CENTRES[rows] - distances[:, :2], _CENTRES[rows] + distances[:, 2:]), axis=1)
    scale = np.array((width, height, width, height), np.float32) / SIDE
    boxes = Boxes((corners * scale).astype(np.float32), scores.astype(np.float32), _LABEL_OF[best])
    return boxes.inside(width, height).distinct()


def _cells() -> tuple[Float32, Float32]:
    centres, strides = [], []
    for stride in STRIDES:
        at = (np.arange(SIDE // stride, dtype=np.float32) + 0.5) * stride
        centres.append(np.stack(np.meshgrid(at, at), axis=-1).reshape(-1, 2))
        strides.append(np.full((len(at) ** 2, 1), stride, np.float32))
    return np.concatenate(centres), np.concatenate(strides)


_CENTRES, _STRIDE_AT = _cells()
