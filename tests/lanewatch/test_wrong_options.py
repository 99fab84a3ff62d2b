"""Options that select nothing, and inputs without content: each command says so and fails."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet
import pytest

import lanewatch
from lanewatch import demo
from lanewatch.cli import main
from tests.streams.archive.test_detections_archive import detections

SITE, TRUTH, CLIP = str(demo.SITE), str(demo.TRUTH), str(demo.CLIP)
CASES = {
    "rescore: unknown camera of a video": (
        ["rescore", CLIP, "--site", SITE, "--camera", "nosuch"],
        "no camera 'nosuch'",
    ),
    "rescore: unknown camera of an archive": (
        ["rescore", "archive", "--site", SITE, "--camera", "nosuch"],
        "no camera 'nosuch'",
    ),
    "rescore: archive of another camera": (
        ["rescore", "archive", "--site", SITE, "--camera", "lane-01"],
        "no archived detections of camera lane-01",
    ),
    "rescore: archive without rows": (["rescore", "no-rows", "--site", SITE], "no-rows has no archived detections"),
    "rescore: empty folder": (["rescore", "empty", "--site", SITE], "a folder without images"),
    "rescore: missing source": (["rescore", "*.mp4", "--site", SITE], "*.mp4: no such file or folder"),
    "rescore: missing site": (["rescore", CLIP, "--site", "nosuch.yaml"], "nosuch.yaml:1: the file can't be read"),
    "rescore: clock of an archive": (
        ["rescore", "archive", "--site", SITE, "--clock", "2026-01-15T02:00:00+09:00"],
        "--clock is for a video",
    ),
    "evaluate: unknown kind": (
        ["evaluate", "none.jsonl", "--truth", TRUTH, "--kinds", "nosuch"],
        "unknown kind nosuch",
    ),
    "evaluate: kind without data": (
        ["evaluate", "none.jsonl", "--truth", TRUTH, "--kinds", "fire"],
        "neither a truth nor an alarm of fire",
    ),
    "evaluate: missing events": (["evaluate", "*.jsonl", "--truth", TRUTH], "'*.jsonl'"),
    "evaluate: missing truth": (["evaluate", "none.jsonl", "--truth", "*.yaml"], "*.yaml"),
    "evaluate: empty truth": (["evaluate", "none.jsonl", "--truth", "none.jsonl"], "the file is empty"),
    "evaluate: empty folder": (["evaluate", "empty", "--truth", TRUTH], "neither KISA's XML"),
    "evaluate: archive without rows": (
        ["evaluate", "no-rows", "--truth", TRUTH, "--site", SITE],
        "no-rows has no archived detections",
    ),
    "simulate: no walkers": (["simulate", "--out", "out", "--trajectories", "empty"], "no walkers there"),
    "models: unknown model": (["models", "export", "nosuch"], "no model 'nosuch'"),
    "run: missing site": (["run", "nosuch.yaml"], "nosuch.yaml:1: the file can't be read"),
    "status: missing site": (["status", "nosuch.yaml"], "nosuch.yaml:1: the file can't be read"),
}
WRONG_ARGUMENTS = {
    "demo: JSON while it runs": (["demo", "--json"], "--json needs --once"),
    "run: port": (["run", SITE, "--port", "99999"], "a port is at most 65535"),
    "watch: metrics port": (["watch", SITE, "--metrics-port", "99999"], "a port is at most 65535"),
    "rescore: rate": (["rescore", CLIP, "--site", SITE, "--fps", "-1"], "--fps must be above 0"),
    "evaluate: dimension": (["evaluate", "none.jsonl", "--truth", TRUTH, "--by", "nosuch"], "invalid choice: 'nosuch'"),
    "simulate: seed": (["simulate", "--out", "out", "--seed", "-1"], "--seed must be 0 or more"),
    "migrate: duration": (["migrate", SITE, "lane-01", "rtsp://10.0.0.1/1", "--for", "0"], "--for must be above 0"),
    "models: size": (["models", "export", "yolo11n", "--size", "0"], "--size must be at least 32"),
    "publish: time": (["publish", SITE, "--from", "tomorrow"], "write it like 2026-01-15T02:00:00+09:00"),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "none.jsonl").touch()
    with lanewatch.Archive(tmp_path / "archive") as archive:
        archive.append(detections(0, camera="another"))
    with lanewatch.Archive(tmp_path / "no-rows", rows_per_file=1) as archive:
        archive.append(detections(0, camera="lane-01"))
    for file in (tmp_path / "no-rows").rglob("*.parquet"):
        pyarrow.parquet.write_table(pyarrow.parquet.read_table(file).slice(0, 0), file)
    return tmp_path


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("case", CASES)
def test_what_selects_nothing_is_an_error(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = CASES[case]
    assert main(arguments) == 1
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize("case", WRONG_ARGUMENTS)
def test_a_wrong_argument_is_refused(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = WRONG_ARGUMENTS[case]
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err
