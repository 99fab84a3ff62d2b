"""The wheel as users install it: it has every file, and type checkers see the types of ``import lanewatch``."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.test_architecture import ALLOWED_PACKAGES, ROOT

SCRIPT = """\
import lanewatch

site = lanewatch.with_thresholds(lanewatch.load_site(lanewatch.DEMO), "loitering", dwell_s=30)
records = lanewatch.detect(site, network="nanodet-g")
with lanewatch.Archive("var/archive") as archive:
    archive.append(records[0])
events = lanewatch.last(lanewatch.rescore(lanewatch.read("var/archive"), site))
matching = lanewatch.match(lanewatch.alarms(events), lanewatch.truths(lanewatch.DEMO_TRUTH))
reveal_type((site, records, archive, events, lanewatch.__version__))
reveal_type((matching.f1, lanewatch.wilson(1, 2), lanewatch.read_kisa))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    for package in ALLOWED_PACKAGES:
        shutil.copytree(ROOT / package, source / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE", "NOTICE"):
        shutil.copy(ROOT / name, source)
    pip("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    (built,) = folder.glob("lanewatch-*.whl")
    return built


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", *arguments]
    subprocess.run(command, check=True, timeout=500)


def test_the_wheel_has_every_file(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
    listed = subprocess.run(
        ["git", "ls-files", *ALLOWED_PACKAGES], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert set(listed.stdout.splitlines()) - names == set()
    assert {f"{package}/py.typed" for package in ALLOWED_PACKAGES} <= names
    assert "lanewatch/__init__.pyi" in names


@pytest.mark.slow
@pytest.mark.timeout(900)  # 30 s on a machine that does nothing else: mypy reads numpy, pydantic and all packages
def test_a_script_outside_passes_strict_mypy_with_types(wheel: Path, tmp_path: Path) -> None:
    """In an environment that has the wheel itself and only reads the dependencies from the one of the tests."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    python = environment / "bin" / "python"
    pip("--python", python, "install", "--no-deps", wheel)
    (packages,) = environment.glob("lib/python3*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    (tmp_path / "script.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    first, second = re.findall(r'Revealed type is "(.*)"', done.stdout)
    assert "Any" not in first + second
    for name in ("config.site.Site", "records.Detections", "records.Event"):
        assert f"lanewatch.{name}" in first
    assert second.startswith("tuple[float, tuple[float, float], def (source: pathlib.Path")
