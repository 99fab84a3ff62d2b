"""Faint people: clips of a person who stays for 40 s, shrunk and darkened, and whether the loitering is raised.

The clips are those of UP-Fall in which a man stands or sits throughout. Each is shrunk to a half and to a third, which
makes him 70 to 150 pixels high, and darkened to half of its light. PROTOCOLS.md has the counts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks import clips, perturbed_detections
from benchmarks.clips import NAME
from benchmarks.datasets import frame_rate, videos
from benchmarks.perturbations import Perturbation
from detectors.behaviours.loitering import Loitering
from lanewatch.config.site import BehaviourConfig, Zone
from lanewatch.records import Image

RATE: Final = 5.0
"""Pictures a second."""
DWELL_S: Final = 30.0
SHRINKING: Final = (2, 3)
LIGHT: Final = 0.5
PATTERNS: Final = ("up-fall-*-cam*/A07_*", "up-fall-*-cam*/A08_*")
"""He stands, and he sits on a chair."""


def _faint(factor: int) -> Callable[[Image, int], Image]:
    def change(image: Image, _: int) -> Image:
        size = image.shape[1] // factor // 2 * 2, image.shape[0] // factor // 2 * 2
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.convertScaleAbs(small, alpha=LIGHT), np.uint8)

    return change


def robust(folder: Path, _: Sequence[Perturbation]) -> dict[str, Any]:
    """``faint_found`` of ``faint_total``."""
    found = [path for pattern in PATTERNS for path in videos(folder, pattern)]
    if not found:
        raise FileNotFoundError(f"{folder}: up-fall-*-cam* has no clips in which a person stays")
    rows = []
    for factor in SHRINKING:
        change = Perturbation(f"1/{factor} of the size, {LIGHT:.0%} of the light", _faint(factor))
        for path in found:
            records = perturbed_detections.detections(path, frame_rate(path), change, rate=RATE)
            corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
            zone = Zone(id="all", name=NAME, kind="watch", polygon=corners)
            site = clips.only_behaviour(
                clips.site(Path("clip.mp4"), RATE, zones=(zone,)),
                Loitering.kind,
                BehaviourConfig(thresholds={"dwell_s": DWELL_S}),
            )
            raised = [event.updated_at - records[0].captured_at for event in clips.opened_events(records, site)]
            rows.append({"clip": path.name, "shrunk": factor, "raised": [round(at, 1) for at in raised]})
    return {
        "faint_found": sum(bool(row["raised"]) for row in rows),
        "faint_total": len(rows),
        "faint": rows,
    }


def robust_table(report: dict[str, Any]) -> str:
    """The report as text."""
    lines = [
        f"faint_found {report['faint_found']} of {report['faint_total']} at a dwell of {DWELL_S:g} s (target: all)"
    ]
    lines += [
        f"  {row['clip']}, 1/{row['shrunk']} of the size: raised at "
        f"{', '.join(f'{at:g} s' for at in row['raised']) or 'no time'}"
        for row in report["faint"]
    ]
    return "\n".join(lines)
