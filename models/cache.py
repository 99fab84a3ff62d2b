"""What takes seconds to compile is kept for the next start, below ``~/.cache/lanewatch``. It may be deleted any time.

Measured on two busy cores: NanoDet .49 s compiled and .30 s kept, MoveNet .57 s and .23 s, the tracker's kernel 16 s
and .7 s.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from models import offline

_CHECKSUM_BYTES = 4


def folder(kind: str) -> Path | None:
    """The folder for what this processor can run, made if it is not there; None where it cannot be written.

    Args:
        kind: a name for what is kept there.
    """
    try:
        given = Path(os.environ.get("XDG_CACHE_HOME", ""))
        root = given if given.is_absolute() else Path.home() / ".cache"
        place = root / "lanewatch" / kind / _processor()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            return place
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None


def network(name: str, build: Callable[[Path], Any], weights: Path, settings: Mapping[str, Any]) -> Any:
    """An OpenVINO model, compiled for the CPU; from disk where an earlier start has kept it.

    Args:
        name: of the file that is kept.
        build: gives the model of a file of weights. All its code must be in its own module, which is part of the key.
        weights: an ONNX file, or OpenVINO's XML beside its ``.bin``.
        settings: of the compilation.
    """
    openvino = offline.openvino()
    core = openvino.Core()
    place = folder("networks")
    if place is None:
        return core.compile_model(build(weights), "CPU", dict(settings))
    source = Path(str(sys.modules[build.__module__].__file__))
    files = [path for path in (source, weights, weights.with_suffix(".bin")) if path.is_file()]
    key = _key(openvino.__version__, sorted(settings.items()), *(path.read_bytes() for path in files))
    file = place / f"{name}-{key}.blob"
    kept = _load(core, file, settings)
    if kept is None:
        kept = core.compile_model(build(weights), "CPU", dict(settings))
        _store(file, kept.export_model().getvalue())
    return kept


def _load(core: Any, file: Path, settings: Mapping[str, Any]) -> Any:
    try:
        data = file.read_bytes()
        checksum, blob = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
        if checksum != _checksum(blob):
            return None
        return core.import_model(blob, "CPU", dict(settings))
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is compiled anew
        return None


def _store(file: Path, blob: bytes) -> None:
    """Writes the whole file or none: another process may read it, or write the same, at this moment."""
    with suppress(OSError):
        descriptor, written = tempfile.mkstemp(dir=file.parent)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(_checksum(blob) + blob)
            os.replace(written, file)
        except OSError:
            os.unlink(written)


def _checksum(blob: bytes) -> bytes:
    return zlib.crc32(blob).to_bytes(_CHECKSUM_BYTES)


def _processor() -> str:
    """A name that differs for processors with other instructions: machines that share a home share no code."""
    lines: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            field, _, value = line.partition(":")
            lines.setdefault(field.strip(), value)
    known = [lines.get(field, "") for field in ("model name", "flags", "Features")]
    return _key(platform.machine(), platform.processor(), known, os.environ.get("ONEDNN_MAX_CPU_ISA", ""))


def _key(*parts: object) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]
