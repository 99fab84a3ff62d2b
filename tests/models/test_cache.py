"""What is compiled once is loaded afterwards; no cache, a damaged one or another process's never stops a start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lanewatch.records import Image
from models import cache
from models.detection import nanodet, nanodet_network
from models.detection.nanodet import NanoDet

NETWORKS = "lanewatch/networks/*/*.blob"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The weights that were read, a line for each compilation."""
    files: list[Path] = []
    build: Callable[[Path], Any] = nanodet_network.build_network

    def recording_build(weights: Path) -> Any:
        files.append(weights)
        return build(weights)

    monkeypatch.setattr(nanodet, "build_network", recording_build)
    return files


def picture() -> Image:
    return np.random.default_rng(7).integers(0, 255, (360, 640, 3), dtype=np.uint8)


def rows(network: NanoDet) -> list[list[float]]:
    (boxes,) = network([picture()])
    return [[*xyxy, score] for xyxy, score in zip(boxes.xyxy.tolist(), boxes.scores.tolist(), strict=True)]


def test_a_network_is_compiled_once_and_gives_the_same(home: Path, read: list[Path]) -> None:
    compiled, cached = rows(NanoDet(0.02)), rows(NanoDet(0.02))
    assert read == [nanodet_network.INT8]
    assert len(compiled) > 0
    assert cached == compiled
    assert len(list(home.glob(NETWORKS))) == 1


def test_another_setting_is_another_network(home: Path, read: list[Path]) -> None:
    NanoDet(threads=1)
    NanoDet(threads=2)
    assert len(read) == len(list(home.glob(NETWORKS))) == 2


@pytest.mark.parametrize("left", [0, 3, 1000, -1000])
def test_a_damaged_file_is_compiled_anew_and_replaced(left: int, home: Path, read: list[Path]) -> None:
    expected = rows(NanoDet(0.02))
    (file,) = home.glob(NETWORKS)
    file.write_bytes(file.read_bytes()[:left])
    assert rows(NanoDet(0.02)) == expected
    assert len(read) == 2
    assert rows(NanoDet(0.02)) == expected
    assert len(read) == 2


def test_a_processor_with_other_instructions_shares_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = cache.folder("networks")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    limited = cache.folder("networks")
    assert folder is not None
    assert limited is not None
    assert folder != limited
    assert folder.parent == limited.parent == home / "lanewatch" / "networks"


@pytest.mark.parametrize("cache_home", ["", "relative/path"])
def test_without_a_folder_of_its_own_it_is_in_the_home(
    cache_home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", cache_home)
    monkeypatch.setenv("HOME", str(tmp_path))
    place = cache.folder("networks")
    assert place is not None
    assert place.parent == tmp_path / ".cache" / "lanewatch" / "networks"


def test_a_start_goes_on_where_nothing_can_be_written(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert cache.folder("networks") is None
    assert rows(NanoDet(0.02)) == rows(NanoDet(0.02))
    assert len(read) == 2
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache.folder("networks") is None


def test_a_full_disk_stops_no_start(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    NanoDet()
    assert [path for path in home.rglob("*") if path.is_file()] == []


_START = """
import json, numpy as np
from models.detection.nanodet import NanoDet
from models.tracking.assignment import assign
(boxes,) = NanoDet(0.02)([np.random.default_rng(7).integers(0, 255, (360, 640, 3), dtype=np.uint8)])
given = assign(np.array([[1.0, 2.0], [0.5, 3.0]]), 9.0).tolist()
print(json.dumps([boxes.xyxy.tolist(), given, assign.stats.cache_path, sum(assign.stats.cache_hits.values())]))
"""


def test_two_processes_start_at_once_and_the_next_compiles_nothing(tmp_path: Path) -> None:
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    environment.pop("NUMBA_CACHE_DIR", None)

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", _START], stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
        )

    def printed(process: subprocess.Popen[str]) -> list[Any]:
        out, _ = process.communicate(timeout=100)
        assert process.returncode == 0
        answer: list[Any] = json.loads(out)
        return answer

    first, second = (printed(process) for process in [start(), start()])
    third = printed(start())
    assert first[:2] == second[:2] == third[:2]
    assert first[1] == [1, 0]
    assert third[3] == 1
    assert Path(third[2]).is_relative_to(tmp_path / "lanewatch" / "kernels")
    assert len(list(tmp_path.glob(NETWORKS))) == 1
