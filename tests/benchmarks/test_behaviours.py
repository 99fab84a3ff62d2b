from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import behaviours
from benchmarks.acts import footage, night
from lanewatch.records import Detections


def part(monkeypatch: pytest.MonkeyPatch, name: str, **figures: Any) -> None:
    """A part that needs no footage; one without figures finds nothing to measure."""

    def measure(folder: Path) -> dict[str, Any]:
        if not figures:
            raise FileNotFoundError(f"{folder}: no clips there")
        return figures

    module = types.SimpleNamespace(measure=measure, table=lambda report: f"{name}: {report[next(iter(figures))]}")
    monkeypatch.setitem(sys.modules, f"benchmarks.acts.{name}", module)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LANEWATCH_DATA", str(tmp_path))
    return tmp_path


def test_a_part_without_footage_costs_the_others_nothing_and_has_no_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    part(monkeypatch, "falls")
    part(monkeypatch, "night", night_people=7)
    assert behaviours.main(["--json", "--only", "falls,night"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["failed"] == {"falls": f"FileNotFoundError: {folder}: no clips there"}
    assert report["night_people"] == 7
    assert "falls_found" not in report
    assert behaviours.main(["--only", "falls,night"]) == 1
    told = capsys.readouterr().out
    assert f"falls: NOT MEASURED, FileNotFoundError: {folder}: no clips there" in told
    assert "night: 7" in told


def test_json_goes_into_a_file_beside_the_table_and_what_is_no_number_is_null(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    part(monkeypatch, "fights", fight_auc_mid=float("nan"), fights={"rates": [(1.0, float("inf"))]})
    assert behaviours.main(["--json", str(folder / "out.json"), "--only", "fights"]) == 0
    assert "fights: nan" in capsys.readouterr().out
    report = json.loads((folder / "out.json").read_text())
    assert (report["fight_auc_mid"], report["fights"]) == (None, {"rates": [[1.0, None]]})


@pytest.mark.parametrize(
    ("fps", "every", "phase", "pictures"),
    [
        (15.0, 1, 0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        (15.0, 3, 1, [1, 4, 7, 10]),
        (60.0, 4, 0, [0, 4, 8]),  # of which each second picture is looked at: 30 a second
        (60.0, 4, 2, [2, 6, 10]),
        (29.97, 2, 0, [0, 2, 4, 6, 8, 10]),
        (30.01, 2, 0, [0, 2, 4, 6, 8, 10]),
    ],
)
def test_a_lower_rate_takes_every_so_many_th_picture_of_the_clip(
    monkeypatch: pytest.MonkeyPatch, fps: float, every: int, phase: int, pictures: list[int]
) -> None:
    """``every`` counts the clip's pictures, whatever share of them a camera would have looked at."""

    def whole(path: Path, fps: float) -> list[Detections]:
        skip = 2 if fps > 31 else 1
        assert footage.site(path, fps).cameras[0].rate.active == pytest.approx(min(fps / skip, 30.0))
        return [seen(number) for number in range(0, 12, skip)]

    monkeypatch.setattr(footage, "_whole", whole)
    assert [record.slot for record in footage.seen(Path("a.mp4"), fps, every=every, phase=phase)] == pictures


def seen(number: int) -> Detections:
    return Detections(
        camera="clip",
        epoch=1,
        slot=number,
        captured_at=float(number),
        received_at=float(number),
        width=10,
        height=10,
        xyxy=np.zeros((0, 4), np.float32),
        scores=np.zeros(0, np.float32),
        labels=np.zeros(0, np.uint8),
        appearance=np.zeros((0, 144), np.uint8),
        model="made up",
    )


def test_clips_are_found_by_what_lies_there_not_by_their_names(folder: Path) -> None:
    for name in ("pets09-s2l1/video.avi", "pets09-s2l1/gt.txt", "aboda-video7/Video7.MP4", "aboda-video7/notes.txt"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    assert [path.name for path in footage.street(folder)] == ["video.avi", "Video7.MP4"]
    assert footage.rate(folder / "pets09-s2l1" / "video.avi") == 7.0


def test_stills_of_different_names_are_no_pairs_and_other_files_no_stills(
    monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    for name in ("visible/1.jpg", "infrared/2.jpg", "infrared/notes.txt"):
        (folder / "streets" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "streets" / name).touch()
    monkeypatch.setattr(footage, "seen", lambda path, fps: [seen(0)])
    with pytest.raises(FileNotFoundError, match="no still is there in visible and in infrared light"):
        night.measure(folder)
