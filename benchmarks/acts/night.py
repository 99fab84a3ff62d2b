"""Night from pixels: the same streets in visible and in infrared light, still by still.

Nobody has labelled these pictures, so nobody's count is the truth. Counted are the people of whom the bundled detector
is sure (score >= .5) and those whom it takes for possible (>= .3), in each kind of light, by way of the sampler and the
detect worker. The pairs are registered, so each kind of light serves as the reference of the other: of the people who
are sure in one picture, the share that the other one shows too, in the same place (IoU >= .5), as possible. Whoever
neither shows is in no figure, and the thermal camera of LLVIP sees more than a lane camera's near infrared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.acts import footage
from lanewatch.boxes import iou_matrix
from lanewatch.records import PERSON, Detections, Float32
from streams.sources.container import IMAGES

SURE, POSSIBLE = 0.5, 0.3
SAME = 0.5
STILLS_FPS = 0.5
"""Stills are shown two seconds apart, so that the sampler reads each one's colours."""
LIGHTS = ("visible", "infrared")


class Pair(NamedTuple):
    """One street in both lights."""

    visible: Detections
    infrared: Detections


def measure(folder: Path) -> dict[str, Any]:
    """The people found in each light, and which of them the other light shows too.

    Args:
        folder: of research data; in it any folders that hold ``visible`` and ``infrared`` stills of the same names.

    Raises:
        FileNotFoundError: there is none, or none of the names is in both.
    """
    pairs = [pair for place in _places(folder) for pair in _pairs(place)]
    if not pairs:
        raise FileNotFoundError(f"{folder}: no still is there in visible and in infrared light, under the same name")
    sure = {light: sum(len(_people(getattr(pair, light), SURE)) for pair in pairs) for light in LIGHTS}
    possible = {light: sum(len(_people(getattr(pair, light), POSSIBLE)) for pair in pairs) for light in LIGHTS}
    told = {light: sum(getattr(pair, light).profile == "infrared" for pair in pairs) for light in LIGHTS}
    return {
        "night_people_visible": sure["visible"],
        "night_people_infrared": sure["infrared"],
        "night": {
            "pairs": len(pairs),
            "possible": possible,
            "seen_in_visible_too": _share([_met(pair.infrared, pair.visible) for pair in pairs]),
            "seen_in_infrared_too": _share([_met(pair.visible, pair.infrared) for pair in pairs]),
            "taken_for_infrared": told,
        },
    }


def table(report: dict[str, Any]) -> str:
    """The figures for people."""
    night = report["night"]
    lines = [
        f"night, {night['pairs']} pairs of stills    people sure (>= {SURE})  possible (>= {POSSIBLE})  "
        "of those sure, the other light shows  told to be infrared",
    ]
    for light, other in (("visible", "infrared"), ("infrared", "visible")):
        met, of = night[f"seen_in_{other}_too"]
        share = f"{met} of {of} ({met / of:.2f})" if of else "none"
        lines.append(
            f"{light:<32}{report[f'night_people_{light}']:>20}{night['possible'][light]:>19}{share:>38}"
            f"{night['taken_for_infrared'][light]:>22}"
        )
    return "\n".join(lines)


def _places(folder: Path) -> list[Path]:
    places = sorted(
        path.parent for path in folder.rglob("visible") if path.is_dir() and (path.parent / "infrared").is_dir()
    )
    if not places:
        raise FileNotFoundError(f"{folder}: no folder in it holds visible and infrared stills (llvip-night)")
    return places


def _pairs(place: Path) -> Iterator[Pair]:
    """The stills of the same name, as the sampler shows them: in the order of their names."""
    names = {light: sorted(path.name for path in (place / light).iterdir() if _is_still(path)) for light in LIGHTS}
    shown = {light: [one for one in footage.seen(place / light, STILLS_FPS) if one.gap is None] for light in LIGHTS}
    for light in LIGHTS:
        if len(shown[light]) != len(names[light]):
            raise ValueError(f"{place / light}: {len(shown[light])} of {len(names[light])} stills could be read")
    named = {light: dict(zip(names[light], shown[light], strict=True)) for light in LIGHTS}
    for name in sorted(named["visible"].keys() & named["infrared"].keys()):
        yield Pair(named["visible"][name], named["infrared"][name])


def _is_still(path: Path) -> bool:
    return path.suffix.lower() in IMAGES


def _people(record: Detections, score: float) -> Float32:
    """Boxes of those people, (N, 4), in fractions of the picture."""
    rows = (record.labels == PERSON) & (record.scores >= score)
    boxes: Float32 = record.xyxy[rows] / np.array((record.width, record.height) * 2, np.float32)
    return boxes


def _met(reference: Detections, other: Detections) -> tuple[int, int]:
    """Of the people who are sure in one picture, how many the other shows; and how many they are."""
    sure, possible = _people(reference, SURE), _people(other, POSSIBLE)
    if not len(sure) or not len(possible):
        return 0, len(sure)
    return int((iou_matrix(sure, possible).max(axis=1) >= SAME).sum()), len(sure)


def _share(counts: Sequence[tuple[int, int]]) -> tuple[int, int]:
    return sum(met for met, _ in counts), sum(of for _, of in counts)
