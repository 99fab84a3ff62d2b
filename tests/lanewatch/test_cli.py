"""The command line starts quickly, and lists its commands without importing them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lanewatch
from lanewatch.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
HEAVY = {
    "api",
    "astral",
    "av",
    "cv2",
    "detectors",
    "fastapi",
    "kafka",
    "matplotlib",
    "models",
    "numba",
    "numpy",
    "onnxruntime",
    "openvino",
    "pyarrow",
    "pydantic",
    "ray",
    "shapely",
    "sqlalchemy",
    "streams",
    "torch",
    "ultralytics",
}


def cpu_seconds(*arguments: str) -> float:
    """User and system time of the quickest of three runs of Python, so that other load is not counted."""
    return min(_cpu_seconds(arguments) for _ in range(3))


def _cpu_seconds(arguments: tuple[str, ...]) -> float:
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, cwd=ROOT) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime


def test_help_takes_under_half_a_second() -> None:
    bare = cpu_seconds("-c", "pass")
    with_help = cpu_seconds("-m", "lanewatch", "--help")
    assert with_help < max(0.5, 3 * bare), f"{with_help:.2f} s of CPU, Python itself {bare:.2f} s"


@pytest.mark.parametrize(
    "statement",
    [
        "import lanewatch",
        "import lanewatch; dir(lanewatch)",
        "from lanewatch.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass",
        "from lanewatch.cli import main\ntry: main(['nonsense'])\nexcept SystemExit: pass",
    ],
)
def test_heavy_libraries_are_imported_only_when_needed(statement: str) -> None:
    script = f"{statement}\nimport sys, json; print('\\n' + json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    modules = {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    assert "lanewatch" in modules
    assert modules & HEAVY == set()


def defined(module: str) -> set[str]:
    """The names that a module defines, read from its text."""
    path = ROOT / Path(*module.split("."))
    tree = ast.parse(
        (path.with_suffix(".py") if path.with_suffix(".py").exists() else path / "__init__.py").read_text()
    )
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            names.add(node.target.id)
    return names


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_of_the_table_exists(command: str) -> None:
    module, function = COMMANDS[command][0].split(":")
    assert function in defined(module)


@pytest.mark.parametrize("name", sorted(lanewatch.__all__))
def test_every_name_of_import_lanewatch_exists(name: str) -> None:
    assert getattr(lanewatch, name) is not None


def test_import_lanewatch_finds_names_and_refuses_others() -> None:
    from lanewatch.config import loader

    assert lanewatch.load_site is loader.load
    assert "load_site" in dir(lanewatch)
    with pytest.raises(AttributeError, match=r"no 'load_sight'; it has .*load_site"):
        _ = lanewatch.load_sight  # type: ignore[attr-defined]


def test_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    printed = capsys.readouterr().out
    for name, (_, summary) in COMMANDS.items():
        assert name in printed
        assert summary.split()[0] in printed


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["chek", "site.yaml"], ["'chek'", "check", "usage: lanewatch"]),
        (["--chek"], ["usage: lanewatch"]),
        ([], ["COMMAND", "usage: lanewatch"]),
    ],
)
def test_an_unknown_command_lists_the_known_ones(
    argv: list[str], words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(argv)
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    for word in words:
        assert word in printed


def test_main_returns_the_commands_status(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "site.yaml"
    path.write_text("id: Wrong\n")
    assert main(["check", str(path)]) == 1
    assert f"{path}:1: `id` Wrong is not an id" in capsys.readouterr().out
