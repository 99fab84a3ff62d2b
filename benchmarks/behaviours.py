"""Figures of the behaviours on real footage and in simulated lanes, each condition apart, in one table.

Each part is a module of ``benchmarks.acts``; PROTOCOLS.md defines its counts. All clips of its kind in the folder are
measured. If a part's footage is missing or broken, it is named under ``failed`` and its figures are left out. The other
parts run, and the exit status is 1. A figure that the footage does not give is null.

    LANEWATCH_DATA=... python -m benchmarks.behaviours [--json [FILE]] [--only falls,fights]
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import os
import platform
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import command

PARTS = {
    "speed": "watch_stage_speed",
    "pets": "pets2009",
    "falls": "falls",
    "fights": "fights",
    "caviar": "caviar",
    "abandoned": "abandoned_objects",
    "walkers": "walker_loitering",
    "lanes": "produce_theft",
    "night": "night_detection",
}
"""Names of the parts and their modules, in the order of the table. Speed is measured first, on a cool machine."""


def measure(parts: Sequence[str]) -> dict[str, Any]:
    """The figures of the parts, the seconds that each took, and why some have ``failed``."""
    folder = command.data_folder()
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    report: dict[str, Any] = {"machine": machine, "seconds": {}, "failed": {}}
    for part in parts:
        began = time.perf_counter()
        try:
            report |= _module(part).measure(folder)
        except Exception as error:  # noqa: BLE001 - the other parts' figures are wanted, whatever the error is
            traceback.print_exc()
            report["failed"][part] = f"{type(error).__name__}: {error}"
        else:
            report["seconds"][part] = round(time.perf_counter() - began, 1)
        print(f"{part}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return report


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    parts = [_module(part).table(report) for part in report["seconds"]]
    failed = [f"{part}: NOT MEASURED, {reason}" for part, reason in report["failed"].items()]
    return "\n\n".join([*parts, *failed, f"on {report['machine']}"])


def _module(part: str) -> Any:
    return importlib.import_module(f"benchmarks.acts.{PARTS[part]}")


def without_nan(value: Any) -> Any:
    """The same with null for NaN and infinity, which JSON does not have."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    json_help = "print one JSON object instead of a table, or write FILE, too"
    parser.add_argument("--json", nargs="?", const="-", metavar="FILE", help=json_help)
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    options = parser.parse_args(arguments)
    parts = [part for part in options.only.split(",") if part]
    unknown = sorted(set(parts) - set(PARTS))
    if unknown or not parts:
        parser.error(f"--only takes {','.join(PARTS)}" + (f", not {','.join(unknown)}" if unknown else ""))
    report = measure(parts)
    text = json.dumps(without_nan(report), allow_nan=False)
    if options.json not in (None, "-"):
        Path(options.json).write_text(text + "\n", encoding="utf-8")
    print(text if options.json == "-" else table(report))
    return 1 if report["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
