"""Shared by the benchmark commands: options, output, the data folder, CPU time."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any


def parser(description: str | None, json_keys: str = "") -> argparse.ArgumentParser:
    """A parser with ``--json``, described by a module's docstring."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    keys = f": {json_keys}" if json_keys else ""
    made.add_argument("--json", action="store_true", help=f"print one JSON object instead of a table{keys}")
    return made


def show(report: dict[str, Any], table: Callable[[dict[str, Any]], str], as_json: bool) -> None:
    """Prints a report as JSON or as a table."""
    print(json.dumps(report) if as_json else table(report))


def aligned(rows: Sequence[Mapping[str, Any]], formats: Mapping[str, str]) -> list[str]:
    """A header and the rows as text, right-aligned; ``formats`` has the keys of the columns and how to format them."""
    cells = [[key.replace("_", " ") for key in formats]]
    cells += [[format(row[key], spec) for key, spec in formats.items()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]


def data_folder() -> Path:
    """The folder of labelled footage, which is not part of the repository; SystemExit without one."""
    folder = os.environ.get("LANEWATCH_DATA")
    if not folder:
        raise SystemExit("LANEWATCH_DATA is not set; it names the folder with pets09-s2l1, caviar and the other sets")
    return Path(folder)


def cpu_seconds(work: Callable[[], object]) -> float:
    """CPU time of this process for one call."""
    began = time.process_time()
    work()
    return time.process_time() - began
