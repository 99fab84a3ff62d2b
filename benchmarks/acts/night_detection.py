"""People found at night, from pixels: the same streets in visible and in infrared light, still by still.

These pictures have no labels, so no count is the truth. Protocol: benchmarks/PROTOCOLS.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import clips
from lanewatch.boxes import iou_matrix
from lanewatch.records import PERSON, Detections, Float32
from streams.sources.container import IMAGE_SUFFIXES

CERTAIN, POSSIBLE = 0.5, 0.3
SAME_IOU = 0.5
STILLS_FPS = 0.5
"""Stills are shown two seconds apart, so that the sampler measures each one's colours."""
LIGHTS = ("visible", "infrared")


def measure(folder: Path) -> dict[str, Any]:
    """The people found in each light, and those of them that the other light shows, too.

    Any folders below ``folder`` count that hold ``visible`` and ``infrared`` stills of the same names.
    """
    pairs = [pair for place in _places(folder) for pair in _pairs(place)]
    if not pairs:
        raise FileNotFoundError(f"{folder}: no still exists in visible and in infrared light under the same name")

    def by_light(count: Callable[[Detections], int]) -> dict[str, int]:
        return {light: sum(count(pair[light]) for pair in pairs) for light in LIGHTS}

    certain = by_light(lambda record: len(_people(record, CERTAIN)))
    return {
        "night_people_visible": certain["visible"],
        "night_people_infrared": certain["infrared"],
        "night": {
            "pairs": len(pairs),
            "possible": by_light(lambda record: len(_people(record, POSSIBLE))),
            "seen_in_visible_too": (
                sum(_matched(pair["infrared"], pair["visible"]) for pair in pairs),
                certain["infrared"],
            ),
            "seen_in_infrared_too": (
                sum(_matched(pair["visible"], pair["infrared"]) for pair in pairs),
                certain["visible"],
            ),
            "taken_for_infrared": by_light(lambda record: record.profile == "infrared"),
        },
    }


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    night = report["night"]
    lines = [
        f"night, {night['pairs']} pairs of stills    certain people (>= {CERTAIN})  possible (>= {POSSIBLE})  "
        "certain ones that the other light shows  classified as infrared"
    ]
    for light, other in (("visible", "infrared"), ("infrared", "visible")):
        matched, total = night[f"seen_in_{other}_too"]
        share = f"{matched} of {total} ({matched / total:.2f})" if total else "none"
        lines.append(
            f"{light:<32}{report[f'night_people_{light}']:>20}{night['possible'][light]:>19}{share:>41}"
            f"{night['taken_for_infrared'][light]:>24}"
        )
    return "\n".join(lines)


def _places(folder: Path) -> list[Path]:
    visible = (path for path in folder.rglob("visible") if path.is_dir())
    places = sorted(path.parent for path in visible if (path.parent / "infrared").is_dir())
    if not places:
        raise FileNotFoundError(f"{folder}: no folder in it holds visible and infrared stills (llvip-night)")
    return places


def _pairs(place: Path) -> Iterator[dict[str, Detections]]:
    """The records of one street in each light."""
    stills = {light: _stills(place / light) for light in LIGHTS}
    for name in sorted(stills["visible"].keys() & stills["infrared"].keys()):
        yield {light: stills[light][name] for light in LIGHTS}


def _stills(folder: Path) -> dict[str, Detections]:
    """The record of each still; the sampler shows them in the order of their names."""
    names = sorted(path.name for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    records = [record for record in clips.detections(folder, STILLS_FPS) if record.gap is None]
    if len(records) != len(names):
        raise ValueError(f"{folder}: {len(records)} of {len(names)} stills could be read")
    return dict(zip(names, records, strict=True))


def _people(record: Detections, score: float) -> Float32:
    """(N, 4) boxes of people, in fractions of the picture."""
    rows = (record.labels == PERSON) & (record.scores >= score)
    boxes: Float32 = record.xyxy[rows] / np.array((record.width, record.height) * 2, np.float32)
    return boxes


def _matched(reference: Detections, other: Detections) -> int:
    """The number of people who are certain in one picture and possible in the other."""
    certain, possible = _people(reference, CERTAIN), _people(other, POSSIBLE)
    if not len(certain) or not len(possible):
        return 0
    return int((iou_matrix(certain, possible).max(axis=1) >= SAME_IOU).sum())
