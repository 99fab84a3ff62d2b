"""MoveNet SinglePose Lightning, the bundled pose estimator, on a CPU: OpenVINO in float32.

Google's, trained on COCO and on pictures of sport; NOTICE has the source of the weights. One crop on two cores takes
8.4 ms here, and 18 ms in onnxruntime. OpenVINO's default on a CPU with AVX-512, bfloat16, takes 5 ms. But it moves
keypoints by up to 3 % of the crop, which is a tenth of a torso, so it is not used.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from lanewatch.records import Box, Float32, Image
from models import cache, hardware, offline_imports
from models.pose.base import POINTS

NAME: Final = "movenet"
SIDE: Final = 192  # of the network's input, pixels
WEIGHTS: Final = Path(__file__).parents[1] / "weights" / "movenet-lightning-192.onnx"

MARGIN: Final = 1.25
"""Side of the crop over the box's longer side: boxes of lying people often cut off hands or feet."""


class MoveNet:
    """One person in each crop, and as many crops at a time as keep all streams busy. Thread-safe."""

    name = NAME

    def __init__(self, *, threads: int | None = None) -> None:
        """Compiles the network for a number of cores; for all that the process may use if it is None."""
        self._network: Any = cache.network(NAME, _build, WEIGHTS, threads or hardware.usable_cores())
        self._thread = threading.local()
        self._pool = ThreadPoolExecutor(int(self._network.get_property("NUM_STREAMS")), thread_name_prefix=NAME)

    def __call__(self, image: Image, boxes: Float32) -> Float32:
        """See ``models.pose.base.PoseEstimator``."""
        poses = np.zeros((len(boxes), POINTS, 3), np.float32)
        for row, pose in enumerate(self._pool.map(lambda box: self._estimate(image, box), boxes.tolist())):
            poses[row] = pose
        return poses

    def _estimate(self, image: Image, box: Box) -> Float32:
        if not hasattr(self._thread, "request"):
            self._thread.request = self._network.create_infer_request()
            self._thread.input = self._thread.request.get_input_tensor().data
        left, top, right, bottom = box
        side = max(right - left, bottom - top, 1.0) * MARGIN
        x, y = (left + right - side) / 2, (top + bottom - side) / 2
        scale = SIDE / side
        crop = cv2.warpAffine(image, np.array([[scale, 0, -x * scale], [0, scale, -y * scale]]), (SIDE, SIDE))
        cv2.cvtColor(crop, cv2.COLOR_BGR2RGB, dst=self._thread.input[0])
        self._thread.request.infer()
        points: Float32 = self._thread.request.get_output_tensor().data[0]
        return np.stack((x + points[:, 1] * side, y + points[:, 0] * side, points[:, 2]), axis=1)


def _build(weights: Path) -> Any:
    model = offline_imports.openvino().Core().read_model(weights)
    model.reshape([1, SIDE, SIDE, 3])
    return model
