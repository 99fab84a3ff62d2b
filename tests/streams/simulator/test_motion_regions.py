"""Motion without a class follows the rule of the detect stage."""

from __future__ import annotations

import numpy as np

from detectors import detect_stage
from lanewatch.records import UNKNOWN, Detections, Frame
from models.detection.base import Boxes


def test_motion_without_a_class_is_added_as_the_detect_stage_adds_it(records: list[Detections]) -> None:
    moving = [record for record in records if record.scene.moved]
    assert len(moving) > 100
    for record in moving[::7]:
        classified = record.labels != UNKNOWN
        frame = Frame(
            camera="lane",
            epoch=1,
            slot=record.slot,
            captured_at=record.captured_at,
            received_at=record.captured_at,
            width=record.width,
            height=record.height,
            scene=record.scene,
        )
        expected = detect_stage.unnamed_movers(
            frame, Boxes(record.xyxy[classified], record.scores[classified], record.labels[classified])
        )
        np.testing.assert_allclose(record.xyxy[~classified], expected.xyxy, atol=0.06)
        np.testing.assert_allclose(record.scores[~classified], expected.scores)
