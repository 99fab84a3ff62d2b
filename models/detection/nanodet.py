"""NanoDet-g, the bundled detector, on a CPU: OpenVINO in int8, one picture for each stream.

RangiLyu/nanodet, trained on COCO; NOTICE has the source of the weights. On a CPU, single pictures over as many streams
as cores are faster than a batch in one call. On CUDA the batch is faster (``models.detection.nanodet_torch``).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from lanewatch.records import Image
from models import cache, hardware, offline_imports
from models.detection import nanodet_network
from models.detection.base import Boxes, ObjectDetector
from models.detection.nanodet_network import FLOAT, INT8, NAME, SIDE, build_network, decode_head
from models.extras import import_extra

FLOAT_NAME: Final = "nanodet-g-float32"


def load(device: str, score: float) -> ObjectDetector:
    """NanoDet-g on a device: auto, cpu, cuda or cuda:N. Errors are those of ``models.detection.registry.load``."""
    chosen = hardware.choose_device(device)
    if chosen == "cpu":
        return NanoDet(score)
    module = import_extra("models.detection.nanodet_torch", f"{NAME} on {chosen}")
    on_torch: Callable[[str, float], ObjectDetector] = module.NanoDetTorch
    return on_torch(chosen, score)


def load_float32(device: str, score: float) -> ObjectDetector:
    """NanoDet-g from the float32 weights, which a GPU uses in any case, for comparison. It is slower on a CPU."""
    on_cpu = hardware.choose_device(device) == "cpu"
    return NanoDet(score, weights=FLOAT) if on_cpu else load(device, score)


class NanoDet:
    """On a CPU, in as many threads as keep all streams busy."""

    def __init__(self, score: float = 0.2, *, threads: int | None = None, weights: Path = INT8) -> None:
        """Compiles the network for a number of cores; for all that the process may use if it is None."""
        self.name = NAME if weights == INT8 else FLOAT_NAME
        self._network: Any = cache.network(self.name, build_network, weights, threads or hardware.usable_cores())
        self._tensor: Any = offline_imports.openvino().Tensor
        self._score = score
        self._thread = threading.local()
        # One more than streams: while one thread resizes or decodes, the other threads feed all streams.
        self._pool = ThreadPoolExecutor(int(self._network.get_property("NUM_STREAMS")) + 1, thread_name_prefix=NAME)

    def __call__(self, images: Sequence[Image]) -> list[Boxes]:
        """See ``ObjectDetector``."""
        return list(self.stream(images))

    def stream(self, images: Sequence[Image]) -> Iterator[Boxes]:
        """See ``StreamingDetector``."""
        return self._pool.map(self._detect, images)

    def _detect(self, image: Image) -> Boxes:
        if not hasattr(self._thread, "request"):
            self._prepare()
        cv2.resize(image, (SIDE, SIDE), dst=self._thread.input[0], interpolation=cv2.INTER_LINEAR)
        self._thread.request.infer()
        return decode_head(self._thread.head, image.shape[1], image.shape[0], self._score)

    def _prepare(self) -> None:
        own = self._thread
        own.request = self._network.create_infer_request()
        own.input = own.request.get_input_tensor().data
        own.head = np.zeros((nanodet_network.PLACES, nanodet_network.CHANNELS), np.float32)
        begin = 0
        for level, stride in enumerate(nanodet_network.STRIDES):
            cells = SIDE // stride
            part = own.head[begin : begin + cells * cells].reshape(1, cells, cells, nanodet_network.CHANNELS)
            own.request.set_output_tensor(level, self._tensor(part, shared_memory=True))
            begin += cells * cells
