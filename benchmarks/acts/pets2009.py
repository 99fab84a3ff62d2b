"""Loitering, intrusion and crossing on PETS 2009, by the protocol of ``benchmarks.events``: by day, from pixels.

Each folder ``pets09-*`` with labels (``gt.txt``) and their video is measured separately; the worst figure counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import events
from benchmarks.datasets import PETS_FPS
from benchmarks.zone_event_ground_truth import person_paths

LABELS = "gt.txt"


def measure(folder: Path) -> dict[str, Any]:
    """``pets_f1``: the least event F1 of all sets, kinds and rates; ``pets`` has all of them."""
    sets = [path.parent.name for path in sorted(folder.glob(f"pets09-*/{LABELS}"))]
    if not sets:
        raise FileNotFoundError(f"{folder}: no pets09-* has {LABELS}")
    reports = {}
    for name in sets:
        paths = person_paths(folder / name / LABELS, PETS_FPS)
        reports[name] = events.measure(events.pets_detections(folder, name), paths, events.SEED)
    return {"pets_f1": min(row["f1"] for report in reports.values() for row in report["rows"]), "pets": reports}


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    lines = [f"pets_f1 {report['pets_f1']:.3f} (worst of the kinds and rates; daylight, from pixels, target: .92)"]
    lines += [
        f"  {name}  {row['kind']:<14}{row['fps']:>6.2f} fps  F1 {row['f1']:.3f}  n {row['n']}, {row['false']} false, "
        f"{row['missed']} missed"
        for name, of_set in report["pets"].items()
        for row in of_set["rows"]
    ]
    return "\n".join(lines)
