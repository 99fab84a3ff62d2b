"""Ctrl-C and SIGTERM at the real command line: status 130 or 143, no traceback, and what is done stays."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lanewatch import demo
from lanewatch.config import loader
from streams.archive import detections_archive

DEADLINE_S = 300.0
SIGNALS = pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)


class Command:
    """A command in a process group of its own, with stderr on a terminal."""

    def __init__(self, *arguments: str | Path, **environment: str) -> None:
        self._terminal, stderr = os.openpty()
        self.errors = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "lanewatch", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            start_new_session=True,
            env=os.environ | environment,
        )
        os.close(stderr)

    def interrupt(self, number: signal.Signals, ready: Callable[[], bool]) -> tuple[int, str]:
        """Sends a signal to the group, as a terminal does, when ``ready``. Returns status and standard output."""
        deadline = time.monotonic() + DEADLINE_S
        with self.process:
            while not ready():
                assert self.process.poll() is None, self.read()
                assert time.monotonic() < deadline, self.errors
                time.sleep(0.02)
            os.killpg(self.process.pid, number)
            output, _ = self.process.communicate(timeout=DEADLINE_S)
        self.read()
        os.close(self._terminal)
        assert "Traceback" not in self.errors
        assert "terminate called" not in self.errors
        assert self.errors.endswith("lanewatch: interrupted\r\n")
        return self.process.returncode, output

    def read(self) -> str:
        """All that stderr has so far."""
        while select.select([self._terminal], [], [], 0)[0]:
            try:
                self.errors += os.read(self._terminal, 65_536).decode(errors="replace")
            except OSError:  # the other end is closed
                break
        return self.errors


@SIGNALS
def test_rescore_keeps_detections_and_events_so_far(number: signal.Signals, status: int, tmp_path: Path) -> None:
    """It is interrupted while threads decode with libav and detect with OpenVINO: when its progress appears."""
    command = Command("rescore", demo.CLIP, "--site", demo.SITE, "--keep", tmp_path)
    code, output = command.interrupt(number, lambda: "playing lane-01" in command.read())
    assert code == status
    assert output.startswith("raised ")
    records = list(detections_archive.read(tmp_path))
    assert 1 <= len(records) < 500
    assert list(tmp_path.rglob("*.part")) == []


def test_a_demo_at_full_speed_stores_the_events_so_far(tmp_path: Path) -> None:
    command = Command("demo", "--once", "--lang", "en", "--data", tmp_path)
    code, output = command.interrupt(signal.SIGINT, lambda: "playing lane-01" in command.read())
    assert code == 130
    frames = int(output.split(" events in ")[1].split()[0])
    assert len(list(detections_archive.read(tmp_path / "demo" / "detections"))) >= 1
    assert 1 <= frames < 700


@SIGNALS
def test_simulate_keeps_the_complete_nights(number: signal.Signals, status: int, tmp_path: Path) -> None:
    out = tmp_path / "out"
    second = out / "detections" / "lane-001"
    arguments = ("simulate", "--out", out, "--nights", "50", "--seed", "3", "--fps", "1")
    code, output = Command(*arguments).interrupt(number, second.exists)
    assert code == status
    cameras = [camera.id for camera in loader.load(out / "site.yaml").cameras]
    assert 1 <= len(cameras) < 50
    assert f"SIMULATED: {len(cameras)} camera-nights" in output
    for folder, suffix in (("detections", ""), ("truth", ".yaml"), ("nights", ".yaml")):
        assert sorted(path.name for path in (out / folder).iterdir()) == [f"{camera}{suffix}" for camera in cameras]


@pytest.mark.parametrize("command", ["check", "models", "rescore", "evaluate", "status"])
def test_an_interrupt_while_libraries_are_imported_leaves_no_traceback(command: str, tmp_path: Path) -> None:
    """Each command is interrupted at several moments of its start."""
    arguments: dict[str, tuple[str | Path, ...]] = {
        "check": (demo.SITE,),
        "models": (),
        "rescore": (demo.CLIP, "--site", demo.SITE),
        "evaluate": (tmp_path / "none.jsonl", "--truth", demo.TRUTH),
        "status": (demo.SITE,),
    }
    for module in ("msgspec", "numpy._core"):
        ready = tmp_path / f"{module}.ready"
        search = os.pathsep.join([str(_import_hook(tmp_path / module, module, ready)), *sys.path])
        started = Command(command, *arguments[command], PYTHONPATH=search)
        code, _ = started.interrupt(signal.SIGINT, ready.exists)
        assert (code, started.errors) == (130, "lanewatch: interrupted\r\n"), module


def _import_hook(place: Path, module: str, ready: Path) -> Path:
    """A ``sitecustomize`` that makes the file ``ready`` when a module is imported, and then waits for the signal."""
    place.mkdir()
    (place / "sitecustomize.py").write_text(
        f"""
import importlib.abc, sys, time
class Waiting(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name == {module!r} and "lanewatch.cli" in sys.modules:
            sys.meta_path.remove(self)
            open({str(ready)!r}, "w").close()
            time.sleep(60)
sys.meta_path.insert(0, Waiting())
"""
    )
    return place
