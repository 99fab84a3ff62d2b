"""`lanewatch models`: lists detectors and pose models with their devices, and how to get others."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from models import extras, hardware, offline_imports
from models.detection import base
from models.detection import registry as detector_registry
from models.pose import registry as pose_registry

_BOXES, _JOINTS = "boxes", "joints"
"""What a model finds. A file is a pose model if its name says so, like ultralytics' own."""
_FORMATS: Final = {"onnx": ".onnx", "openvino": detector_registry.OPENVINO_SUFFIX}
_HOW: Final = f"""\
A site file names an object detector (detector.name) and a pose estimator for people who may lie (detector.pose,
or {pose_registry.NONE}). The name is one of this list, or the path of an ultralytics model: a .pt, .onnx or
.engine file, or a folder *{detector_registry.OPENVINO_SUFFIX}. Lanewatch never downloads one, since a centre's
network is closed.
To get one:
  1. on a machine with Internet access, take the weights, such as yolo11n.pt or yolo11n-pose.pt, from
     github.com/ultralytics/assets/releases (AGPL-3.0: see NOTICE), or train your own;
  2. carry the file over and put it into var/weights, or into a folder that {detector_registry.WEIGHTS_VARIABLE} names;
  3. for a CPU, make it faster: lanewatch models export NAME --format openvino
Other networks are plug-ins: an entry point of the group {detector_registry.GROUP}."""


def models(arguments: Sequence[str]) -> int:
    """Runs the command. Returns 1 if a model is missing or cannot be exported, or else 0."""
    parser = argparse.ArgumentParser(prog="lanewatch models", description=__doc__)
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    actions.add_parser("list", help="list the models of this machine (the default)")
    export = actions.add_parser("export", help="convert an ultralytics .pt file to a faster format")
    export.add_argument("name", help="its name or path")
    export.add_argument("--format", choices=sorted(_FORMATS), default="openvino", help="onnx or openvino (the default)")
    export.add_argument("--size", type=int, default=640, help="side of the network's input, pixels")
    options = parser.parse_args(arguments)
    if options.action == "export" and options.size < 32:
        parser.error("--size must be at least 32 pixels")
    try:
        if options.action == "export":
            print(_export(options.name, options.format, options.size))
        else:
            print("\n".join([*_rows(), "", _HOW]))
            if not extras.gpu_installed():
                print(f"\nUltralytics' models and GPUs need torch. {extras.GPU_HOW}")
    except (base.ModelMissingError, offline_imports.DownloadRefusedError) as error:
        print(f"lanewatch models: {error}", file=sys.stderr)
        return 1
    return 0


def _rows() -> Iterator[str]:
    devices = hardware.available_devices()
    all_devices = ", ".join(devices) if extras.gpu_installed() else "cpu"
    yield _row("NAME", "FINDS", "WHERE", "RUNS ON")
    for name in detector_registry.BUILT_IN:
        yield _row(name, _BOXES, "built in", all_devices)
    for plugin in sorted(entry_points(group=detector_registry.GROUP), key=lambda entry: entry.name):
        yield _row(plugin.name, _BOXES, f"plug-in {plugin.value}", "see its documentation")
    yield _row(pose_registry.BUILT_IN, _JOINTS, "built in", "cpu")
    for path in _weights():
        runs_on = all_devices
        if not extras.gpu_installed():
            runs_on = "nothing yet: needs the extra gpu"
        elif path.suffix == ".engine":
            runs_on = ", ".join(devices[1:]) or "no CUDA device here"
        yield _row(path.name, _JOINTS if "pose" in path.stem else _BOXES, str(path.parent), runs_on)


def _row(name: str, finds: str, where: str, runs_on: str) -> str:
    return f"{name:<24}{finds:<8}{where:<40}{runs_on}"


def _weights() -> list[Path]:
    found = {path for folder in detector_registry.folders() if folder.is_dir() for path in folder.iterdir()}
    return sorted(path for path in found if detector_registry.is_model(path))


def _export(name: str, output_format: str, size: int) -> Path:
    path = detector_registry.find(name)
    if path.suffix != ".pt":
        raise base.ModelMissingError(f"{path} cannot be exported: only a .pt file can")
    target = path.with_name(path.stem + _FORMATS[output_format])
    ultralytics = offline_imports.ultralytics()
    try:
        model = ultralytics.YOLO(str(path))
        exported = Path(model.export(format=output_format, imgsz=size, dynamic=True, verbose=False))
    except Exception as error:
        what = f"{path} could not be exported to {output_format}: {error}"
        raise base.ModelMissingError(f"{what}. Lanewatch installs no packages for it") from error
    if exported.resolve() != target.resolve():
        shutil.move(exported, target)
    return target
