"""Falls from pixels: those found in staged clips, and false alarms in clips of daily living and of streets.

The sets, their labels and the protocol are in benchmarks/PROTOCOLS.md.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks import clips, perturbed_detections
from benchmarks.datasets import CLOCK, KISA_WINDOW_S, frame_rate, street_videos, videos
from benchmarks.perturbations import NONE, Perturbation
from detectors.behaviours.fall.behaviour import Fall
from detectors.evaluation.matching import Instant, match
from lanewatch.records import Detections, Event

RATES: Final = ((15.0, 0), (7.5, 0), (7.5, 1), (5.0, 0))
"""Pictures a second, and the number of the first picture."""
PERTURBED_RATE: Final = 10.0
"""Pictures a second of the perturbed clips."""
KNOWN_FALLS_S: Final = {"fall-01-cam0": 3.0}
"""Instants of UR Fall's falls, read from the pictures by eye."""
ALERT: Final = 2
"""Severity from which a false alarm counts: 1 only asks to watch."""


ROOMS: Final = "gmdcsa24 and ur-fall"
"""One group: the share of UR Fall's single clip would be 0 or 1."""


class FallClip(NamedTuple):
    """A clip, its frame rate, and the instants of its falls in seconds (NaN if unknown)."""

    group: str
    path: Path
    fps: float
    falls: tuple[float, ...]
    right_half: bool = False

    @property
    def name(self) -> str:
        """The folder and the file."""
        return f"{self.group}/{self.path.parent.name}/{self.path.name}"


def staged_clips(folder: Path) -> list[FallClip]:
    """All clips of GMDCSA24, UR Fall and UP-Fall in the folder."""
    found = [*_gmdcsa_clips(folder), *_ur_clips(folder), *_up_clips(folder)]
    if not found:
        raise FileNotFoundError(f"{folder}: none of gmdcsa24-falls, ur-fall-* and up-fall-* has clips")
    return found


def _gmdcsa_clips(folder: Path) -> Iterator[FallClip]:
    for path in videos(folder, "gmdcsa24-falls/*/*/*"):
        labels = path.parent.with_suffix(".csv")
        times = _labelled_times(labels, path.name) if path.parent.name == "Fall" else ()
        yield FallClip(ROOMS, path, frame_rate(path), times)


def _labelled_times(labels: Path, name: str) -> tuple[float, ...]:
    with labels.open(encoding="utf-8", newline="") as stream:
        rows = [" ".join(cell for cell in row if cell) for row in csv.reader(stream) if row and row[0].strip() == name]
    times = tuple(float(begin) for row in rows for begin in re.findall(r"Fall[^\[\];]*\[\s*([\d.]+)\s*to", row))
    if not times:
        raise ValueError(f"{labels}: no row gives the time of a fall in {name}, such as `Falling (BW)[1.9 to 6]`")
    return times


def _ur_clips(folder: Path) -> Iterator[FallClip]:
    for path in videos(folder, "ur-fall-*/*"):
        times = (KNOWN_FALLS_S.get(path.stem, math.nan),) if path.stem.startswith("fall") else ()
        yield FallClip(ROOMS, path, frame_rate(path), times, right_half=True)


def _up_clips(folder: Path) -> Iterator[FallClip]:
    for labels in sorted(folder.glob("up-fall-*-cam*/labels.csv")):
        with labels.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.DictReader(stream))
        for path in videos(labels.parent, "*"):
            own = [row for row in rows if row["clip"] == path.name]
            if not own:
                raise ValueError(f"{labels}: no row for {path.name}")
            times = tuple(float(row["start_s"]) for row in own if row["event"] == "fall")
            yield FallClip(labels.parent.name, path, frame_rate(path), times)


class Alarm(NamedTuple):
    """A fall event: seconds from the clip's first picture at which it was raised, and its last severity."""

    at: float
    severity: int


def alarms(records: Iterable[Detections]) -> list[Alarm]:
    """The fall events of a clip."""
    start = datetime.fromisoformat(CLOCK).timestamp()
    site = clips.only_behaviour(clips.site(Path("clip.mp4"), clips.MAX_FPS), Fall.kind)
    opened: dict[str, float] = {}
    last: dict[str, Event] = {}
    for event in clips.revisions(records, site):
        opened.setdefault(event.id, event.updated_at - start)
        last[event.id] = event
    return [Alarm(at, last[name].severity) for name, at in opened.items()]


class Outcome(NamedTuple):
    """Numbers of falls that were found, of false alarms, and of those of ``ALERT`` or more."""

    found: int
    false: int
    false_alerts: int


