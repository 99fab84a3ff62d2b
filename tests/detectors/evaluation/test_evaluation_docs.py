"""The examples and figures of docs/evaluation.md are correct."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from detectors.evaluation import actev_protocol, frame_auc, kisa_protocol, observation_time, truth_file
from detectors.evaluation.matching import AFTER_S, BEFORE_S
from lanewatch.cli import main
from tests.detectors.evaluation.examples import written

TEXT = (Path(__file__).parents[3] / "docs" / "evaluation.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    return found[1]


def test_its_truth_file_is_one(tmp_path: Path) -> None:
    labels = truth_file.read(written(tmp_path, block("yaml"), "truth.yaml"))
    assert [(event.kind, event.zone, event.pattern) for event in labels.events] == [
        ("loitering", "junction", ""),
        ("intrusion", None, "on foot"),
    ]
    assert labels.end is not None
    assert labels.end - labels.start == pytest.approx(113.6)


def test_its_xml_is_kisas(tmp_path: Path) -> None:
    (clip,) = kisa_protocol.read(written(tmp_path, block("xml")))
    assert (clip.camera, [(alarm.kind, alarm.start_s) for alarm in clip.alarms]) == (
        "C00_001_0001",
        [("Loitering", 83.0)],
    )
    assert all(name in TEXT for name in kisa_protocol.CLASSES)


def test_its_options_are_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    others = {"--once", "--data"}  # of `lanewatch demo`
    assert set(re.findall(r"--[a-z][a-z-]+", TEXT)) - known == others
    assert known - {"--help"} <= set(re.findall(r"--[a-z][a-z-]+", TEXT)) | {"--json"}


def test_its_numbers_are_the_codes() -> None:
    text = " ".join(TEXT.split())
    assert f"from {BEFORE_S:g} s before to {AFTER_S:g} s after" in text
    assert f"F1 of {kisa_protocol.PASSES:.2f}".replace("0.", ".") in text
    rates = ", ".join(f"{rate:g}".replace("0.", ".") for rate in actev_protocol.RATES[:-1])
    assert (
        f"rate at {rates} and {actev_protocol.RATES[-1]:g} a camera-day and the area up to {actev_protocol.LIMIT:g}"
        in text
    )
    assert f"more than {observation_time.MAX_GAP_S:g} s" in text
    assert frame_auc.STEP_S == 1
