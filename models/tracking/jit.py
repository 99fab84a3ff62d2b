"""Compiled arithmetic: machine code that is kept on disk where it can be, and made anew when its source changes."""

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
"""The modules whose functions end up in the kernel that is kept on disk."""


def compiled(function: F) -> F:
    """Compiles a part of a kernel, for this process only: parts are not wanted where the whole comes from disk."""
    return cast(F, njit(error_model="numpy")(function))


def compiled_cached(function: F) -> F:
    """Compiles a whole kernel and keeps it on disk; in this process only where no folder for it can be written.

    The folder is ``NUMBA_CACHE_DIR`` if that is set, else Lanewatch's own, else what numba finds.
    """
    usual = _config.CACHE_DIR
    _config.CACHE_DIR = usual or str(cache.folder("kernels") or "")  # numba reads it when it decorates
    try:
        return cast(F, njit(error_model="numpy", cache=True)(function))
    except RuntimeError:  # numba found no folder for its cache
        return compiled(function)
    finally:
        _config.CACHE_DIR = usual


def fingerprint() -> int:
    """A number that changes with the sources.

    Numba tells that a kept kernel is out of date by the one file it stands in, and would go on with old parts from the
    others. It does look at what a kernel closes over, so a kernel closes over this.
    """
    folder = Path(__file__).parent
    return zlib.crc32(b"".join((folder / name).read_bytes() for name in SOURCES))
