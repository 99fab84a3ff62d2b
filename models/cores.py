"""How many processor cores this process may use: a container's quota, which runtimes do not see, and its affinity."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def usable(cgroups: Path = _CGROUPS, own: Path = _OWN_CGROUP) -> int:
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
