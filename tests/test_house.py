"""The house keeps its order: arrows between packages point one way, and heavy libraries stay in their rooms."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAY_IMPORT = {
    "lanewatch": set[str](),
    "streams": {"lanewatch"},
    "models": {"lanewatch"},
    "detectors": {"streams", "models", "lanewatch"},
    "api": {"detectors", "streams", "models", "lanewatch"},
}
"""``api -> detectors -> models, streams -> lanewatch``."""
ROOMS = {
    "astral": {"lanewatch"},
    "av": {"streams", "api"},
    "cv2": {"streams", "models", "api"},
    "fastapi": {"api"},
    "kafka": {"streams"},
    "lap": set[str](),
    "matplotlib": {"detectors"},
    "numba": {"models"},
    "onnx": set(),
    "onnxruntime": set(),
    "openvino": {"models"},
    "pyarrow": {"streams"},
    "ray": {"streams"},
    "scipy": set(),
    "shapely": {"lanewatch"},
    "sqlalchemy": {"api"},
    "starlette": {"api"},
    "torch": {"models"},
    "torchvision": {"models"},
    "ultralytics": {"models"},
    "uvicorn": {"api"},
}
"""Which packages may know a heavy library at all; none those that only tests, benchmarks or torch need."""
LAZY = {"shapely", "astral", "matplotlib", "torch", "torchvision", "ultralytics", "ray"}
"""Those that cost a second or are seldom needed: imported in the function that needs them, or in a module of theirs."""
OF_THEIR_OWN = {"models.detection.yolo", "models.detection.nanodet_torch"}
"""Modules that are about such a library; they are themselves imported where they are needed."""
OF_AN_EXTRA = {
    "matplotlib": {"detectors.evaluation.plots"},
    "torch": OF_THEIR_OWN,
    "torchvision": OF_THEIR_OWN,
    "ultralytics": OF_THEIR_OWN,
}
"""Libraries that a light install leaves out, and the modules that import them."""
SIGNPOSTS = {"lanewatch.cli", "lanewatch"}
"""Know names of modules above them, as text: the tables of the commands and of the front door."""


def modules() -> dict[str, Path]:
    """All modules of the five packages by name."""
    found = {}
    for package in MAY_IMPORT:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(tree: ast.Module, *, when_loaded: bool = False) -> Iterator[tuple[str, int]]:
    """Names of the modules that are imported, with the line; ``when_loaded``: only those outside of functions."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: packages are named in full"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner if inner in MODULES else str(node.module)), node.lineno
        if not (when_loaded and _waits(node)):
            waiting.extend(ast.iter_child_nodes(node))


def _waits(node: ast.AST) -> bool:
    """Whether what is in it isn't run when its module is loaded."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def test_the_house_is_complete() -> None:
    assert {name.partition(".")[0] for name in MODULES} == set(MAY_IMPORT)
    assert len(MODULES) > 50


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_arrows_point_one_way(package: str) -> None:
    allowed = MAY_IMPORT[package] | {package}
    wrong = [
        f"{module}:{line} imports {name}"
        for module in MODULES
        if module.partition(".")[0] == package
        for name, line in imports(parsed(module))
        if name.partition(".")[0] in MAY_IMPORT and name.partition(".")[0] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("package", sorted(MAY_IMPORT))
def test_no_module_above_is_named_in_a_text_either(package: str) -> None:
    above = set(MAY_IMPORT) - MAY_IMPORT[package] - {package}
    pattern = re.compile(rf"({'|'.join(sorted(above)) or '(?!)'})(\.\w+)+(:\w+)?")
    wrong = [
        f"{module}:{node.lineno} names {node.value!r}"
        for module in MODULES
        if module.partition(".")[0] == package and module not in SIGNPOSTS
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and pattern.fullmatch(node.value)
    ]
    assert wrong == []


@pytest.mark.parametrize("library", sorted(ROOMS))
def test_heavy_libraries_stay_in_their_rooms(library: str) -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module in MODULES
        for name, line in imports(parsed(module))
        if name.partition(".")[0] == library and module.partition(".")[0] not in ROOMS[library]
    ]
    assert wrong == []


@pytest.mark.parametrize("library", sorted(OF_AN_EXTRA))
def test_what_an_extra_brings_is_imported_in_modules_about_it(library: str) -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module in MODULES
        for name, line in imports(parsed(module))
        if name.partition(".")[0] == library and module not in OF_AN_EXTRA[library]
    ]
    assert wrong == []


def test_what_is_seldom_needed_is_imported_when_it_is_needed() -> None:
    wrong = [
        f"{module}:{line} imports {name} when it is loaded"
        for module in MODULES
        for name, line in imports(parsed(module), when_loaded=True)
        if (name.partition(".")[0] in LAZY and module not in OF_THEIR_OWN) or (name in OF_THEIR_OWN and module != name)
    ]
    assert wrong == []


def test_no_module_goes_round_in_a_circle() -> None:
    """Imports at load time have an order."""
    needs = {
        module: {name for name, _ in imports(parsed(module), when_loaded=True) if name in MODULES and name != module}
        for module in MODULES
    }
    while free := [module for module, names in needs.items() if not names & needs.keys()]:
        for module in free:
            del needs[module]
    assert needs == {}


def test_what_the_front_door_names_is_the_only_way_up() -> None:
    for module in sorted(SIGNPOSTS):
        assert [name for name, _ in imports(parsed(module)) if name.partition(".")[0] in MAY_IMPORT] == []
