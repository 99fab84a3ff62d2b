"""`lanewatch models`: which detectors and pose models are here, where they run, and how missing ones are had."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from models import extras, hardware, offline
from models.detection import base
from models.detection import registry as detector_registry
from models.pose import registry as pose_registry

_BOXES, _JOINTS = "boxes", "joints"
"""What a model finds; of a file its name says so, as ultralytics' own do."""
_FORMATS: Final = {"onnx": ".onnx", "openvino": detector_registry.OPENVINO_SUFFIX}
_HOW: Final = f"""\
A site names what finds people and things (detector.name) and what finds the joints of those who may lie
(detector.pose; {pose_registry.NONE} does without) by a name of this list or by the path of an ultralytics model: a .pt, .onnx or
.engine file, or a folder *{detector_registry.OPENVINO_SUFFIX}. Lanewatch downloads none, since a centre's network is closed.
To get one:
  1. on a machine with Internet access, take the weights, such as yolo11n.pt or yolo11n-pose.pt, from
     github.com/ultralytics/assets/releases (AGPL-3.0: see NOTICE), or train your own;
  2. carry the file over and put it into var/weights, or into a folder that {detector_registry.WEIGHTS_VARIABLE} names;
  3. for a CPU, make it faster: lanewatch models export NAME --format openvino
Other networks come as plug-ins: an entry point of the group {detector_registry.GROUP}."""


def models(arguments: Sequence[str]) -> int:
    """Runs the command; 0, or 1 where a model is missing or cannot be exported."""
    parser = argparse.ArgumentParser(prog="lanewatch models", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="what is here (the default)")
    export = actions.add_parser("export", help="turn an ultralytics .pt file into another kind, for speed")
    export.add_argument("name", help="its name or path")
    export.add_argument("--format", choices=sorted(_FORMATS), default="openvino", help="onnx or openvino (the default)")
    export.add_argument("--size", type=int, default=640, help="side of the network's input, pixels")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.action == "export":
            print(_export(chosen.name, chosen.format, chosen.size))
        else:
            lacking = (
                [] if extras.gpu_installed() else ["", f"Ultralytics' models and GPUs need torch. {extras.GPU_HOW}"]
            )
            print("\n".join([*_rows(), "", _HOW, *lacking]))
    except (base.ModelMissingError, offline.DownloadRefusedError) as error:
        print(f"lanewatch models: {error}", file=sys.stderr)
        return 1
    return 0


def _rows() -> Iterator[str]:
    here = ", ".join(hardware.available_devices())
    yield _row("NAME", "FINDS", "WHERE", "RUNS ON")
    for name in detector_registry.BUILT_IN:
        yield _row(name, _BOXES, "built in", here if extras.gpu_installed() else "cpu")
    for plugin in sorted(entry_points(group=detector_registry.GROUP), key=lambda entry: entry.name):
        yield _row(plugin.name, _BOXES, f"plug-in {plugin.value}", "as it says")
    yield _row(pose_registry.BUILT_IN, _JOINTS, "built in", "cpu")
    for path in _weights():
        runs_on = (
            here if path.suffix != ".engine" else ", ".join(hardware.available_devices()[1:]) or "no CUDA device here"
        )
        if not extras.gpu_installed():
            runs_on = "nothing yet: needs the extra gpu"
        yield _row(path.name, _JOINTS if "pose" in path.stem else _BOXES, str(path.parent), runs_on)


def _row(name: str, finds: str, where: str, runs_on: str) -> str:
    return f"{name:<24}{finds:<8}{where:<40}{runs_on}"


def _weights() -> list[Path]:
    found = {path for folder in detector_registry.folders() if folder.is_dir() for path in folder.iterdir()}
    return sorted(path for path in found if detector_registry.is_model(path))


def _export(name: str, kind: str, size: int) -> Path:
    path = detector_registry.find(name)
    if path.suffix != ".pt":
        raise base.ModelMissingError(f"{path} cannot be exported: only a .pt file can")
    target = path.with_name(path.stem + _FORMATS[kind])
    ultralytics = offline.ultralytics()
    try:
        made = Path(ultralytics.YOLO(str(path)).export(format=kind, imgsz=size, dynamic=True, verbose=False))
    except Exception as error:
        raise base.ModelMissingError(
            f"{path} could not be exported to {kind}: {error}. Nothing is installed for it behind your back"
        ) from error
    if made.resolve() != target.resolve():
        shutil.move(made, target)
    return target
