"""The bundled detector: as good as it is said to be, the same alone and in batches, on a CPU and on CUDA."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from lanewatch.records import LABELS, Float32, Image
from models import hardware, offline_imports
from models.detection import nanodet_network
from models.detection.base import Boxes
from models.detection.nanodet import NanoDet
from models.detection.nanodet_network import SIDE
from models.detection.nanodet_torch import NanoDetTorch

PERSON = LABELS.index("person")


@pytest.fixture(scope="module")
def network() -> NanoDet:
    return NanoDet(0.2)


@pytest.fixture(scope="module")
def street(clip: Path) -> list[Image]:
    with av.open(str(clip)) as container:
        frames = enumerate(container.decode(video=0))
        return [np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for number, frame in frames if not number % 80]


def assert_same(seen: list[Boxes], expected: list[Boxes], pixels: float = 0.0, score: float = 0.0) -> None:
    assert [len(boxes) for boxes in seen] == [len(boxes) for boxes in expected]
    for boxes, other in zip(seen, expected, strict=True):
        np.testing.assert_allclose(boxes.xyxy, other.xyxy, atol=pixels, rtol=0)
        np.testing.assert_allclose(boxes.scores, other.scores, atol=score, rtol=0)
        np.testing.assert_array_equal(boxes.labels, other.labels)


def test_a_batch_gives_what_single_pictures_give_in_their_order(network: NanoDet, street: list[Image]) -> None:
    cut = [image[: 200 + 30 * number, : 300 + 20 * number] for number, image in enumerate(street)]
    mixed = street + cut + street[::-1]
    assert_same(network(mixed), [network([image])[0] for image in mixed])
    assert_same(list(network.stream(mixed)), network(mixed))


def test_what_is_found_against_ground_truth_is_what_was_measured(network: NanoDet, data: Path) -> None:
    """pets09-s2l1, every 20th frame, score .5, IoU .5: the models' page has precision .945 and recall .897."""
    truth = np.loadtxt(data / "pets09-s2l1" / "gt.txt", delimiter=",")
    right = found = labelled_count = 0
    with av.open(str(data / "pets09-s2l1" / "video.avi")) as container:
        for number, frame in enumerate(container.decode(video=0)):
            if number % 20 == 0:
                seen = network([np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)])[0]
                people = seen.xyxy[(seen.labels == PERSON) & (seen.scores >= 0.5)]
                labelled = truth[truth[:, 0] == number + 1][:, 2:6]
                labelled[:, 2:] += labelled[:, :2]
                share = _iou(people, labelled)
                right += int((share[linear_sum_assignment(-share)] >= 0.5).sum())
                found, labelled_count = found + len(people), labelled_count + len(labelled)
    assert right / found == pytest.approx(0.945, abs=0.02)
    assert right / labelled_count == pytest.approx(0.897, abs=0.02)


def _iou(boxes: Any, others: Any) -> Any:
    begin = np.maximum(boxes[:, None, :2], others[None, :, :2])
    sides = np.clip(np.minimum(boxes[:, None, 2:], others[None, :, 2:]) - begin, 0, None)
    shared = sides.prod(axis=2)
    sizes = [(table[:, 2:] - table[:, :2]).prod(axis=1) for table in (boxes, others)]
    return shared / (sizes[0][:, None] + sizes[1][None] - shared)


@pytest.fixture(scope="module")
def whole_graph() -> Any:
    """The float32 network with the head that it was published with, which computes boxes and scores itself."""
    core = offline_imports.openvino().Core()
    return core.compile_model(core.read_model(nanodet_network.FLOAT), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def published(whole_graph: Any, image: Image, score: float) -> list[tuple[Float32, float, str]]:
    """Boxes before suppression: corners in the picture's pixels, the score, COCO's name."""
    names = {0: "person", 1: "bicycle", 2: "car", 3: "motorcycle", 5: "bus", 7: "truck", 15: "cat", 16: "dog",
             24: "backpack", 26: "handbag", 28: "suitcase"}  # fmt: skip
    rows = whole_graph({0: cv2.resize(image, (SIDE, SIDE))[None]})[0][0]
    scale = np.array([image.shape[1], image.shape[0]] * 2) / SIDE
    best = [
        ((row[:4] * scale).clip(0, scale * SIDE), *max((float(row[4 + index]), name) for index, name in names.items()))
        for row in rows
    ]
    return [(corners, value, name) for corners, value, name in best if value >= score]


def test_decoding_and_torch_give_the_boxes_of_the_published_head(whole_graph: Any, street: list[Image]) -> None:
    on_torch = NanoDetTorch("cpu", 0.2)
    for image, seen in zip(street[:3], on_torch(street[:3]), strict=True):
        rows = published(whole_graph, image, 0.2)
        assert len(seen) > 4
        assert max(seen.scores) == pytest.approx(max(value for _, value, _ in rows), abs=1e-4)
        for corners, value, label in zip(seen.xyxy, seen.scores, seen.labels, strict=True):
            near = [
                corner
                for corner, its_value, name in rows
                if name == LABELS[label] and abs(its_value - value) < 1e-4 and np.abs(corner - corners).max() < 0.1
            ]
            assert near, (corners, value)


def test_torch_sees_the_same_in_a_batch(street: list[Image]) -> None:
    on_torch = NanoDetTorch("cpu", 0.3)
    assert_same(on_torch(street[:3]), [on_torch([image])[0] for image in street[:3]], pixels=0.01, score=1e-4)


@pytest.mark.skipif(hardware.cuda_count() == 0, reason="there is no CUDA device here")
def test_cuda_sees_in_half_precision_what_a_cpu_sees(street: list[Image]) -> None:
    on_cpu, on_cuda = NanoDetTorch("cpu", 0.3)(street), NanoDetTorch("cuda:0", 0.3)(street)
    strong = [seen[seen.scores >= 0.4] for seen in on_cpu]
    assert sum(map(len, strong)) > 20
    for boxes, other in zip(strong, on_cuda, strict=True):
        share = _iou(boxes.xyxy, other.xyxy)
        assert (share.max(axis=1) > 0.9).all()
        np.testing.assert_allclose(other.scores[share.argmax(axis=1)], boxes.scores, atol=0.03)


def test_an_invalid_image_fails_alone(network: NanoDet) -> None:
    with pytest.raises(cv2.error):
        network([np.zeros((0, 0, 3), np.uint8)])
    assert [len(seen) for seen in network([np.zeros((64, 64, 3), np.uint8)] * 3)] == [0, 0, 0]
