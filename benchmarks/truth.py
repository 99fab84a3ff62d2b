"""What happens in labelled footage: stays and crossings computed from ground-truth boxes, over seeded layouts.

Shares no code with what it judges: geometry is shapely's, and a person is an id of the labels. A foot point is the
middle of a box's lower edge, one a frame.

- A *stay* is the time that a foot is in a zone; absences of up to a second do not end it. It begins at the first frame
  inside: for those who are there when the clip begins that is its first frame, for those who come in over the
  picture's border it is the first frame in which they are labelled.
- *Loitering* happens where a stay has lasted 10 s; stays of 9-11 s are set aside: neither is their alarm asked for, nor
  is it false.
- *Intrusion* happens where a stay begins; stays of less than a second are set aside.
- A *crossing* happens where the way between two frames' foot points cuts the line. Crossings of the same line by the
  same person within two seconds of each other are one who stands on it or turns round: the first counts, the others
  are set aside.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely
import shapely.affinity
from numpy.typing import NDArray

BRIDGE_S = 1.0
LOITERING_S = 10.0
ASIDE_S = 1.0
BRIEF_S = 1.0
TURN_S = 2.0
BORDER = 0.02
"""Zones keep so far from the picture's border, in fractions of it."""


class Happening(NamedTuple):
    """Something that happens: ``at`` seconds from the first frame; ``aside`` if no alarm for it is right or wrong."""

    at: float
    person: int
    aside: bool


class Path2D(NamedTuple):
    """One labelled person: times (N,) in seconds, foot points (N, 2) and heights (N,) in pixels."""

    person: int
    times: NDArray[np.float64]
    feet: NDArray[np.float64]
    heights: NDArray[np.float64]


class Layout(NamedTuple):
    """A drawn site: two zones and a line, pixels."""

    watch: shapely.Polygon
    closed: shapely.Polygon
    line: shapely.LineString


def folder() -> Path:
    """Where the labelled footage lies, which is no part of the repository.

    Raises:
        SystemExit: nobody said where.
    """
    told = os.environ.get("LANEWATCH_DATA")
    if not told:
        raise SystemExit("LANEWATCH_DATA names no folder: it holds pets09-s2l1 with video.avi and gt.txt, and caviar")
    return Path(told)


def people(file: Path, fps: float) -> list[Path2D]:
    """The labelled people of a MOTChallenge ``gt.txt``; frame 1 is at 0 s."""
    rows = np.loadtxt(file, delimiter=",")
    result = []
    for person in np.unique(rows[:, 1]):
        own = rows[rows[:, 1] == person]
        own = own[np.argsort(own[:, 0])]
        feet = np.stack([own[:, 2] + own[:, 4] / 2, own[:, 3] + own[:, 5]], axis=1)
        result.append(Path2D(int(person), (own[:, 0] - 1) / fps, feet, own[:, 5]))
    return result


def stays(path: Path2D, zone: shapely.Polygon) -> Iterator[tuple[float, float]]:
    """When a person's stays in a zone begin and end."""
    times = path.times[shapely.contains_xy(zone, path.feet)]
    if not len(times):
        return
    for stay in np.split(times, np.flatnonzero(np.diff(times) > BRIDGE_S) + 1):
        yield float(stay[0]), float(stay[-1])


def loiterings(paths: list[Path2D], zone: shapely.Polygon) -> list[Happening]:
    """Who stays for 10 s; the instant is the tenth second's end."""
    found = []
    for path in paths:
        for begin, end in stays(path, zone):
            if end - begin >= LOITERING_S - ASIDE_S:
                aside = end - begin <= LOITERING_S + ASIDE_S
                found.append(Happening(begin + LOITERING_S, path.person, aside))
    return found


def intrusions(paths: list[Path2D], zone: shapely.Polygon) -> list[Happening]:
    """Who comes in; the instant is the first frame inside."""
    return [Happening(begin, path.person, end - begin < BRIEF_S) for path in paths for begin, end in stays(path, zone)]


def crossings(paths: list[Path2D], line: shapely.LineString) -> list[Happening]:
    """Who crosses a line; the instant is the first frame beyond it."""
    found = []
    for path in paths:
        ways = shapely.linestrings(np.stack([path.feet[:-1], path.feet[1:]], axis=1))
        last = -np.inf
        for step in np.flatnonzero(shapely.intersects(ways, line)):
            at = float(path.times[step + 1])
            found.append(Happening(at, path.person, at - last < TURN_S))
            last = at
    return found


