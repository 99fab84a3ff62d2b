"""Imports: one direction between packages, no circles between modules, and heavy libraries only where allowed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED_PACKAGES = {
    "lanewatch": set[str](),
    "streams": {"lanewatch"},
    "models": {"lanewatch"},
    "detectors": {"streams", "models", "lanewatch"},
    "api": {"detectors", "streams", "models", "lanewatch"},
}
"""``api -> detectors -> models, streams -> lanewatch``."""
ALLOWED_LIBRARIES = {
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
"""The packages that may import a heavy library; none if only tests, benchmarks or torch need it."""
IMPORTED_WHEN_USED = {"shapely", "astral", "matplotlib", "torch", "torchvision", "ultralytics", "ray"}
"""Libraries that take a second to import or are seldom used. A function imports them, or a wrapper module."""
WRAPPER_MODULES = {"models.detection.yolo", "models.detection.nanodet_torch"}
"""Modules around such a library. A function imports them, too."""
EXTRA_LIBRARIES = {
    "matplotlib": {"detectors.evaluation.plots"},
    "torch": WRAPPER_MODULES,
    "torchvision": WRAPPER_MODULES,
    "ultralytics": WRAPPER_MODULES,
}
"""Libraries that a light install leaves out, and the modules that import them."""
NAME_TABLES = {"lanewatch.cli", "lanewatch"}
"""Modules that name higher modules as text: the tables of the commands and of ``import lanewatch``."""


def find_modules() -> dict[str, Path]:
    """The path of each module of the five packages, by name."""
    found = {}
    for package in ALLOWED_PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = find_modules()
DOORS = {name for name, path in MODULES.items() if path.name == "__init__.py"}
"""Packages, as modules: their ``__init__``."""


def imports(tree: ast.Module, *, when_loaded: bool = False) -> Iterator[tuple[str, int]]:
    """The imported modules with their lines; ``when_loaded``: only imports outside of functions."""
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: packages are named in full"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield (inner if inner in MODULES else str(node.module)), node.lineno
        if not (when_loaded and _runs_later(node)):
            nodes.extend(ast.iter_child_nodes(node))


def _runs_later(node: ast.AST) -> bool:
    """Whether a node's content does not run when its module is loaded."""
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


@cache
def parsed(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def test_all_packages_are_found() -> None:
    assert {name.partition(".")[0] for name in MODULES} == set(ALLOWED_PACKAGES)
    assert len(MODULES) > 50


@pytest.mark.parametrize("package", sorted(ALLOWED_PACKAGES))
def test_packages_import_in_one_direction(package: str) -> None:
    allowed = ALLOWED_PACKAGES[package] | {package}
    wrong = [
        f"{module}:{line} imports {name}"
        for module in MODULES
        if module.partition(".")[0] == package
        for name, line in imports(parsed(module))
        if name.partition(".")[0] in ALLOWED_PACKAGES and name.partition(".")[0] not in allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("package", sorted(ALLOWED_PACKAGES))
def test_texts_name_no_higher_module(package: str) -> None:
    higher = set(ALLOWED_PACKAGES) - ALLOWED_PACKAGES[package] - {package}
    pattern = re.compile(rf"({'|'.join(sorted(higher)) or '(?!)'})(\.\w+)+(:\w+)?")
    wrong = [
        f"{module}:{node.lineno} names {node.value!r}"
        for module in MODULES
        if module.partition(".")[0] == package and module not in NAME_TABLES
        for node in ast.walk(parsed(module))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and pattern.fullmatch(node.value)
    ]
    assert wrong == []


@pytest.mark.parametrize("library", sorted(ALLOWED_LIBRARIES))
def test_heavy_libraries_are_imported_only_where_allowed(library: str) -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module in MODULES
        for name, line in imports(parsed(module))
        if name.partition(".")[0] == library and module.partition(".")[0] not in ALLOWED_LIBRARIES[library]
    ]
    assert wrong == []


@pytest.mark.parametrize("library", sorted(EXTRA_LIBRARIES))
def test_libraries_of_an_extra_are_imported_only_in_their_wrappers(library: str) -> None:
    wrong = [
        f"{module}:{line} imports {name}"
        for module in MODULES
        for name, line in imports(parsed(module))
        if name.partition(".")[0] == library and module not in EXTRA_LIBRARIES[library]
    ]
    assert wrong == []


def test_seldom_used_libraries_are_imported_when_used() -> None:
    wrong = [
        f"{module}:{line} imports {name} when it is loaded"
        for module in MODULES
        for name, line in imports(parsed(module), when_loaded=True)
        if (name.partition(".")[0] in IMPORTED_WHEN_USED and module not in WRAPPER_MODULES)
        or (name in WRAPPER_MODULES and module != name)
    ]
    assert wrong == []


def test_no_import_circles_between_modules() -> None:
    """Imports at load time and imports inside functions together have an order."""
    needs = {
        module: {name for name, _ in imports(parsed(module)) if name in MODULES and name != module}
        for module in MODULES
    }
    found = circles(needs)
    print(f"{len(found)} import circles in {len(needs)} modules")  # noqa: T201 - the figure of the closing note
    assert found == []


def circles(needs: Mapping[str, Iterable[str]]) -> list[str]:
    """The import circles as paths, such as ``a -> b -> a``. Each is cut at one import before the next is looked for."""
    graph = {module: set(names) for module, names in needs.items()}
    found = []
    while True:
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            path = error.args[1][:0:-1]  # the sorter lists imported modules first, and one module at both ends
            first = path.index(min(path))
            path = [*path[first:], *path[:first]]
            found.append(" -> ".join([*path, path[0]]))
            graph[path[0]].remove(path[1])
        else:
            return found


def test_circles_are_reported_as_paths() -> None:
    needs = {"a": ["b", "x"], "b": ["c"], "c": ["a"], "x": ["y"], "y": ["x", "z"], "z": []}
    assert sorted(circles(needs)) == ["a -> b -> c -> a", "x -> y -> x"]


def test_no_module_imports_its_own_packages_door() -> None:
    """``from package import name`` is only for modules of the package, never for names of its ``__init__``."""
    wrong = [
        f"{module}:{line} imports {name}"
        for module in MODULES
        for name, line in imports(parsed(module))
        if name in DOORS and module.startswith(f"{name}.")
    ]
    assert wrong == []


@pytest.mark.parametrize("door", sorted(DOORS))
def test_a_packages_door_exports_nothing(door: str) -> None:
    """Except lanewatch's, which is the front door, and the demo's, whose package is data."""
    body = parsed(door).body
    assert ast.get_docstring(parsed(door)), "a package says in a line what it holds"
    if door not in {"lanewatch", "lanewatch.demo"}:
        assert [ast.unparse(node) for node in body[1:]] == []


def test_name_tables_import_no_higher_package() -> None:
    higher = set(ALLOWED_PACKAGES) - {"lanewatch"}
    for module in sorted(NAME_TABLES):
        assert [name for name, _ in imports(parsed(module)) if name.partition(".")[0] in higher] == []
