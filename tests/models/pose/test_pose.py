"""Joints of people whose boxes are known: heads above hips above feet, inside the box, the same alone and together."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from lanewatch.records import Float32, Image
from models.detection.base import ModelMissingError
from models.pose import base, registry
from models.pose.base import ANKLES, HIPS, SHOULDERS
from models.pose.movenet import MoveNet

WALKERS = np.array([(500, 158, 530, 234), (639, 239, 684, 324), (252, 221, 283, 309)], np.float32)


@pytest.fixture(scope="module")
def movenet() -> MoveNet:
    return MoveNet(threads=2)


def pictures(path: Path, numbers: set[int]) -> dict[int, Image]:
    found = {}
    with av.open(str(path)) as container:
        for number, decoded in enumerate(container.decode(video=0)):
            if number in numbers:
                found[number] = decoded.to_ndarray(format="bgr24").astype(np.uint8)
            if number >= max(numbers):
                break
    return found


def upright(joints: Float32) -> bool:
    shoulders, hips, ankles = (joints[list(rows), 1].mean() for rows in (SHOULDERS, HIPS, ANKLES))
    return bool(shoulders < hips < ankles)


def test_walkers_of_the_clip_stand_upright(movenet: MoveNet, clip: Path) -> None:
    """The three of its first picture, whom anybody sees there; no label file is needed."""
    joints = movenet(pictures(clip, {0})[0], WALKERS)
    assert joints.shape == (len(WALKERS), base.POINTS, 3)
    assert joints.dtype == np.float32
    assert all(upright(person) for person in joints)


def test_walkers_at_their_labelled_boxes(movenet: MoveNet, data: Path) -> None:
    """pets09-s2l1, every 40th picture, people labelled with 60 px or more: all stand or walk upright."""
    truth = np.loadtxt(data / "pets09-s2l1" / "gt.txt", delimiter=",")
    frames = pictures(data / "pets09-s2l1" / "video.avi", set(range(0, 795, 40)))
    right, inside, count = 0, 0.0, 0
    for number, image in frames.items():
        boxes = truth[(truth[:, 0] == number + 1) & (truth[:, 5] >= 60)][:, 2:6].astype(np.float32)
        boxes[:, 2:] += boxes[:, :2]
        for box, joints in zip(boxes, movenet(image, boxes), strict=True):
            right += upright(joints)
            torso = joints[[*SHOULDERS, *HIPS], :2]
            inside += float(((torso >= box[:2]) & (torso <= box[2:])).all(axis=1).mean())
            count += 1
    assert count >= 80
    assert right / count >= 0.9
    assert inside / count >= 0.85


def test_together_as_alone_and_beyond_the_picture(movenet: MoveNet, clip: Path) -> None:
    image = pictures(clip, {0})[0]
    boxes = np.concatenate((WALKERS, np.array([(700, 500, 900, 700), (5, 5, 5, 5)], np.float32)))
    together = movenet(image, boxes)
    np.testing.assert_array_equal(together, np.concatenate([movenet(image, box[None]) for box in boxes]))
    assert np.isfinite(together).all()
    assert movenet(image, boxes[:0]).shape == (0, base.POINTS, 3)


def test_what_a_site_may_name() -> None:
    assert registry.load("none") is None
    bundled = registry.load("movenet", "cpu")
    assert bundled is not None
    assert bundled.name == "movenet"
    with pytest.raises(ModelMissingError, match="yolo99-pose"):
        registry.load("yolo99-pose")
