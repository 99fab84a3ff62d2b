"""What the behaviours find, on real footage and in simulated lanes: one table, each condition apart.

Each part is a module of ``benchmarks.acts``, whose page says what was counted how. Whatever clips of its kind lie in
the folder are measured.

    LANEWATCH_DATA=... python -m benchmarks.behaviours [--json] [--only falls,fights]
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import truth

PARTS = ("speed", "pets", "falls", "fights", "caviar", "abandoned", "walkers", "lanes", "night")
"""In the order of the table; the fold's speed first, before anything else has warmed the machine."""


def measure(parts: Sequence[str]) -> dict[str, Any]:
    """The figures of those parts, with the seconds that each took."""
    folder = truth.folder()
    report: dict[str, Any] = {"machine": f"{platform.machine()}, {os.cpu_count()} cores", "seconds": {}}
    for part in parts:
        began = time.perf_counter()
        report |= importlib.import_module(f"benchmarks.acts.{part}").measure(folder)
        report["seconds"][part] = round(time.perf_counter() - began, 1)
        print(f"{part}: {report['seconds'][part]:.0f} s", file=sys.stderr)
    return report


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    parts = [importlib.import_module(f"benchmarks.acts.{part}").table(report) for part in report["seconds"]]
    return "\n\n".join([*parts, f"on {report['machine']}"])


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object instead of a table")
    parser.add_argument("--only", default=",".join(PARTS), help=f"some of {','.join(PARTS)}")
    options = parser.parse_args(arguments)
    parts = [part for part in options.only.split(",") if part]
    unknown = sorted(set(parts) - set(PARTS))
    if unknown or not parts:
        parser.error(f"--only takes {','.join(PARTS)}" + (f", not {','.join(unknown)}" if unknown else ""))
    report = measure(parts)
    print(json.dumps(report) if options.json else table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
