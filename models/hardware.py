"""The cores and CUDA devices of this machine, found without torch, which takes seconds and memory to import."""

from __future__ import annotations

import ctypes
import math
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from lanewatch import metrics
from models.extras import GPU_HOW, gpu_installed

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def usable_cores(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> int:
    """The cores that this process may use, at least 1; a quota of 1.5 cores counts as 2."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(quota) for quota in _quotas(cgroups, own))]))


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    for line in _text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        is_v2 = not controllers
        if is_v2 or "cpu" in controllers.split(","):
            mount = cgroups if is_v2 else cgroups / "cpu"
            group = mount / path.lstrip("/")
            for folder in (group, *group.parents):
                quota = _quota_v2(folder) if is_v2 else _quota_v1(folder)
                if quota is not None:
                    yield quota
                if folder == mount:
                    break


def _quota_v2(folder: Path) -> float | None:
    fields = _text(folder / "cpu.max").split()
    return None if len(fields) != 2 or fields[0] == "max" else int(fields[0]) / int(fields[1])


def _quota_v1(folder: Path) -> float | None:
    quota, period = _text(folder / "cpu.cfs_quota_us"), _text(folder / "cpu.cfs_period_us")
    return int(quota) / int(period) if quota and period and int(quota) > 0 else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii").strip()
    except OSError:
        return ""


_CUDA: Final = re.compile(r"cuda(?::(\d+))?")


@cache
def cuda_count() -> int:
    """The number of CUDA devices; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def available_devices() -> tuple[str, ...]:
    """The names of this machine's devices."""
    return ("cpu", *(f"cuda:{index}" for index in range(cuda_count())))


def choose_device(device: str) -> str:
    """A device's full name; a ``DeviceMissingError`` if it is not here.

    ``auto`` is the first CUDA device if the extra ``gpu`` is installed, or else the CPU.
    """
    devices = available_devices()
    if device == "auto":
        if "cuda:0" in devices and gpu_installed():
            return "cuda:0"
        if "cuda:0" in devices:
            metrics.log("detect").warning("there is a GPU, but no torch to use it: the CPU is used. %s", GPU_HOW)
        return "cpu"
    match = _CUDA.fullmatch(device)
    chosen = f"cuda:{int(match[1] or 0)}" if match else device
    if chosen not in devices:
        raise DeviceMissingError(f"device {device!r} is not here: there are {', '.join(devices)} (or use auto)")
    return chosen


class DeviceMissingError(RuntimeError):
    """This machine does not have the device that a model should run on."""
