"""Loads object detectors by name: built in, from a plug-in, or an ultralytics model's file."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from models.detection.base import ModelMissingError, ObjectDetector
from models.extras import import_extra

BUILT_IN: Final = {
    "nanodet-g": "models.detection.nanodet:load",
    "nanodet-g-float32": "models.detection.nanodet:load_float32",
}
GROUP: Final = "lanewatch.detectors"
"""The entry point group of plug-ins. Each is a factory ``(device: str, score: float) -> ObjectDetector``."""
WEIGHTS_VARIABLE: Final = "LANEWATCH_WEIGHTS"
SUFFIXES: Final = (".pt", ".onnx", ".engine")
OPENVINO_SUFFIX: Final = "_openvino_model"

Factory = Callable[[str, float], ObjectDetector]


def load(name: str, device: str = "auto", score: float = 0.2) -> ObjectDetector:
    """A detector, ready to be called: built in, a plug-in, or the path or name of an ultralytics model.

    The device is auto, cpu, cuda or cuda:N. Boxes below ``score`` are left out: *raising* it loses people who lie, sit
    or are far away.

    Raises:
        ModelMissingError: there is none, or it cannot be used here; the message explains how to get it.
        DeviceMissingError: this machine has no such device.
    """
    if name in BUILT_IN:
        module, function = BUILT_IN[name].split(":")
        bundled: Factory = getattr(importlib.import_module(module), function)
        return bundled(device, score)
    for plugin in entry_points(group=GROUP, name=name):
        factory: Factory = plugin.load()
        return factory(device, score)
    path = find(name)
    ultralytics: Callable[[Path, str, float], ObjectDetector] = import_extra("models.detection.yolo", str(path)).Yolo
    return ultralytics(path, device, score)


def folders() -> tuple[Path, ...]:
    """The folders that are searched for weights: those of LANEWATCH_WEIGHTS, then var/weights."""
    configured = os.environ.get(WEIGHTS_VARIABLE, "")
    return (*(Path(folder) for folder in configured.split(os.pathsep) if folder), Path("var/weights"))


def is_model(path: Path) -> bool:
    """Whether ultralytics can load this: a file with a known suffix, or an OpenVINO folder."""
    if path.is_dir():
        return path.name.endswith(OPENVINO_SUFFIX) and any(path.glob("*.xml"))
    return path.suffix in SUFFIXES and path.is_file()


def known() -> tuple[str, ...]:
    """The names that need no file: built-in detectors and plug-ins."""
    return (*BUILT_IN, *sorted(plugin.name for plugin in entry_points(group=GROUP)))


def find(name: str, others: Sequence[str] | None = None, key: str = "detector.name") -> Path:
    """The ultralytics model of a path or name, as a ``key`` of the site file; a ``ModelMissingError`` if there is none.

    ``others`` are names that need no file, for the message; ``known()`` if None.
    """
    path = Path(name).expanduser()
    endings = ("", *SUFFIXES, OPENVINO_SUFFIX)
    searched = (path.parent,) if path.is_absolute() or path.parent != Path() else (Path(), *folders())
    for folder in searched:
        for ending in endings:
            candidate = folder / f"{path.name}{ending}"
            if is_model(candidate):
                return candidate
    raise ModelMissingError(_missing(name, searched, known() if others is None else others, key))


def _missing(name: str, searched: Sequence[Path], others: Sequence[str], key: str) -> str:
    where = ", ".join(str(folder.resolve()) for folder in searched)
    file = Path(name).name if Path(name).suffix in SUFFIXES else f"{Path(name).name}.pt"
    return (
        f"there is no model {name!r}: it is none of {', '.join(others)}, and no {'|'.join(SUFFIXES)} file or "
        f"*{OPENVINO_SUFFIX} folder of that name is in {where}. Lanewatch downloads no weights, since a centre's "
        f"network is closed: get {file} on a machine with Internet access (ultralytics' own are under "
        f"github.com/ultralytics/assets/releases, AGPL-3.0), carry it over, and put it into var/weights or a folder "
        f"that {WEIGHTS_VARIABLE} names, or give its path as the site's {key}. `lanewatch models` lists what is here; "
        f"{others[0]} always is."
    )