def outcome(falls: Iterable[float], raised: Iterable[Alarm]) -> Outcome:
    """Compares alarms with falls; NaN is a fall at an unknown time."""
    falls, raised = list(falls), list(raised)
    known = [Instant("", at) for at in falls if not math.isnan(at)]
    before_s, after_s = KISA_WINDOW_S
    matched = match([Instant("", alarm.at) for alarm in raised], known, before_s=before_s, after_s=after_s)
    at_any_time = min(len(falls) - len(known), len(matched.false))
    false = [raised[index] for index in matched.false][at_any_time:]
    return Outcome(len(matched.pairs) + at_any_time, len(false), sum(each.severity >= ALERT for each in false))


def measure(folder: Path) -> dict[str, Any]:
    """``falls_found`` of ``falls_total``, ``falls_false``, ``falls_false_street``: the worst of ``RATES``."""
    staged = staged_clips(folder)
    runs = [_run(staged, NONE, rate, phase) for rate, phase in RATES]
    street = [FallClip("street", path, frame_rate(path), ()) for path in street_videos(folder)]
    street_runs = [_run(street, NONE, rate, phase) for rate, phase in RATES]
    return {
        "falls_total": runs[0]["total"],
        "falls_found": min(run["found"] for run in runs),
        "falls_false": max(run["false"] for run in runs),
        "falls_false_street": max(run["false"] for run in street_runs),
        "falls": {"runs": runs, "street": street_runs},
    }


def robust(folder: Path, changes: Sequence[Perturbation]) -> dict[str, Any]:
    """``falls_worst``: the least share found in a set; ``falls_false_worst``: most alerts without a fall."""
    staged = staged_clips(folder)
    runs = [_run(staged, NONE, rate, phase) for rate, phase in RATES] if NONE in changes else []
    runs += [_run(staged, change, PERTURBED_RATE, 0) for change in changes if change is not NONE]
    return {
        "falls_worst": min(group["share"] for run in runs for group in run["groups"].values() if group["total"]),
        "falls_false_worst": max(run["false_alerts"] for run in runs),
        "falls_robust": runs,
    }


def _run(staged: list[FallClip], change: Perturbation, rate: float, phase: int) -> dict[str, Any]:
    """One pass over the clips under one perturbation at one rate."""
    groups: dict[str, dict[str, Any]] = {}
    notes = []
    for clip in staged:
        detections = perturbed_detections.detections(
            clip.path, clip.fps, change, rate=rate, phase=phase, right_half=clip.right_half
        )
        falls = [at / change.speed for at in clip.falls]
        raised = alarms(detections)
        result = outcome(falls, raised)
        group = groups.setdefault(clip.group, {"total": 0, "found": 0, "false": 0, "false_alerts": 0})
        group["total"] += len(falls)
        for name, count in result._asdict().items():
            group[name] += count
        if result.found < len(falls) or result.false:
            times = ", ".join(f"{alarm.at:.1f} s (severity {alarm.severity})" for alarm in raised)
            notes.append(f"{clip.name}: {result.found} of {len(falls)} found; alarms at {times or 'no time'}")
    for group in groups.values():
        group["share"] = round(group["found"] / group["total"], 3) if group["total"] else None
    sums = {name: sum(group[name] for group in groups.values()) for name in ("total", "found", "false", "false_alerts")}
    return {"perturbation": change.name, "rate": rate, "phase": phase, **sums, "groups": groups, "notes": notes}


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    return "\n".join(
        [
            f"falls_found {report['falls_found']} of {report['falls_total']}, falls_false {report['falls_false']}, "
            f"falls_false_street {report['falls_false_street']} (worst of the rates; from pixels)",
            *(line for run in report["falls"]["runs"] for line in _lines(run)),
            *(line for run in report["falls"]["street"] for line in _lines(run)),
        ]
    )


def robust_table(report: dict[str, Any]) -> str:
    """The report as text."""
    return "\n".join(
        [
            f"falls_worst {report['falls_worst']:.3f} (target: .85), "
            f"falls_false_worst {report['falls_false_worst']} (target: 0)",
            *(line for run in report["falls_robust"] for line in _lines(run)),
        ]
    )


def _lines(run: dict[str, Any]) -> Iterator[str]:
    groups = ", ".join(f"{name} {group['found']}/{group['total']}" for name, group in run["groups"].items())
    yield (
        f"  {run['perturbation']}, {run['rate']:g} a second from picture {run['phase'] + 1}: {groups}; "
        f"false {run['false']}, alerts {run['false_alerts']}"
    )
    yield from (f"    {note}" for note in run["notes"])
