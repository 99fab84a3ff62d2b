from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import clips
from benchmarks.acts import night_detection


def test_stills_of_different_names_are_not_paired_and_other_files_are_no_stills(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    empty = np.zeros((0, 4), np.float32)
    record = clips.people_record("clip", 0.0, (10, 10), empty, empty[:, 0], np.zeros((0, 144), np.uint8))
    for name in ("visible/1.jpg", "infrared/2.jpg", "infrared/notes.txt"):
        (tmp_path / "streets" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "streets" / name).touch()
    monkeypatch.setattr(clips, "detections", lambda path, fps: [record])
    with pytest.raises(FileNotFoundError, match="no still exists in visible and in infrared light"):
        night_detection.measure(tmp_path)
