from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks import clips
from lanewatch.records import Detections


def make_record(number: int) -> Detections:
    """A record without people, with its picture's number as slot."""
    empty = np.zeros((0, 4), np.float32)
    made = clips.people_record("clip", float(number), (10, 10), empty, empty[:, 0], np.zeros((0, 144), np.uint8))
    return msgspec.structs.replace(made, slot=number)


@pytest.mark.parametrize(
    ("fps", "every", "phase", "pictures"),
    [
        (15.0, 1, 0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        (15.0, 3, 1, [1, 4, 7, 10]),
        (60.0, 4, 0, [0, 4, 8]),  # every second picture is sampled: 30 a second
        (60.0, 4, 2, [2, 6, 10]),
        (29.97, 2, 0, [0, 2, 4, 6, 8, 10]),
        (30.01, 2, 0, [0, 2, 4, 6, 8, 10]),
    ],
)
def test_a_lower_rate_takes_every_so_many_th_picture_of_the_clip(
    monkeypatch: pytest.MonkeyPatch, fps: float, every: int, phase: int, pictures: list[int]
) -> None:
    """``every`` counts the clip's pictures, whatever share of them a camera samples."""

    def all_detections(path: Path, fps: float) -> list[Detections]:
        skip = 2 if fps > 31 else 1
        assert clips.site(path, fps).cameras[0].rate.active == pytest.approx(min(fps / skip, 30.0))
        return [make_record(number) for number in range(0, 12, skip)]

    monkeypatch.setattr(clips, "_all_detections", all_detections)
    assert [sampled.slot for sampled in clips.detections(Path("a.mp4"), fps, every=every, phase=phase)] == pictures
