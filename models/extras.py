"""The extra ``gpu``: packages that a light install omits, and the error that names the command to install them."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import Final

from models.detection.base import ModelMissingError

GPU_PACKAGES: Final = ("torch", "torchvision", "ultralytics")
GPU_HOW: Final = (
    "Install it with `pip install 'lanewatch[gpu]'`, in a clone with `make gpu`. For a closed network, run "
    "`pip download --dest wheels 'lanewatch[gpu]'` on a machine with Internet access, the same system and the same "
    "Python; carry the folder over and run `pip install --no-index --find-links wheels 'lanewatch[gpu]'`."
)


class ExtraMissingError(ModelMissingError):
    """A model needs packages that a light install omits; the message has the command that installs them."""


def import_extra(module: str, needed_by: str) -> ModuleType:
    """Imports a module that needs packages of the extra ``gpu``; an ``ExtraMissingError`` if one is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in GPU_PACKAGES:
            raise
        what = f"{needed_by} needs the package {package}, which is not installed"
        raise ExtraMissingError(f"{what}. {GPU_HOW}") from error


def gpu_installed() -> bool:
    """Whether the packages of the extra ``gpu`` are installed. None is imported."""
    return all(importlib.util.find_spec(package) is not None for package in GPU_PACKAGES)
