"""Loitering, intrusion and crossing on PETS 2009, by the protocol of ``benchmarks.events``: by day, from pixels.

Each folder ``pets09-*`` that holds labels (``gt.txt``) and their video is measured by itself; the worst figure counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import events, truth

LABELS = "gt.txt"


def measure(folder: Path) -> dict[str, Any]:
    """``pets_f1``: the worst event F1 of the sets, the three kinds and the three rates; all of them in ``pets``.

    Raises:
        FileNotFoundError: no set is labelled, or one has no video.
    """
    sets = [path.parent.name for path in sorted(folder.glob(f"pets09-*/{LABELS}"))]
    if not sets:
        raise FileNotFoundError(f"{folder}: no pets09-* with {LABELS} in it")
    reports = {
        name: events.measure(
            events.footage(folder, name), truth.people(folder / name / LABELS, events.FPS), events.SEED
        )
        for name in sets
    }
    return {"pets_f1": min(row["f1"] for report in reports.values() for row in report["rows"]), "pets": reports}


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [f"pets_f1 {report['pets_f1']:.3f} (worst of the kinds and rates; daylight, from pixels, asked: .92)"]
    lines += [
        f"  {name}  {row['kind']:<14}{row['fps']:>6.2f} fps  F1 {row['f1']:.3f}  n {row['n']}, {row['false']} false, "
        f"{row['missed']} missed"
        for name, one in report["pets"].items()
        for row in one["rows"]
    ]
    return "\n".join(lines)
