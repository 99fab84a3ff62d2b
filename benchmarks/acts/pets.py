"""Loitering, intrusion and crossing on pets09-s2l1, by the protocol of ``benchmarks.events``: by day, from pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks import events, truth

SET = "pets09-s2l1"


def measure(folder: Path) -> dict[str, Any]:
    """``pets_f1``: the worst event F1 of the three kinds at the three rates; all of them in ``pets``."""
    paths = truth.people(folder / SET / "gt.txt", events.FPS)
    report = events.measure(events.footage(folder), paths, events.SEED)
    return {"pets_f1": min(row["f1"] for row in report["rows"]), "pets": report}


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [f"pets_f1 {report['pets_f1']:.3f} (worst of the kinds and rates; daylight, from pixels, asked: .92)"]
    lines += [
        f"  {row['kind']:<14}{row['fps']:>6.2f} fps  F1 {row['f1']:.3f}  n {row['n']}, {row['false']} false, "
        f"{row['missed']} missed"
        for row in report["pets"]["rows"]
    ]
    return "\n".join(lines)
