"""``lanewatch simulate`` writes detections, ground truth and a site file."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import pytest

from detectors.evaluation.truth_file import truths
from lanewatch import cli
from lanewatch.config import loader
from lanewatch.records import Detections
from streams.archive import detections_archive
from streams.simulator.night import SimulatedNight

FIRST = 400


def content(record: Detections) -> tuple[object, ...]:
    """A record's content; of a record without boxes an archive does not store the size of a descriptor."""
    boxes = (record.xyxy.tobytes(), record.scores.tobytes(), record.labels.tobytes(), record.appearance.tobytes())
    return record.slot, record.gap, record.profile, record.scene, *boxes


def test_the_command_writes_files_that_the_other_commands_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], night: SimulatedNight
) -> None:
    assert cli.main(["simulate", "--out", str(tmp_path), "--nights", "1", "--seed", "3"]) == 0
    assert "SIMULATED" in capsys.readouterr().out
    archived = list(detections_archive.read(tmp_path / "detections"))
    assert [content(record) for record in archived[:FIRST]] == [
        content(record) for record in islice(night.records, FIRST)
    ]
    assert loader.load(tmp_path / "site.yaml") == night.site
    thefts = [event for event in night.truth if event.theft]
    found = truths(tmp_path / "truth" / "lane-000.yaml")
    assert [instant.key for instant in found] == [("lane-000", "produce_theft", theft.zone) for theft in thefts]
    assert [instant.at for instant in found] == pytest.approx([theft.acted_at for theft in thefts], abs=0.01)
    for file in tmp_path.rglob("*.yaml"):
        assert file.read_text(encoding="utf-8").startswith("# SIMULATED")
    assert cli.main(["simulate", "--out", str(tmp_path)]) == 1
    assert "exists already" in capsys.readouterr().err
