"""The demo's events on perturbed copies of its clip. Nothing was tuned on the copies.

Events are compared with the demo's labels in KISA's window. At another speed the labels move; the dwell does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from msgspec.structs import replace

from benchmarks import perturbed_detections
from benchmarks.perturbations import Perturbation
from detectors import pipeline
from detectors.evaluation.alarms import alarm_instants
from detectors.evaluation.matching import Instant, match
from detectors.evaluation.truth_file import truths
from lanewatch import demo
from lanewatch.config import loader
from lanewatch.config.site import Camera, Site
from streams.sources.url import SourceUrl

FPS: Final = 7.0
DWELL_S: Final = 10.0
"""Of the demo's loitering: it does not get shorter when people move faster."""


def robust(_: Path, changes: Sequence[Perturbation]) -> dict[str, Any]:
    """``demo_found_worst``, ``demo_false_worst`` over all perturbations."""
    site = loader.load(demo.SITE)
    rows = {perturbation.name: _measure(perturbation, site) for perturbation in changes}
    return {
        "demo": rows,
        "demo_found_worst": min(row["found"] for row in rows.values()),
        "demo_false_worst": max(len(row["false"]) for row in rows.values()),
    }


def robust_table(report: dict[str, Any]) -> str:
    """The report as text."""
    total = next(iter(report["demo"].values()))["total"]
    lines = [
        f"demo_found_worst {report['demo_found_worst']} of {total} (target: >= 7), "
        f"demo_false_worst {report['demo_false_worst']} (target: 0)"
    ]
    for name, row in report["demo"].items():
        lines.append(f"  {name:<18}{row['found']:>3}  false: {', '.join(row['false']) or 'none'}")
    return "\n".join(lines)


def _measure(perturbation: Perturbation, site: Site) -> dict[str, Any]:
    start = SourceUrl.parse(site.cameras[0].url).clock or 0.0
    records = perturbed_detections.detections(demo.CLIP, FPS, perturbation, rate=FPS)
    camera = site.cameras[0].id
    records = [replace(record, camera=camera) for record in perturbed_detections.retimed(records, start=start)]
    alarms = alarm_instants(list(pipeline.rescore(records, moved(site, perturbation))))
    labels = [_moved_in_time(label, start, perturbation.speed) for label in truths(demo.TRUTH)]
    result = match(alarms, labels)
    false = [alarms[index] for index in result.false]
    return {
        "found": len(result.pairs),
        "total": len(labels),
        "false": [f"{alarm.key[1]} at {alarm.at - start:.1f} s" for alarm in false],  # type: ignore[index]
    }


def moved(site: Site, perturbation: Perturbation) -> Site:
    """The site with its zones and lines where the perturbed pictures show them."""
    camera = site.cameras[0]
    zones = [
        zone.model_copy(update={"polygon": tuple(perturbation.move(point) for point in zone.polygon)})
        for zone in camera.zones
    ]
    lines = []
    for line in camera.lines:
        points = tuple(perturbation.move(point) for point in line.points)
        # In a mirror, left and right change places. They are named along the line, so its ends change places too.
        lines.append(line.model_copy(update={"points": points[::-1] if perturbation.mirrored else points}))
    changes = {"zones": tuple(zones), "lines": tuple(lines)}
    changed = Camera.model_validate(camera.model_copy(update=changes).model_dump())
    return site.model_copy(update={"cameras": (changed,)})


def _moved_in_time(label: Instant, start: float, speed: float) -> Instant:
    fixed_s = DWELL_S if label.key[1] == "loitering" else 0.0  # type: ignore[index]
    return Instant(label.key, start + (label.at - start - fixed_s) / speed + fixed_s)
