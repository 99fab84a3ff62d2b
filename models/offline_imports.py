"""Imports of libraries that use the Internet, with this turned off: a centre's network is closed.

Measured: `import openvino` reports the import over the Internet. Ultralytics resolves two public hosts when imported,
and reports predictions to its vendor. It also installs missing packages and downloads missing weights.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, Final

_ULTRALYTICS: Final = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}


class DownloadRefusedError(RuntimeError):
    """A library tried to download a file. Lanewatch never downloads anything."""


def openvino() -> ModuleType:
    """The module, imported without its telemetry, and ready for threads."""
    # OpenVINO uses a stub if its telemetry package cannot be imported; None makes the import fail.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    module = importlib.import_module("openvino")
    # The first access to a tensor's data fills a table of types. Two threads that do this at once may block each
    # other for ever: one waits for the table, and holds the interpreter's lock that the other one needs.
    _ = module.Tensor(module.Type.f32, module.Shape([1])).data
    return module


def ultralytics() -> ModuleType:
    """The module, with all its use of the network turned off; an ``ExtraMissingError`` if it is not installed."""
    from models.extras import import_extra  # not above: compiling kernels needs no OpenCV

    os.environ.update(_ULTRALYTICS)
    module = import_extra("ultralytics", "an ultralytics model")
    downloads: Any = importlib.import_module("ultralytics.utils.downloads")
    downloads.safe_download = downloads.get_github_assets = _refuse
    events: Any = importlib.import_module("ultralytics.utils.events")
    events.events.enabled = False  # also if it was imported before, without the variables
    return module


def yolo(path: Path, task: str) -> Any:
    """An ultralytics model of a file or folder, for ``detect`` or ``pose``; a .pt file has its task in it."""
    return ultralytics().YOLO(str(path), **({} if path.suffix == ".pt" else {"task": task}))


def _refuse(url: object = "", *_: Any, **__: Any) -> None:
    raise DownloadRefusedError(f"{url} was not downloaded: Lanewatch works on closed networks and fetches nothing")
