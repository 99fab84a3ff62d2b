"""What docs/site.md shows is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from detectors.behaviours.registry import installed
from detectors.cli import check
from detectors.site.json_schema import schema
from lanewatch.records import LABELS

DOCS = Path(__file__).parents[3] / "docs" / "site.md"
TEXT = DOCS.read_text(encoding="utf-8")
BEHAVIOURS = (DOCS.parent / "behaviours.md").read_text(encoding="utf-8")


@pytest.fixture
def example(tmp_path: Path) -> Path:
    found = re.search(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    path = tmp_path / "site.yaml"
    path.write_text(found[1], encoding="utf-8")
    return path


def test_the_example_passes(example: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LANE_PASSWORD", "secret")
    assert check([str(example), "--json"]) == 0, capsys.readouterr().out
    assert json.loads(capsys.readouterr().out)["problems"] == []


def test_the_example_wants_its_password(
    example: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("LANE_PASSWORD", raising=False)
    assert check([str(example)]) == 1
    assert "the environment has no LANE_PASSWORD" in capsys.readouterr().out


def test_every_key_and_class_is_explained() -> None:
    whole = schema()
    parts = [
        "Camera",
        "DetectorConfig",
        "EmergencyBell",
        "KafkaConfig",
        "KafkaSecurity",
        "Line",
        "LocalizedName",
        "SamplingRate",
        "Schedule",
        "TopicRetention",
        "Zone",
    ]
    keys = set(whole["properties"]) | {key for part in parts for key in whole["$defs"][part]["properties"]}
    assert sorted(key for key in keys | set(LABELS) if not re.search(rf"\b{key}\b", TEXT)) == []


@pytest.mark.parametrize("kind", sorted(installed()))
def test_every_behaviour_has_a_section_with_what_it_is_and_its_thresholds(kind: str) -> None:
    behaviour = installed()[kind]
    section = BEHAVIOURS.split(f"\n## {kind}\n")[1].split("\n## ")[0]
    assert behaviour.onvif in section
    assert behaviour.kisa in section
    rows = [
        [cell.strip(" `") for cell in line.split("|")[1:4]] for line in section.splitlines() if line.startswith("|")
    ]
    defaults = {name: value for name, value, _ in rows}
    for name, field in behaviour.Thresholds.model_fields.items():
        if name in ("exit_grace_s", "occlusion_grace_s", "vanish_grace_s"):  # at the top of the page
            continue
        assert name in defaults
        if field.default is not None:
            shown = str(field.default).lower() if isinstance(field.default, bool) else field.default
            assert defaults[name] == (f"{shown:g}" if isinstance(shown, int | float) else shown), name


def test_no_section_is_of_a_behaviour_that_is_not_there() -> None:
    sections = re.findall(r"^## (.*)", BEHAVIOURS, re.MULTILINE)
    assert sections == ["Common rules", *sorted(installed())]
