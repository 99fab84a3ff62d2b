"""Bags left behind, from pixels: the clips of ABODA, and PETS, where nobody leaves anything.

Each clip is played through sampler, detect worker and watcher as it would be in operation, at five frames a second
behind the motion gate, and with every picture looked at; the worse of the two counts. All thresholds are the usual
ones. An abandoned object is *found* where the first alarm of a clip comes within the time in which its owner is away,
as far as that is written down (``AWAY``); of a clip for which nobody has written it down, an alarm counts as finding
and is named as not checked. All further alarms of that clip are false, and so is every one on PETS.

    LANEWATCH_DATA=... python -m benchmarks.behaviours --only abandoned
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.acts import footage
from detectors import pipeline
from detectors.watch_stage import WatchStage
from lanewatch.config.site import SamplingRate
from lanewatch.records import Detections

KIND = "abandoned_object"
FPS = 29.97
AWAY = {"aboda-video4/video4": (680 / FPS, 850 / FPS)}
"""Seconds between which the owner is out of view, read by eye from the pictures; truth, which no part of the program
knows."""
OPERATION = SamplingRate(active=5.0, idle=1.0)


def measure(folder: Path) -> dict[str, Any]:
    """``abandoned_found`` of the clips of ABODA, ``abandoned_false`` there and ``abandoned_false_pets``: the worse."""
    clips, quiet = footage.videos(folder, "aboda-*/*"), footage.videos(folder, "pets09-*/*")
    for found_there, name in ((clips, "aboda-*"), (quiet, "pets09-*")):
        if not found_there:
            raise FileNotFoundError(f"{folder}/{name}: no clips there")
    rows = [_row(folder, clip, gated) for clip in clips for gated in (True, False)]
    pets = [_row(folder, clip, gated) for clip in quiet for gated in (True, False)]
    found = [min(row["found"] for row in rows if row["clip"] == clip) for clip in {row["clip"] for row in rows}]
    return {
        "abandoned_found": sum(found),
        "abandoned_total": len(clips),
        "abandoned_false": max(sum(row["false"] for row in rows if row["gated"] is gated) for gated in (True, False)),
        "abandoned_false_pets": max(
            sum(len(row["alarms"]) for row in pets if row["gated"] is gated) for gated in (True, False)
        ),
        "abandoned": {"aboda": rows, "pets": pets},
    }


def _row(folder: Path, clip: Path, gated: bool) -> dict[str, Any]:
    fps = footage.rate(clip)
    name = str(clip.relative_to(folder).with_suffix(""))
    records = _gated(clip, fps) if gated else footage.seen(clip, fps)
    at = alarms(records)
    away = AWAY.get(name)
    found = bool(at) and (away is None or away[0] <= at[0] <= away[1])
    return {
        "clip": name,
        "gated": gated,
        "checked": away is not None,
        "alarms": [round(one, 2) for one in at],
        "found": int(found),
        "false": len(at) - found,
    }


@cache
def _gated(clip: Path, fps: float) -> list[Detections]:
    """What is seen of a clip in operation: five times a second while something moves, else once."""
    site = footage.site(clip, fps)
    camera = site.cameras[0].model_copy(update={"rate": OPERATION})
    kept: list[Detections] = []
    runner = pipeline.runner(
        site.model_copy(update={"cameras": (camera,)}), pipeline.EventCollector(), run="benchmark", keep=kept.append
    )
    runner.run()
    for error in runner.errors.values():
        raise error
    return kept


def alarms(records: Iterable[Detections]) -> list[float]:
    """When abandoned objects are raised, seconds from the first record."""
    watcher = WatchStage(footage.site(Path("clip.mp4"), FPS), run="benchmark")
    state = watcher.start(footage.CAMERA)
    begun: float | None = None
    found: list[float] = []
    for record in records:
        begun = record.captured_at if begun is None else begun
        state, revised = watcher.step(state, record)
        found += [one.started_at - begun for one in revised if one.kind == KIND and one.state == "open"]
    return found


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"abandoned_found {report['abandoned_found']} of {report['abandoned_total']}, abandoned_false "
        f"{report['abandoned_false']}, abandoned_false_pets {report['abandoned_false_pets']} (by day, from pixels; the "
        "worse of 5 fps behind the gate and every picture; asked: all, 0, <= 4)"
    ]
    for row in report["abandoned"]["aboda"] + report["abandoned"]["pets"]:
        rate = "5 fps, gate" if row["gated"] else "every picture"
        at = ", ".join(f"{one:.1f} s" for one in row["alarms"]) or "none"
        checked = "" if row["checked"] or not row["alarms"] else " (time not checked)"
        lines.append(f"  {row['clip']:<24}{rate:<15}alarms: {at}{checked}")
    return "\n".join(lines)
