from __future__ import annotations

from pathlib import Path

from benchmarks import datasets


def test_clips_are_found_by_their_suffix_not_by_their_names(tmp_path: Path) -> None:
    for name in ("pets09-s2l1/video.avi", "pets09-s2l1/gt.txt", "aboda-video7/Video7.MP4", "aboda-video7/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in datasets.street_videos(tmp_path)] == ["video.avi", "Video7.MP4"]
    assert datasets.frame_rate(tmp_path / "pets09-s2l1" / "video.avi") == 7.0
