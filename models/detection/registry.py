"""What an object detector is, and how one is had by name: built in, from a plug-in, or an ultralytics model's file."""

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
"""The entry points' group of plug-ins: a factory ``(device: str, score: float) -> ObjectDetector`` each."""
WEIGHTS_VARIABLE: Final = "LANEWATCH_WEIGHTS"
SUFFIXES: Final = (".pt", ".onnx", ".engine")
OPENVINO_SUFFIX: Final = "_openvino_model"

Factory = Callable[[str, float], ObjectDetector]


def load(name: str, device: str = "auto", score: float = 0.2) -> ObjectDetector:
    """A detector, ready to be called.

    Args:
        name: of a built-in one, of a plug-in, or the path or name of an ultralytics model.
        device: auto, cpu, cuda or cuda:N.
        score: boxes below it are left out. *Raising* it loses people who lie, sit or are far away.

    Raises:
        ModelMissingError: there is no such detector, and how to get it.
        DeviceMissingError: the device is not here.
    """
    if name in BUILT_IN:
        return _named(BUILT_IN[name])(device, score)
    for plugin in entry_points(group=GROUP, name=name):
        factory: Factory = plugin.load()
        return factory(device, score)
    path = find(name)
    ultralytics: Callable[[Path, str, float], ObjectDetector] = import_extra("models.detection.yolo", str(path)).load
    return ultralytics(path, device, score)


def folders() -> tuple[Path, ...]:
    """Where weights are looked for by name: the folders of LANEWATCH_WEIGHTS, then var/weights here."""
    named = os.environ.get(WEIGHTS_VARIABLE, "")
    return (*(Path(folder) for folder in named.split(os.pathsep) if folder), Path("var/weights"))


def is_model(path: Path) -> bool:
    """Whether this is something that ultralytics can load: a file of a known kind, or an OpenVINO folder."""
    if path.is_dir():
        return path.name.endswith(OPENVINO_SUFFIX) and any(path.glob("*.xml"))
    return path.suffix in SUFFIXES and path.is_file()


def known() -> tuple[str, ...]:
    """The names that need no file: those built in, and those that plug-ins bring."""
    return (*BUILT_IN, *sorted(plugin.name for plugin in entry_points(group=GROUP)))


def find(name: str, others: Sequence[str] | None = None, key: str = "detector.name") -> Path:
    """The ultralytics model of that path or name.

    Args:
        name: as the site has it.
        others: what the name could have been, no file; ``known()`` if None.
        key: where the site names it.

    Raises:
        ModelMissingError: there is none.
    """
    given = Path(name).expanduser()
    endings = ("", *SUFFIXES, OPENVINO_SUFFIX)
    places = (given.parent,) if given.is_absolute() or given.parent != Path() else (Path(), *folders())
    for place in places:
        for ending in endings:
            candidate = place / f"{given.name}{ending}"
            if is_model(candidate):
                return candidate
    raise ModelMissingError(_missing(name, places, known() if others is None else others, key))


def _missing(name: str, places: Sequence[Path], others: Sequence[str], key: str) -> str:
    looked = ", ".join(str(place.resolve()) for place in places)
    file = Path(name).name if Path(name).suffix in SUFFIXES else f"{Path(name).name}.pt"
    return (
        f"there is no model {name!r}: it is none of {', '.join(others)}, and no {'|'.join(SUFFIXES)} file or "
        f"*{OPENVINO_SUFFIX} folder of that name is in {looked}. Lanewatch downloads no weights, since a centre's "
        f"network is closed: get {file} on a machine with Internet access (ultralytics' own are under "
        f"github.com/ultralytics/assets/releases, AGPL-3.0), carry it over, and put it into var/weights or a folder "
        f"that {WEIGHTS_VARIABLE} names, or give its path as the site's {key}. `lanewatch models` lists what is here; "
        f"{others[0]} always is."
    )


def _named(reference: str) -> Factory:
    module, function = reference.split(":")
    factory: Factory = getattr(importlib.import_module(module), function)
    return factory
