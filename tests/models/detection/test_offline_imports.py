"""Nothing that a detector does uses the network: every attempt to open a connection is recorded in a fresh process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import yolo_weights

_WATCHED = """
import atexit, json, multiprocessing.process, socket, sys

attempts = []
atexit.register(lambda: print(json.dumps(attempts)))  # registered first, so run last, when all threads have ended

def refuse(*arguments, **named):
    attempts.append(str(arguments)[:200])
    raise OSError("the network is closed")

def spawned(*arguments, **named):
    attempts.append("a process: " + str(arguments)[:200])

socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse
multiprocessing.process.BaseProcess.start = spawned
"""


def attempts(code: str, folder: Path) -> list[str]:
    environment = {key: value for key, value in os.environ.items() if key != "CI" and not key.startswith("YOLO_")}
    environment |= {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "YOLO_CONFIG_DIR": str(folder)}
    program = [sys.executable, "-c", _WATCHED + code]
    done = subprocess.run(program, capture_output=True, text=True, check=True, env=environment, cwd=folder)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


_USE = """
import numpy as np
from models.detection import registry
registry.load(NAME, "cpu")([np.zeros((64, 64, 3), np.uint8)])
"""
_MISSING = """
from models import offline_imports
from models.detection import base, registry
for ask in (lambda: registry.load("yolo11x"), lambda: offline_imports.ultralytics().YOLO("yolo11x.pt")):
    try:
        ask()
    except (base.ModelMissingError, offline_imports.DownloadRefusedError):
        continue
    raise SystemExit("nothing was refused")
"""


def test_the_watch_sees_an_attempt(tmp_path: Path) -> None:
    assert attempts("import openvino\n", tmp_path), "OpenVINO no longer reports its import: offline_imports can go"


@pytest.mark.parametrize("name", ["nanodet-g", "yolov8n"])
def test_using_a_detector_opens_no_connection(name: str, tmp_path: Path) -> None:
    path = name if name == "nanodet-g" else str(yolo_weights.fetch())
    assert attempts(_USE.replace("NAME", repr(path)), tmp_path) == []


def test_a_missing_model_is_not_downloaded(tmp_path: Path) -> None:
    assert attempts(_MISSING, tmp_path) == []


def test_the_bundled_detector_does_without_torch(tmp_path: Path) -> None:
    code = (
        _USE.replace("NAME", "'nanodet-g'") + "attempts += [m for m in ('torch', 'ultralytics') if m in sys.modules]\n"
    )
    assert attempts(code, tmp_path) == []
