"""Abandoned bags, from pixels: ABODA, and PETS, where no bag is left. Protocol: benchmarks/PROTOCOLS.md."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import clips
from benchmarks.datasets import clips_in, frame_rate
from detectors import notebook
from lanewatch.config.site import SamplingRate
from lanewatch.records import Detections

KIND = "abandoned_object"
FPS = 29.97
OWNER_AWAY_S = {"aboda-video4/video4": (680 / FPS, 850 / FPS)}
"""The time in which the owner is out of view, read from the pictures by eye."""
OPERATION = SamplingRate(active=5.0, idle=1.0)


def measure(folder: Path) -> dict[str, Any]:
    """``abandoned_found`` of ABODA's clips, ``abandoned_false`` there and ``abandoned_false_pets``: the worse."""
    aboda, pets = (
        [_row(folder, clip, gated) for clip in clips_in(folder, f"{name}-*") for gated in (True, False)]
        for name in ("aboda", "pets09")
    )
    found: dict[str, int] = {}
    for row in aboda:
        found[row["clip"]] = min(row["found"], found.get(row["clip"], 1))
    return {
        "abandoned_found": sum(found.values()),
        "abandoned_total": len(found),
        "abandoned_false": _worse(aboda, "false"),
        "abandoned_false_pets": _worse(pets, "found", "false"),
        "abandoned": {"aboda": aboda, "pets": pets},
    }


def _worse(rows: list[dict[str, Any]], *counts: str) -> int:
    """The larger sum over the clips: with the gate, or with every picture."""
    gate, every = ([row for row in rows if row["gated"] is gated] for gated in (True, False))
    return max(sum(int(row[count]) for row in of_way for count in counts) for of_way in (gate, every))


def _row(folder: Path, clip: Path, gated: bool) -> dict[str, Any]:
    fps = frame_rate(clip)
    name = str(clip.relative_to(folder).with_suffix(""))
    times = alarms(_in_operation(clip, fps) if gated else clips.detections(clip, fps))
    away = OWNER_AWAY_S.get(name)
    found = bool(times) and (away is None or away[0] <= times[0] <= away[1])
    return {
        "clip": name,
        "gated": gated,
        "checked": away is not None,
        "alarms": [round(at, 2) for at in times],
        "found": int(found),
        "false": len(times) - found,
    }


@cache
def _in_operation(clip: Path, fps: float) -> list[Detections]:
    """A clip's records at the rate of operation: five a second during motion, else one."""
    return notebook.detect(clips.site(clip, fps, rate=OPERATION))


def alarms(records: Sequence[Detections]) -> list[float]:
    """Start times of abandoned object events, seconds from the first record."""
    events = clips.opened_events(records, clips.site(Path("clip.mp4"), FPS))
    return [event.started_at - records[0].captured_at for event in events if event.kind == KIND]


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    lines = [
        f"abandoned_found {report['abandoned_found']} of {report['abandoned_total']}, abandoned_false "
        f"{report['abandoned_false']}, abandoned_false_pets {report['abandoned_false_pets']} (by day, from pixels; the "
        "worse of 5 fps with the gate and every picture; target: all, 0, <= 4)"
    ]
    for row in report["abandoned"]["aboda"] + report["abandoned"]["pets"]:
        rate = "5 fps, gate" if row["gated"] else "every picture"
        times = ", ".join(f"{at:.1f} s" for at in row["alarms"]) or "none"
        checked = "" if row["checked"] or not row["alarms"] else " (time not checked)"
        lines.append(f"  {row['clip']:<24}{rate:<15}alarms: {times}{checked}")
    return "\n".join(lines)
