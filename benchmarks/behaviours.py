"""What the behaviours find, on real footage and in simulated lanes: one table, each condition apart.

Each part is a module of ``benchmarks.acts``, whose page says what was counted how. Whatever clips of its kind lie in
the folder are measured. A part whose footage is missing or broken costs the others nothing: it is named under
``failed``, its figures are left out, and the exit status is 1. A figure that the footage cannot tell is null.

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

from benchmarks import truth

PARTS = ("speed", "pets", "falls", "fights", "caviar", "abandoned", "walkers", "lanes", "night")
"""In the order of the table; the fold's speed first, before anything else has warmed the machine."""


def measure(parts: Sequence[str]) -> dict[str, Any]:
    """The figures of those parts, with the seconds that each took, and why some have ``failed``."""
    folder = truth.folder()
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    report: dict[str, Any] = {"machine": machine, "seconds": {}, "failed": {}}
    for part in parts:
        began = time.perf_counter()
        try:
            report |= importlib.import_module(f"benchmarks.acts.{part}").measure(folder)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others' figures are wanted
            traceback.print_exc()
            report["failed"][part] = f"{type(error).__name__}: {error}"
        else:
            report["seconds"][part] = round(time.perf_counter() - began, 1)
        print(f"{part}: {time.perf_counter() - began:.0f} s", file=sys.stderr)
    return report


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    parts = [importlib.import_module(f"benchmarks.acts.{part}").table(report) for part in report["seconds"]]
    failed = [f"{part}: NOT MEASURED, {reason}" for part, reason in report["failed"].items()]
    return "\n\n".join([*parts, *failed, f"on {report['machine']}"])


def plain(value: Any) -> Any:
    """The same with null for what is no number: JSON has none."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--json", nargs="?", const="-", metavar="FILE", help="one object instead of a table, or in FILE beside it"
    )
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    options = parser.parse_args(arguments)
    parts = [part for part in options.only.split(",") if part]
    unknown = sorted(set(parts) - set(PARTS))
    if unknown or not parts:
        parser.error(f"--only takes {','.join(PARTS)}" + (f", not {','.join(unknown)}" if unknown else ""))
    report = measure(parts)
    told = json.dumps(plain(report), allow_nan=False)
    if options.json not in (None, "-"):
        Path(options.json).write_text(told + "\n", encoding="utf-8")
    print(told if options.json == "-" else table(report))
    return 1 if report["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
