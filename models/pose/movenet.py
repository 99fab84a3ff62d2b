"""MoveNet SinglePose Lightning, the pose estimator that ships with Lanewatch, on a CPU: OpenVINO, in float32.

Google's, trained on COCO and on pictures of sport; where the weights come from is written in NOTICE. One crop on two
cores: 8.4 ms here, 18 ms in onnxruntime. OpenVINO's default on a CPU with AVX-512, bfloat16, takes 5 ms and moves
points by up to 3 % of the crop, which is a tenth of a torso: it is told not to.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from lanewatch.records import Box, Float32, Image
from models import cache, hardware, offline
from models.pose.base import POINTS

NAME: Final = "movenet"
SIDE: Final = 192  # of the network's input, pixels
WEIGHTS: Final = Path(__file__).parents[1] / "weights" / "movenet-lightning-192.onnx"

MARGIN: Final = 1.25
"""Side of the crop over the box's longer side: a box that cuts off hands or feet is the rule with people who lie."""


class MoveNet:
    """One person a crop, as many crops at a time as keep all streams busy. May be called from several threads."""

    name = NAME

    def __init__(self, *, threads: int | None = None) -> None:
        """Compiles the network.

        Args:
            threads: cores to use; by default all that the process may.
        """
        settings = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": threads or hardware.usable_cores(),
            "ENABLE_CPU_PINNING": False,  # the detector and decoding share the cores
        }
        self._network: Any = cache.network(NAME, _model, WEIGHTS, settings)
        self._own = threading.local()
        self._pool = ThreadPoolExecutor(int(self._network.get_property("NUM_STREAMS")), thread_name_prefix=NAME)

    def __call__(self, image: Image, boxes: Float32) -> Float32:
        """See ``models.pose.base.PoseEstimator``."""
        poses = np.zeros((len(boxes), POINTS, 3), np.float32)
        rows = self._pool.map(lambda box: self._look(image, box), boxes.tolist())
        for row, pose in enumerate(rows):
            poses[row] = pose
        return poses

    def _look(self, image: Image, box: Box) -> Float32:
        if not hasattr(self._own, "request"):
            self._own.request = self._network.create_infer_request()
            self._own.input = self._own.request.get_input_tensor().data
        left, top, right, bottom = box
        side = max(right - left, bottom - top, 1.0) * MARGIN
        x, y = (left + right - side) / 2, (top + bottom - side) / 2
        scale = SIDE / side
        crop = cv2.warpAffine(image, np.array([[scale, 0, -x * scale], [0, scale, -y * scale]]), (SIDE, SIDE))
        cv2.cvtColor(crop, cv2.COLOR_BGR2RGB, dst=self._own.input[0])
        self._own.request.infer()
        seen: Float32 = self._own.request.get_output_tensor().data[0]
        return np.stack((x + seen[:, 1] * side, y + seen[:, 0] * side, seen[:, 2]), axis=1)


def _model(weights: Path) -> Any:
    model = offline.openvino().Core().read_model(weights)
    model.reshape([1, SIDE, SIDE, 3])
    return model
