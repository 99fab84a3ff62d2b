"""What docs/site.md shows is true."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from detectors.behaviour import registry
from detectors.commands import check
from detectors.siteschema import schema
from lanewatch.records import LABELS

DOCS = Path(__file__).parents[2] / "docs" / "site.md"
TEXT = DOCS.read_text(encoding="utf-8")


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
    parts = ["Camera", "Zone", "Line", "Schedule", "Rate", "Bell", "Name", "Detector", "Kafka", "Security", "Retention"]
    keys = set(whole["properties"]) | {key for part in parts for key in whole["$defs"][part]["properties"]}
    assert sorted(key for key in keys | set(LABELS) if not re.search(rf"\b{key}\b", TEXT)) == []


@pytest.mark.parametrize("kind", ["loitering", "intrusion", "line_crossing"])
def test_every_threshold_is_in_the_table_with_its_usual_value(kind: str) -> None:
    rows = [[cell.strip(" `") for cell in line.split("|")[1:5]] for line in TEXT.splitlines() if line.startswith("|")]
    table = {}
    behaviour = ""
    for first, name, usual, *_ in (row for row in rows if len(row) == 4):
        behaviour = first or behaviour
        table[behaviour, name] = usual
    for name, field in registry()[kind].Thresholds.model_fields.items():
        usual = next(value for (what, key), value in table.items() if key == name and what in (kind, "both of them"))
        if field.default is not None:
            shown = str(field.default).lower() if isinstance(field.default, bool) else field.default
            assert usual == (f"{shown:g}" if isinstance(shown, float) else shown)
