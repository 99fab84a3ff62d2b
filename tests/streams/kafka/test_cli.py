"""The short commands over a real broker: they name what they do not find, and end when they are interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.streams.kafka.site_factory import site
from tests.streams.kafka.workers.test_sample_worker import write_site_file


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "lanewatch", *map(str, arguments)]


@pytest.fixture
def published(broker: str, tmp_path: Path) -> Path:
    """A site file that is in effect at the broker."""
    path = Path(write_site_file(site({"gate": "rtsp://127.0.0.1:9/1"}, broker, partitions=1), tmp_path))
    subprocess.run(command("publish", path), check=True, capture_output=True, timeout=110)
    return path


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("drain", "nosuch"), "nosuch samples no camera"),
        (("migrate", "nosuch", "rtsp://127.0.0.1:9/2"), "has no camera 'nosuch'"),
    ],
    ids=["drain", "migrate"],
)
def test_an_unknown_name_is_an_error(arguments: tuple[str, ...], message: str, published: Path) -> None:
    name, *others = arguments
    done = subprocess.run(command(name, published, *others), capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_comparison_is_interrupted_and_moves_nothing(published: Path) -> None:
    arguments = command("migrate", published, "gate", "rtsp://127.0.0.1:9/2", "--for", "600", "--yes")
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        deadline = time.monotonic() + 100
        while len(os.listdir(f"/proc/{process.pid}/task")) < 5 and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=100)
    assert (process.returncode, output) == (130, "")
    assert errors.endswith("lanewatch: interrupted\n")
    assert "Traceback" not in errors
