"""Which devices a network can run on here, found out without importing torch, which takes seconds and memory."""

from __future__ import annotations

import ctypes
import re
from functools import cache
from typing import Final

from models.detector import DeviceMissingError

_CUDA: Final = re.compile(r"cuda(?::(\d+))?")


@cache
def cuda_count() -> int:
    """How many CUDA devices the driver offers; 0 where there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def available() -> tuple[str, ...]:
    """The names of the devices that are here."""
    return ("cpu", *(f"cuda:{index}" for index in range(cuda_count())))


def choose(device: str) -> str:
    """The device that is meant: ``auto`` is the first CUDA device, or else the CPU.

    Raises:
        DeviceMissingError: it is not here, or no device at all.
    """
    here = available()
    if device == "auto":
        return "cuda:0" if "cuda:0" in here else "cpu"
    match = _CUDA.fullmatch(device)
    chosen = f"cuda:{int(match[1] or 0)}" if match else device
    if chosen not in here:
        raise DeviceMissingError(f"device {device!r} is not here: there are {', '.join(here)} (or say auto)")
    return chosen
