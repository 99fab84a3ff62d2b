from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lanewatch import demo, logs

STAMP = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}"


def log(handler: logs.LogHandler, *texts: str) -> None:
    for text in texts:
        handler.handle(logging.LogRecord("lanewatch.t", logging.WARNING, "", 0, text, None, None))


def test_repeated_lines_are_counted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("lanewatch.logs.time.monotonic", lambda: now[0])
    handler = logs.LogHandler()
    log(handler, "away", "away", "other", "away")
    now[0] += logs.REPEAT_S
    log(handler, "away", "away")
    handler.close()
    log_lines = capsys.readouterr().err.splitlines()
    assert log_lines == ["away", "other", "away (and 2 more like it)", "away (and 1 more like it)"]


def test_the_count_is_a_field_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logs.LogHandler()
    handler.setFormatter(logs.formatter("json"))
    log(handler, "away", "away")
    handler.close()
    assert json.loads(capsys.readouterr().err.splitlines()[-1])["suppressed"] == 1


def test_many_different_lines_take_bounded_memory(capsys: pytest.CaptureFixture[str]) -> None:
    handler = logs.LogHandler()
    log(handler, "first", "first", *(f"line {number}" for number in range(3_000)))
    assert len(handler._written) <= 1_000
    assert "first (and 1 more like it)" in capsys.readouterr().err.splitlines()


def test_a_line_of_a_command_has_time_and_level(tmp_path: Path) -> None:
    broken = tmp_path / "clip.mp4"
    broken.write_bytes(b"no video")
    command = [sys.executable, "-m", "lanewatch", "rescore", str(broken), "--site", str(demo.SITE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    line, message = done.stderr.splitlines()
    assert re.fullmatch(rf"{STAMP} ERROR lanewatch.sample: camera lane-01 ended: {re.escape(message)}", line)
