"""Libraries that would call home when they are imported or used, kept from it: a centre's network is closed.

Measured: `import openvino` reports the import over the Internet, and ultralytics resolves two public hosts when
imported, counts predictions at a vendor's, installs what it misses and downloads weights that it does not find.
"""

from __future__ import annotations

import importlib
import os
import sys
from types import ModuleType
from typing import Any, Final

_ULTRALYTICS: Final = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}


class DownloadRefusedError(RuntimeError):
    """A library wanted to fetch something; nothing is fetched behind an operator's back."""


def openvino() -> ModuleType:
    """The module, imported so that it finds no telemetry to send with."""
    # OpenVINO replaces a telemetry package that cannot be imported by a stub of its own; None makes it so.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    return importlib.import_module("openvino")


def ultralytics() -> ModuleType:
    """The module, imported with everything off that would use the network.

    Raises:
        models.extras.ExtraMissingError: it is not installed.
    """
    from models.extras import import_extra  # not above: what only compiles kernels needs no OpenCV

    os.environ.update(_ULTRALYTICS)
    module = import_extra("ultralytics", "an ultralytics model")
    downloads: Any = importlib.import_module("ultralytics.utils.downloads")
    downloads.safe_download = downloads.get_github_assets = _refuse
    events: Any = importlib.import_module("ultralytics.utils.events")
    events.events.enabled = False  # also where somebody imported it before, without the variables
    return module


def _refuse(url: object = "", *_: Any, **__: Any) -> None:
    raise DownloadRefusedError(f"{url} was not downloaded: Lanewatch works on closed networks and fetches nothing")
