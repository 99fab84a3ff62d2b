"""Progress of long tasks: bars on a terminal, plain lines elsewhere, nothing if it is short or quiet."""

from __future__ import annotations

import os
import select
import subprocess
import sys

import pytest

from lanewatch.cli import main
from lanewatch.progress import Progress

TASK = """
import logging, sys, time
from lanewatch import logs, progress
progress.DELAY_S, progress.LINE_S = 0.1, 0.1
logs.configure()
total, quiet = 40 if "total" in sys.argv else None, "quiet" in sys.argv
with progress.Progress("playing lane", total, unit="s", quiet=quiet) as task:
    for number in range(20):
        time.sleep(0.05)
        task.add(2)
        if number == 15:
            logging.getLogger("lanewatch.sample").warning("a line of the log")
"""
LOG = "WARNING lanewatch.sample: a line of the log"


def plain(*arguments: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", TASK, *arguments], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


def on_terminal(*arguments: str) -> str:
    terminal, stderr = os.openpty()
    with subprocess.Popen([sys.executable, "-c", TASK, *arguments], stderr=stderr) as process:
        os.close(stderr)
        shown = b""
        while process.poll() is None or select.select([terminal], [], [], 0)[0]:
            if select.select([terminal], [], [], 0.1)[0]:
                try:
                    shown += os.read(terminal, 65_536)
                except OSError:  # the process has ended
                    break
    os.close(terminal)
    return shown.decode()


def test_without_a_terminal_plain_lines_come_now_and_then() -> None:
    lines = plain("total")
    counted = [line for line in lines if line.startswith("playing lane: ")]
    assert len(lines) - len(counted) == 1  # the log's line is on a line of its own
    assert all("/40 s (" in line and " s/s, " in line and line.endswith(" left") for line in counted)
    assert 2 <= len(counted) <= 10
    assert all(line.endswith(" so far") for line in plain() if LOG not in line)


def test_on_a_terminal_a_bar_has_rate_and_time_left_and_leaves_nothing() -> None:
    shown = on_terminal("total")
    bars = [line for line in shown.split("\r") if line.startswith("playing lane: |")]
    assert any("█" in bar and "/40 s (" in bar and " s/s, " in bar and " left" in bar for bar in bars)
    line = next(line for line in shown.splitlines() if LOG in line)
    assert line.rsplit("\r", 1)[-1].endswith(LOG)  # above the bar, not in it
    assert shown.rstrip("\r").rsplit("\r", 1)[-1].strip() == ""


def test_quiet_shows_nothing() -> None:
    assert [line for line in plain("total", "quiet") if LOG not in line] == []
    assert "playing" not in on_terminal("total", "quiet")


def test_a_short_task_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("short", 3) as task:
        assert list(task.through("abc")) == ["a", "b", "c"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("command", ["demo", "drain", "evaluate", "migrate", "rescore", "run", "simulate"])
def test_every_long_command_takes_quiet(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert "--quiet" in capsys.readouterr().out
