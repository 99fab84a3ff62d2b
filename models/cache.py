"""The cache of compiled networks and kernels, below ``~/.cache/lanewatch``. It may be deleted at any time.

Measured on two busy cores, compiled and from the cache: NanoDet .49 s and .30 s, MoveNet .57 s and .23 s, the tracker's
kernel 16 s and .7 s.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
import tempfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from models import offline_imports

_CHECKSUM_BYTES = 4


def folder(kind: str) -> Path | None:
    """The cache's subfolder of a kind for this processor, created if it is missing; None if it is not writable."""
    try:
        configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
        root = configured if configured.is_absolute() else Path.home() / ".cache"
        path = root / "lanewatch" / kind / _processor()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except (OSError, RuntimeError):  # RuntimeError: there is no home directory
        return None


def network(name: str, build: Callable[[Path], Any], weights: Path, threads: int) -> Any:
    """An OpenVINO model for many pictures on some threads of the CPU, compiled or loaded from the cache.

    ``build`` makes it from its weights. All its code must be in its own module, which is part of the cached file's key.
    """
    settings: dict[str, Any] = {
        "PERFORMANCE_HINT": "THROUGHPUT",
        "INFERENCE_PRECISION_HINT": "f32",  # the default on some CPUs is bfloat16, which gives other results
        "INFERENCE_NUM_THREADS": threads,
        "ENABLE_CPU_PINNING": False,  # decoding shares the cores: a stream bound to one core would wait for it
    }
    openvino = offline_imports.openvino()
    core = openvino.Core()
    directory = folder("networks")
    if directory is None:
        return core.compile_model(build(weights), "CPU", settings)
    source = Path(str(sys.modules[build.__module__].__file__))
    files = [path for path in (source, weights, weights.with_suffix(".bin")) if path.is_file()]
    key = _key(openvino.__version__, sorted(settings.items()), *(path.read_bytes() for path in files))
    file = directory / f"{name}-{key}.blob"
    compiled = _load(core, file, settings)
    if compiled is None:
        compiled = core.compile_model(build(weights), "CPU", settings)
        _store(file, compiled.export_model().getvalue())
    return compiled


def _load(core: Any, file: Path, settings: dict[str, Any]) -> Any:
    try:
        data = file.read_bytes()
        checksum, blob = data[:_CHECKSUM_BYTES], data[_CHECKSUM_BYTES:]
        return core.import_model(blob, "CPU", settings) if checksum == _checksum(blob) else None
    except Exception:  # noqa: BLE001 - whatever the error, it is compiled anew
        return None


def _store(file: Path, blob: bytes) -> None:
    """Writes the file atomically: another process may read or write it at the same time."""
    with suppress(OSError):
        descriptor, temporary = tempfile.mkstemp(dir=file.parent)
        try:
            with open(descriptor, "wb") as stream:
                stream.write(_checksum(blob) + blob)
            os.replace(temporary, file)
        except OSError:
            os.unlink(temporary)


def _checksum(blob: bytes) -> bytes:
    return zlib.crc32(blob).to_bytes(_CHECKSUM_BYTES)


def _processor() -> str:
    """A name that depends on the processor's instructions: machines may share a home directory, but not code."""
    lines: dict[str, str] = {}
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            field, _, value = line.partition(":")
            lines.setdefault(field.strip(), value)
    identity = [lines.get(field, "") for field in ("model name", "flags", "Features")]
    return _key(platform.machine(), platform.processor(), identity, os.environ.get("ONEDNN_MAX_CPU_ISA", ""))


def _key(*parts: object) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:16]
