"""Which devices a network can run on here, found out without importing torch, which takes seconds and memory."""

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
    """The cores that this process may keep busy, at least 1; a quota of 1.5 cores counts as 2.

    Args:
        cgroups: where control groups are mounted.
        own: the file that says which of them are this process's.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = list(_quotas(cgroups, own))
    return max(1, min([allowed, *(math.ceil(quota) for quota in quotas)]))


def _quotas(cgroups: Path, own: Path) -> Iterator[float]:
    for line in _text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        second_version = not controllers
        if second_version or "cpu" in controllers.split(","):
            mount = cgroups if second_version else cgroups / "cpu"
            group = mount / path.lstrip("/")
            for folder in (group, *group.parents):
                quota = _second(folder) if second_version else _first(folder)
                if quota is not None:
                    yield quota
                if folder == mount:
                    break


def _second(folder: Path) -> float | None:
    fields = _text(folder / "cpu.max").split()
    return None if len(fields) != 2 or fields[0] == "max" else int(fields[0]) / int(fields[1])


def _first(folder: Path) -> float | None:
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
    """How many CUDA devices the driver offers; 0 where there is no driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def available_devices() -> tuple[str, ...]:
    """The names of the devices that are here."""
    return ("cpu", *(f"cuda:{index}" for index in range(cuda_count())))


def choose_device(device: str) -> str:
    """The device that is meant: ``auto`` is the first CUDA device where the extra ``gpu`` is there, or else the CPU.

    Raises:
        DeviceMissingError: it is not here, or no device at all.
    """
    here = available_devices()
    if device == "auto":
        if "cuda:0" in here and not gpu_installed():
            metrics.log("detect").warning("there is a GPU, but no torch to use it: the CPU is used. %s", GPU_HOW)
        return "cuda:0" if "cuda:0" in here and gpu_installed() else "cpu"
    match = _CUDA.fullmatch(device)
    chosen = f"cuda:{int(match[1] or 0)}" if match else device
    if chosen not in here:
        raise DeviceMissingError(f"device {device!r} is not here: there are {', '.join(here)} (or say auto)")
    return chosen


class DeviceMissingError(RuntimeError):
    """A detector was asked to run on a device that is not here."""
