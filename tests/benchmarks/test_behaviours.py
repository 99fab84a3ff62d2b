from __future__ import annotations

import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from benchmarks import behaviours


def part(monkeypatch: pytest.MonkeyPatch, name: str, **figures: Any) -> None:
    """A part that needs no footage; without figures it fails."""

    def measure(folder: Path) -> dict[str, Any]:
        if not figures:
            raise FileNotFoundError(f"{folder}: there are no clips")
        return figures

    module = types.SimpleNamespace(measure=measure, table=lambda report: f"{name}: {report[next(iter(figures))]}")
    monkeypatch.setitem(sys.modules, f"benchmarks.acts.{behaviours.PARTS[name]}", module)


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LANEWATCH_DATA", str(tmp_path))
    return tmp_path


def test_a_part_without_footage_fails_alone_and_has_no_figure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    part(monkeypatch, "falls")
    part(monkeypatch, "night", night_people=7)
    assert behaviours.main(["--json", "--only", "falls,night"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["failed"] == {"falls": f"FileNotFoundError: {folder}: there are no clips"}
    assert report["night_people"] == 7
    assert "falls_found" not in report
    assert behaviours.main(["--only", "falls,night"]) == 1
    text = capsys.readouterr().out
    assert f"falls: NOT MEASURED, FileNotFoundError: {folder}: there are no clips" in text
    assert "night: 7" in text


def test_json_is_written_to_a_file_beside_the_table_and_nan_is_null(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
) -> None:
    part(monkeypatch, "fights", fight_auc_mid=float("nan"), fights={"rates": [(1.0, float("inf"))]})
    assert behaviours.main(["--json", str(folder / "out.json"), "--only", "fights"]) == 0
    assert "fights: nan" in capsys.readouterr().out
    report = json.loads((folder / "out.json").read_text())
    assert (report["fight_auc_mid"], report["fights"]) == (None, {"rates": [[1.0, None]]})
