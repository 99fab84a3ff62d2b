"""A light install, as a process: packages that only an extra brings cannot be found, whatever is installed here."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HIDDEN = ("torch", "torchvision", "ultralytics", "matplotlib", "scipy", "onnx", "onnxruntime", "lap", "pandas")

HIDING = f"""
import sys
from importlib.machinery import PathFinder

class Light(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in {HIDDEN} else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Light
"""

COMMAND = HIDING + "from lanewatch.cli import main\nsys.exit(main(sys.argv[1:]))\n"
"""The command line in a light install, for ``python -c``."""


def python(
    code: str, *arguments: str | Path, folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Runs Python code in a light install.

    Args:
        code: what is run.
        arguments: of the process.
        folder: the working directory; this one if None.
        environment: variables to set.
    """
    search = os.pathsep.join(path for path in sys.path if path)
    return subprocess.run(
        [sys.executable, "-c", HIDING + code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": search} | environment,
    )
