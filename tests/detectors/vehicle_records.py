"""Vehicles and people by a field: the trial's camera with a lane below and a produce zone above it.

The picture is 1000 x 800, people are 60 pixels high, a truck's box is 160 x 90 (183 from corner to corner). The field
is the upper part (200-800, 100-400), the lane its lower part (0-1000, 550-750); between them lies the verge.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from lanewatch.config.site import Site
from lanewatch.records import LABELS, Detections
from tests.detectors.walker_records import MIDNIGHT, Path, along, make_record, site

SIZES = {"person": (24, 60), "truck": (160, 90), "car": (130, 70), "motorcycle": (60, 55), "dog": (40, 30)}

FIELD: dict[str, Any] = {
    "id": "peppers",
    "name": {"ko": "고추밭", "en": "pepper field"},
    "kind": "produce",
    "polygon": [[0.2, 0.125], [0.8, 0.125], [0.8, 0.5], [0.2, 0.5]],
}
LANE: dict[str, Any] = {
    "id": "lane",
    "name": {"ko": "길", "en": "lane"},
    "kind": "lane",
    "polygon": [[0.0, 0.6875], [1.0, 0.6875], [1.0, 0.9375], [0.0, 0.9375]],
}


class Actor(NamedTuple):
    """A person or vehicle that moves along a path. Its label may change over time."""

    path: Path
    label: str | Callable[[float], str]
    score: float = 0.7


def lane_site(*zones: dict[str, Any], **changes: Any) -> Site:
    """The trial's site with the field and the lane, or with other zones."""
    return site(camera={"zones": list(zones or (FIELD, LANE)), "lines": []}, behaviours={}, **changes)


def seen(
    actors: Sequence[Actor],
    *,
    fps: float = 2.0,
    seconds: float,
    start: float = MIDNIGHT,
    chance: np.random.Generator | None = None,
    missed: float = 0.0,
) -> list[Detections]:
    """A record for each instant; with ``chance`` boxes shake by 3 % of their height and some are missed."""
    records = []
    for tick in range(round(seconds * fps)):
        time = tick / fps
        boxes, labels, looks, scores = [], [], [], []
        for number, actor in enumerate(actors):
            spot = actor.path(time)
            if spot is None or (chance is not None and chance.random() < missed):
                continue
            label = actor.label if isinstance(actor.label, str) else actor.label(time)
            width, height = SIZES[label]
            x, y = spot if chance is None else (value + chance.normal(0, 0.03 * height) for value in spot)
            boxes.append((x - width / 2, y - height, x + width / 2, y))
            labels.append(LABELS.index(label))
            scores.append(actor.score)
            look = np.zeros(144, np.uint8)
            look[[number * 7 % 144, (number * 7 + 3) % 144]] = 180
            looks.append(look)
        look_rows = np.array(looks, np.uint8).reshape(-1, 144)
        records.append(make_record(start + time, xyxy=boxes, scores=scores, labels=labels, appearance=look_rows))
    return records


def stop(begin: float, end: float, x: float = 500, y: float = 520, label: str = "truck") -> Actor:
    """A vehicle that comes from the left, stands at (x, y) from ``begin`` to ``end``, and drives on to the right."""
    return Actor(along((begin - 6, 40, 640), (begin, x, y), (end, x, y), (end + 6, 960, 640)), label)


def trip(begin: float, inside_s: float, x: float = 480) -> Actor:
    """A person who leaves the vehicle, walks up into the field, stays, and returns; 90 pixels a second."""
    way_s = 200 / 60
    return Actor(
        along(
            (begin, x, 500),
            (begin + way_s, x, 300),
            (begin + way_s + inside_s, x + 40, 300),
            (begin + 2 * way_s + inside_s, x, 500),
        ),
        "person",
    )