def layouts(paths: list[Path2D], width: int, height: int, heights: float, seed: int, count: int) -> list[Layout]:
    """Seeded layouts: zones of so many body heights across around places where people walk, and lines on their ways.

    A zone is a polygon of six to nine corners whose narrowest width is as asked; a line is 2.5-4 body heights long,
    drawn through a foot point in any direction.

    Raises:
        ValueError: no zone of that size fits into the picture.
    """
    source = random.Random(seed)
    feet = np.concatenate([path.feet for path in paths])
    tall = np.polyfit(feet[:, 1], np.concatenate([path.heights for path in paths]), 1)
    frame = shapely.box(width * BORDER, height * BORDER, width * (1 - BORDER), height * (1 - BORDER))
    return [
        Layout(
            _zone(feet, tall, frame, heights, source),
            _zone(feet, tall, frame, heights, source),
            _line(feet, tall, frame, source),
        )
        for _ in range(count)
    ]


def _zone(
    feet: NDArray[np.float64],
    tall: NDArray[np.float64],
    frame: shapely.Polygon,
    heights: float,
    source: random.Random,
) -> shapely.Polygon:
    for _ in range(10_000):
        x, y = feet[source.randrange(len(feet))]
        shape = _shape(source)
        zone = shape
        for _ in range(5):  # moving it into the picture changes how tall people are in its middle
            size = heights * float(np.polyval(tall, y)) / _narrowest(shape)
            zone = shapely.affinity.scale(shape, size, size, origin=(0, 0))
            zone = _shifted_into(shapely.affinity.translate(zone, x, y), frame)
            x, y = zone.centroid.x, zone.centroid.y
        if frame.contains(zone) and _narrowest(zone) >= heights * float(np.polyval(tall, y)) * 0.99:
            return zone
    raise ValueError(f"no zone of {heights} body heights fits into the picture")


def _shape(source: random.Random) -> shapely.Polygon:
    """A convex polygon around the origin, of no particular size."""
    corners = source.randint(6, 9)
    turn = source.uniform(0, 2 * np.pi)
    angles = [turn + 2 * np.pi * (i + source.uniform(-0.2, 0.2)) / corners for i in range(corners)]
    radii = [source.uniform(0.9, 1.1) for _ in angles]
    points = [(r * np.cos(a), r * np.sin(a)) for r, a in zip(radii, angles, strict=True)]
    hull = shapely.Polygon(shapely.get_coordinates(shapely.Polygon(points).convex_hull))
    return shapely.affinity.translate(hull, -hull.centroid.x, -hull.centroid.y)


def _shifted_into(zone: shapely.Polygon, frame: shapely.Polygon) -> shapely.Polygon:
    """A zone that overlaps the border a little, moved inwards: otherwise large ones would all lie in the middle."""
    left, top, right, bottom = zone.bounds
    min_x, min_y, max_x, max_y = frame.bounds
    dx = max(min_x - left, 0) - max(right - max_x, 0)
    dy = max(min_y - top, 0) - max(bottom - max_y, 0)
    margin = 1e-6
    return shapely.affinity.translate(zone, dx + margin * np.sign(dx), dy + margin * np.sign(dy))


def _narrowest(shape: shapely.Polygon) -> float:
    """A convex polygon's least width over all directions."""
    corners = np.array(shape.exterior.coords)[:-1]
    widths = []
    for begin, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = (end - begin) / np.linalg.norm(end - begin)
        widths.append(np.ptp(corners @ np.array([-along[1], along[0]])))
    return float(min(widths))


def _line(
    feet: NDArray[np.float64], tall: NDArray[np.float64], frame: shapely.Polygon, source: random.Random
) -> shapely.LineString:
    while True:
        x, y = feet[source.randrange(len(feet))]
        half = source.uniform(2.5, 4) / 2 * float(np.polyval(tall, y))
        angle = source.uniform(0, np.pi)
        dx, dy = half * np.cos(angle), half * np.sin(angle)
        line = shapely.LineString([(x - dx, y - dy), (x + dx, y + dy)])
        if frame.contains(line):
            return line
