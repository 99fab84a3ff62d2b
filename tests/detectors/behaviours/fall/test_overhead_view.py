"""Falls seen from above, and people who only come nearer and wait."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks.acts import caviar
from lanewatch.records import PERSON
from models import appearance
from tests.detectors.walker_records import NOON, make_record, opened, site, watch

FOCAL, ABOVE = 800.0, 2.5
"""Pixels, and metres above the ground: a camera that looks along the ground, as over a door."""


@pytest.mark.parametrize("pace", [1.2, 1.5])
@pytest.mark.parametrize("stops", [4.0, 5.0])
def test_a_person_who_walks_up_to_the_camera_and_waits_has_not_fallen(pace: float, stops: float) -> None:
    records = []
    coat = np.full((1, appearance.SIZE), 60, np.uint8)
    for tick in range(125):
        far = max(stops + pace * (10 - tick / 5), stops)
        half, tall, foot = 0.3 * FOCAL / far, 1.7 * FOCAL / far, ABOVE * FOCAL / far
        seen = [(500 - half, foot - tall, 500 + half, foot)]
        records.append(make_record(NOON + tick / 5, xyxy=seen, scores=[0.9], labels=[PERSON], appearance=coat))
    assert opened(watch(records, site()), "fall") == []


def test_a_mirrored_and_an_inverted_fall_is_a_fall(data: Path) -> None:
    """CAVIAR's labelled fall, turned about in the picture: seen from above no side of it is "up"."""
    [clip] = [clip for clip in caviar.read_clips(data) if clip.name == "Rest_FallOnFloor"]
    [fall] = [act for act in caviar.acts(clip) if act.kind == "fall"]
    for across, down in ((True, False), (False, True)):
        turned = []
        for record in caviar.detections(clip, every=5):
            boxes = record.xyxy.copy()
            if across:
                boxes[:, [0, 2]] = caviar.WIDTH - boxes[:, [2, 0]]
            if down:
                boxes[:, [1, 3]] = caviar.HEIGHT - boxes[:, [3, 1]]
            turned.append(msgspec.structs.replace(record, xyxy=np.ascontiguousarray(boxes)))
        at = [begun for kind, begun in caviar.alarms(turned) if kind == "fall"]
        assert len(at) == 1
        assert fall.since - 2 <= at[0] <= fall.until + 10
