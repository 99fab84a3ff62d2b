"""`lanewatch models`: lists detectors and pose models with their devices, and how to get others."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from lanewatch import service
from lanewatch.text_table import columns
from models import extras, hardware, offline_imports
from models.detection import base
from models.detection import registry as detector_registry
from models.pose import registry as pose_registry

_POSE = "pose"
"""A file is a pose model if its name says so, like ultralytics' own."""
_ENGLISH: Final = {
    "name": "NAME",
    "finds": "FINDS",
    "where": "WHERE",
    "devices": "RUNS ON",
    "boxes": "boxes",
    "joints": "joints",
    "built_in": "built in",
    "plug_in": "plug-in {name}",
    "see": "see its documentation",
    "needs_gpu": "nothing yet: needs the extra gpu",
    "no_cuda": "no CUDA device here",
}
_KOREAN: Final = {
    "name": "이름",
    "finds": "탐지 대상",
    "where": "위치",
    "devices": "실행 장치",
    "boxes": "박스",
    "joints": "관절",
    "built_in": "내장",
    "plug_in": "플러그인 {name}",
    "see": "해당 문서 참고",
    "needs_gpu": "아직 없음: 추가 구성요소 gpu 필요",
    "no_cuda": "CUDA 장치 없음",
}
_TEXTS: Final = {"en": _ENGLISH, "ko": _KOREAN}
_FORMATS: Final = {"onnx": ".onnx", "openvino": detector_registry.OPENVINO_SUFFIX}
_HOW_ENGLISH: Final = f"""\
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
_HOW_KOREAN: Final = f"""\
사이트 파일에서 객체 탐지 모델(detector.name)과, 누워 있을 수 있는 사람의 자세 추정 모델(detector.pose 또는
{pose_registry.NONE})을 지정합니다. 위 목록의 이름이나 ultralytics 모델의 경로를 적습니다: .pt, .onnx, .engine 파일 또는
*{detector_registry.OPENVINO_SUFFIX} 폴더. 관제센터의 망은 폐쇄망이므로 Lanewatch는 모델을 내려받지 않습니다.
모델을 준비하는 방법:
  1. 인터넷에 연결된 컴퓨터에서 yolo11n.pt, yolo11n-pose.pt 같은 가중치를 받습니다
     (github.com/ultralytics/assets/releases, AGPL-3.0: NOTICE 참고). 직접 학습한 것도 됩니다.
  2. 옮겨 와서 var/weights 또는 {detector_registry.WEIGHTS_VARIABLE} 변수가 가리키는 폴더에 둡니다.
  3. CPU에서는 더 빠르게 변환합니다: lanewatch models export NAME --format openvino
그 밖의 모델은 플러그인입니다: {detector_registry.GROUP} 그룹의 엔트리 포인트."""
_GPU_ENGLISH: Final = f"Ultralytics' models and GPUs need torch. {extras.GPU_HOW}"
_GPU_KOREAN: Final = (
    "Ultralytics 모델과 GPU에는 torch가 필요합니다: `pip install 'lanewatch[gpu]'`, 저장소에서는 `make gpu`. "
    "폐쇄망에서는 인터넷에 연결된 같은 종류의 컴퓨터에서 `pip download --dest wheels 'lanewatch[gpu]'`로 받은 "
    "폴더를 옮겨 와서 `pip install --no-index --find-links wheels 'lanewatch[gpu]'`를 실행하십시오."
)


def models(arguments: Sequence[str]) -> int:
    """Runs the command. Returns 1 if a model is missing or cannot be exported, or else 0."""
    parser = argparse.ArgumentParser(prog="lanewatch models", description=__doc__)
    service.add_language(parser)
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
            korean = options.language == "ko"
            print(
                "\n".join(
                    [*columns(list(_rows(_TEXTS[options.language]))), "", _HOW_KOREAN if korean else _HOW_ENGLISH]
                )
            )
            if not extras.gpu_installed():
                print(f"\n{_GPU_KOREAN if korean else _GPU_ENGLISH}")
    except (base.ModelMissingError, offline_imports.DownloadRefusedError) as error:
        print(f"lanewatch models: {error}", file=sys.stderr)
        return 1
    return 0


def _rows(texts: Mapping[str, str]) -> Iterator[tuple[str, str, str, str]]:
    devices = hardware.available_devices()
    all_devices = ", ".join(devices) if extras.gpu_installed() else "cpu"
    yield texts["name"], texts["finds"], texts["where"], texts["devices"]
    for name in detector_registry.BUILT_IN:
        yield name, texts["boxes"], texts["built_in"], all_devices
    for plugin in sorted(entry_points(group=detector_registry.GROUP), key=lambda entry: entry.name):
        yield plugin.name, texts["boxes"], texts["plug_in"].format(name=plugin.value), texts["see"]
    yield pose_registry.BUILT_IN, texts["joints"], texts["built_in"], "cpu"
    for path in _weights():
        runs_on = all_devices
        if not extras.gpu_installed():
            runs_on = texts["needs_gpu"]
        elif path.suffix == ".engine":
            runs_on = ", ".join(devices[1:]) or texts["no_cuda"]
        yield path.name, texts["joints" if _POSE in path.stem else "boxes"], str(path.parent), runs_on


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
