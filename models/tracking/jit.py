"""Compiled functions: machine code that is cached on disk, and compiled anew when its source changes."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba
from numba import njit

from models import cache

_config: Any = numba.config

F = TypeVar("F", bound=Callable[..., Any])

SOURCES: Final = ("jit.py", "assignment.py", "motion_model.py", "association.py")
"""The modules whose functions become part of the cached kernel."""


def compiled(function: F) -> F:
    """Compiles a part of a kernel, for this process only: the whole kernel is cached, not its parts."""
    return cast(F, njit(error_model="numpy")(function))


def compiled_cached(function: F) -> F:
    """Compiles a whole kernel and caches it on disk, or for this process only if no folder is writable.

    The folder is ``NUMBA_CACHE_DIR`` if that is set, else Lanewatch's own, else numba's default.
    """
    configured = _config.CACHE_DIR
    _config.CACHE_DIR = configured or str(cache.folder("kernels") or "")  # numba reads it when it decorates
    try:
        return cast(F, njit(error_model="numpy", cache=True)(function))
    except RuntimeError:  # numba has no folder for its cache
        return compiled(function)
    finally:
        _config.CACHE_DIR = configured


def fingerprint() -> int:
    """A number that changes with the sources, and that a kernel closes over.

    Numba compares a cached kernel only with its own source file and with the values that it closes over.
    """
    folder = Path(__file__).parent
    return zlib.crc32(b"".join((folder / name).read_bytes() for name in SOURCES))
