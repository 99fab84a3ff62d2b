"""Falls from pixels: those found in the clips with falls, and false alarms in clips without.

The sets, their labels and the protocol are in benchmarks/PROTOCOLS.md.
"""

from __future__ import annotations

import csv
import math
import re
import tempfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import cv2

from benchmarks import clips
from benchmarks.datasets import CLOCK, KISA_WINDOW_S, frame_rate, images, street_videos, videos
from detectors.behaviours.fall.behaviour import Fall
from detectors.evaluation.matching import Instant, match
from lanewatch.records import Detections

FULL_FPS: Final = 15.0
COUNTED: Final = ((1, 0), (2, 0), (2, 1))
"""Every so many-th of the 15 pictures a second, from which one on."""
RATES: Final = (*COUNTED, (3, 0))
KNOWN_FALLS_S: Final = {"fall-01-cam0": 3.0}
"""Instants of UR Fall's falls, read from the pictures by eye."""


class FallClip(NamedTuple):
    """A clip, its frame rate, and the instants of its falls in seconds (NaN if unknown)."""

    name: str
    path: Path
    fps: float
    falls: tuple[float, ...]
    right_half: bool = False


def labelled_clips(folder: Path) -> list[FallClip]:
    """All clips of both sets in the folder."""
    found = []
    for path in videos(folder, "gmdcsa24-falls/*/*/*"):
        times = _labelled_times(path.parent.with_suffix(".csv"), path.name) if path.parent.name == "Fall" else ()
        found.append(FallClip("/".join(path.parts[-3:]), path, frame_rate(path), times))
    for path in videos(folder, "ur-fall-*/*"):
        falls = (KNOWN_FALLS_S.get(path.stem, math.nan),) if path.stem.startswith("fall") else ()
        found.append(FallClip("/".join(path.parts[-2:]), path, frame_rate(path), falls, right_half=True))
    if not found:
        raise FileNotFoundError(f"{folder}: neither gmdcsa24-falls nor ur-fall-* has clips")
    return found


def _labelled_times(labels: Path, name: str) -> tuple[float, ...]:
    with labels.open(encoding="utf-8", newline="") as stream:
        rows = [" ".join(cell for cell in row if cell) for row in csv.reader(stream) if row and row[0].strip() == name]
    times = tuple(float(begin) for row in rows for begin in re.findall(r"Falling[^\[\];]*\[\s*([\d.]+)\s*to", row))
    if not times:
        raise ValueError(f"{labels}: no row gives the time of a fall in {name}, such as `Falling (BW)[1.9 to 6]`")
    return times


def alarms(records: Iterable[Detections]) -> list[float]:
    """Times of fall alarms, seconds from the clip's first picture."""
    start = datetime.fromisoformat(CLOCK).timestamp()
    events = clips.opened_events(records, clips.site(Path("clip.mp4"), FULL_FPS))
    return [event.updated_at - start for event in events if event.kind == Fall.kind]


def alarms_by_rate(path: Path, fps: float) -> list[list[float]]:
    """The alarms on a clip at each of ``RATES``."""
    stride = max(round(fps / FULL_FPS), 1)
    raised = []
    for every, phase in RATES:
        if fps < FULL_FPS / 2:  # PETS: its own rate stands for 15 and 7.5 pictures a second, half of it for 5
            records = clips.detections(path, fps, every=1 if (every, phase) in COUNTED else 2)
        else:
            records = clips.detections(path, fps, every=stride * every, phase=stride * phase)
        raised.append(alarms(records))
    return raised


def _right_half(path: Path, folder: Path) -> Path:
    """The right half of each picture, as JPEG files of the best quality."""
    for number, image in enumerate(images(path)):
        half = image[:, image.shape[1] // 2 :]
        cv2.imwrite(str(folder / f"{number:05d}.jpg"), half, (cv2.IMWRITE_JPEG_QUALITY, 100))
    return folder


def found_and_false(falls: Iterable[float], raised: Iterable[float]) -> tuple[int, int]:
    """The numbers of found falls and of false alarms; NaN is a fall at an unknown time."""
    falls = list(falls)
    known = [Instant("", at) for at in falls if not math.isnan(at)]
    before_s, after_s = KISA_WINDOW_S
    matched = match([Instant("", at) for at in raised], known, before_s=before_s, after_s=after_s)
    at_any_time = min(len(falls) - len(known), len(matched.false))
    return len(matched.pairs) + at_any_time, len(matched.false) - at_any_time


def measure(folder: Path) -> dict[str, Any]:
    """``falls_found`` of ``falls_total``, ``falls_false``, ``falls_false_street``: the worst of the counted rates."""
    staged = labelled_clips(folder)
    rows: list[dict[str, Any]] = []
    for clip in staged:
        with tempfile.TemporaryDirectory() as scratch:
            path = _right_half(clip.path, Path(scratch)) if clip.right_half else clip.path
            raised = alarms_by_rate(path, clip.fps)
        outcome = [found_and_false(clip.falls, times) for times in raised]
        rows.append({"clip": clip.name, "falls": len(clip.falls), "alarms": raised, "outcome": outcome})
    by_rate = zip(*(row["outcome"] for row in rows), strict=True)
    totals = [[sum(counts) for counts in zip(*outcomes, strict=True)] for outcomes in by_rate]
    found, false = ([total[index] for total in totals] for index in (0, 1))
    street = {str(path.relative_to(folder)): alarms_by_rate(path, frame_rate(path)) for path in street_videos(folder)}
    street_false = [sum(map(len, of_rate)) for of_rate in zip(*street.values(), strict=True)]
    counted = slice(len(COUNTED))
    return {
        "falls_total": sum(len(clip.falls) for clip in staged),
        "falls_found": min(found[counted]),
        "falls_false": max(false[counted]),
        "falls_false_street": max(street_false[counted]),
        "falls": {"found": found, "false": false, "street": street_false, "clips": rows, "street_alarms": street},
    }


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    part = report["falls"]
    total = report["falls_total"]
    names = [f"{FULL_FPS / every:g} fps from picture {phase + 1}" for every, phase in RATES]
    lines = [
        f"falls_found {report['falls_found']} of {total}, falls_false {report['falls_false']}, falls_false_street "
        f"{report['falls_false_street']} (worst at 15 and 7.5 fps; from pixels; target: all, 0, <= 2)"
    ]
    for name, found, false, street in zip(names, part["found"], part["false"], part["street"], strict=True):
        lines.append(f"  {name}: found {found} of {total}, false {false}, in the street {street}")
    for row in part["clips"]:
        times = " | ".join(", ".join(f"{at:.1f}" for at in run) or "-" for run in row["alarms"])
        lines.append(f"  {row['clip']:<28} {row['falls']} fall{'' if row['falls'] == 1 else 's'}; alarms at {times} s")
    return "\n".join(lines)
