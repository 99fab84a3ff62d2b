"""NanoDet-g in torch, for CUDA: batches in half precision, from the same float32 file that ships.

OpenVINO reads the graph, and torch replays it operator by operator. So a GPU needs no second file, and no second
runtime beside the torch of ultralytics.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lanewatch.records import Image
from models import offline_imports
from models.detection import nanodet_network
from models.detection.base import Boxes

_BATCH: Final = 64  # pictures in one call at most: 1.5 GB of GPU memory, and no faster with more

Operator = Callable[[Any, Sequence[Tensor]], Tensor]


class NanoDetTorch:
    """On a CUDA device, in half precision; on a CPU, where tests compare it, in single."""

    name = nanodet_network.NAME

    def __init__(self, device: str, score: float = 0.2) -> None:
        self._device = torch.device(device)
        self._score = score
        self._dtype = torch.float16 if self._device.type == "cuda" else torch.float32
        self._trunk = Graph(nanodet_network.build_network(nanodet_network.FLOAT)).to(self._device, self._dtype)

    def __call__(self, images: Sequence[Image]) -> list[Boxes]:
        """See ``ObjectDetector``."""
        batches = [images[begin : begin + _BATCH] for begin in range(0, len(images), _BATCH)]
        return [boxes for batch in batches for boxes in self._detect(batch)]

    def _detect(self, images: Sequence[Image]) -> list[Boxes]:
        size = (nanodet_network.SIDE, nanodet_network.SIDE)
        pixels = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_LINEAR) for image in images])
        with torch.inference_mode():
            maps = self._trunk(torch.from_numpy(pixels).to(self._device))
            heads = torch.cat([part.flatten(1, 2) for part in maps], dim=1).float().cpu().numpy()
        return [
            nanodet_network.decode_head(head, image.shape[1], image.shape[0], self._score)
            for head, image in zip(heads, images, strict=True)
        ]


class Graph(torch.nn.Module):
    """An OpenVINO model of a few convolutional operators, for any number of pictures."""

    def __init__(self, model: Any) -> None:
        """Reads the operators of an ``openvino.Model`` with one input, and keeps the constants as buffers."""
        super().__init__()
        offline_imports.openvino()
        passes = importlib.import_module("openvino.passes")
        manager = passes.Manager()
        manager.register_pass(passes.ConstantFolding())
        manager.run_passes(model)
        self._steps: list[tuple[str, Operator, Any, list[str]]] = []
        self._outputs = [_name(value.get_node().input_value(0).get_node()) for value in model.outputs]
        for number, node in enumerate(model.get_ordered_ops()):
            kind, name = node.get_type_name(), _name(node)
            if kind == "Parameter":
                self._input = name
            elif kind == "Constant":
                self.register_buffer(name, torch.from_numpy(np.array(node.get_data())))
            elif kind in _OPERATORS:
                sources = [_name(value.get_source_output().get_node()) for value in node.inputs()]
                self._steps.append((name, _OPERATORS[kind], node.get_attributes(), sources))
            elif kind != "Result":
                what = f"operator {kind} (number {number}, {node.get_friendly_name()})"
                raise ValueError(f"torch has no counterpart here for the network's {what}")

    def forward(self, pixels: Tensor) -> list[Tensor]:
        """The model's outputs for (N, H, W, 3) pixels, uint8."""
        constants = dict(self.named_buffers())
        precision = next(value.dtype for value in constants.values() if value.is_floating_point())
        values = {self._input: pixels.to(precision), **constants}
        for name, operator, attributes, sources in self._steps:
            values[name] = operator(attributes, [values[source] for source in sources])
        return [values[name] for name in self._outputs]


def _name(node: Any) -> str:
    return str(node.get_name())


def _convolution(attributes: Any, inputs: Sequence[Tensor]) -> Tensor:
    return functional.conv2d(
        inputs[0], inputs[1], None, attributes["strides"], attributes["pads_begin"], attributes["dilations"]
    )


def _interpolate(_: Any, inputs: Sequence[Tensor]) -> Tensor:
    size = [int(length) for length in inputs[1][-2:]]
    return functional.interpolate(inputs[0], size, mode="bilinear", align_corners=False)


def _pad(_: Any, inputs: Sequence[Tensor]) -> Tensor:
    begin, end = inputs[1].tolist(), inputs[2].tolist()
    sides = [int(length) for pair in zip(begin[::-1], end[::-1], strict=True) for length in pair]
    return functional.pad(inputs[0], sides, value=float(inputs[3]))


_OPERATORS: Final[dict[str, Operator]] = {
    "Add": lambda _, inputs: inputs[0] + inputs[1],
    "Subtract": lambda _, inputs: inputs[0] - inputs[1],
    "Multiply": lambda _, inputs: inputs[0] * inputs[1],
    "Concat": lambda attributes, inputs: torch.cat(list(inputs), dim=attributes["axis"]),
    "Convert": lambda _, inputs: inputs[0],  # pixels have the precision of the constants already
    "Convolution": _convolution,
    "Interpolate": _interpolate,
    "MaxPool": lambda attributes, inputs: functional.max_pool2d(inputs[0], attributes["kernel"], attributes["strides"]),
    "Pad": _pad,
    "PRelu": lambda _, inputs: functional.prelu(inputs[0], inputs[1]),
    "Transpose": lambda _, inputs: inputs[0].permute(*(int(axis) for axis in inputs[1])),
}
