"""Ground truth of loitering, intrusion and line crossing, from labelled boxes over random layouts of zones and lines.

It shares no code with the watch stage: geometry is shapely's, and a person is an id of the labels. PROTOCOLS.md has the
definitions.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import shapely
import shapely.affinity

from benchmarks.datasets import mot_labels
from lanewatch.records import Float64

BRIDGE_S = 1.0
LOITERING_S = 10.0
LOITERING_MARGIN_S = 1.0
BRIEF_S = 1.0
TURN_S = 2.0
BORDER = 0.02
"""Distance of zones from the picture's border, in fractions of the picture."""


class LabelledEvent(NamedTuple):
    """An event: ``at`` seconds from the first frame; ``ignored`` if an alarm for it is neither required nor false."""

    at: float
    person: int
    ignored: bool


class PersonPath(NamedTuple):
    """A labelled person: times (N,) in seconds, foot points (N, 2) and heights (N,) in pixels."""

    person: int
    times: Float64
    feet: Float64
    heights: Float64


class Layout(NamedTuple):
    """Two zones and a line, in pixels."""

    watch: shapely.Polygon
    closed: shapely.Polygon
    line: shapely.LineString


def person_paths(file: Path, fps: float) -> list[PersonPath]:
    """The labelled people of a MOTChallenge ``gt.txt``; frame 1 is at 0 s."""
    labels = mot_labels(file)
    paths = []
    for person in np.unique(labels.people):
        rows = np.flatnonzero(labels.people == person)
        rows = rows[np.argsort(labels.frames[rows])]
        left, top, width, height = labels.ltwh[rows].T
        feet = np.stack([left + width / 2, top + height], axis=1)
        paths.append(PersonPath(int(person), labels.frames[rows] / fps, feet, height))
    return paths


def stays(path: PersonPath, zone: shapely.Polygon) -> Iterator[tuple[float, float]]:
    """Begin and end of a person's stays in a zone."""
    times = path.times[shapely.contains_xy(zone, path.feet)]
    if not len(times):
        return
    for stay in np.split(times, np.flatnonzero(np.diff(times) > BRIDGE_S) + 1):
        yield float(stay[0]), float(stay[-1])


def loiterings(paths: list[PersonPath], zone: shapely.Polygon) -> list[LabelledEvent]:
    """Stays of 10 s, at the end of the tenth second."""
    return [
        LabelledEvent(begin + LOITERING_S, path.person, end - begin <= LOITERING_S + LOITERING_MARGIN_S)
        for path in paths
        for begin, end in stays(path, zone)
        if end - begin >= LOITERING_S - LOITERING_MARGIN_S
    ]


def intrusions(paths: list[PersonPath], zone: shapely.Polygon) -> list[LabelledEvent]:
    """Stays, at the first frame inside."""
    return [
        LabelledEvent(begin, path.person, end - begin < BRIEF_S) for path in paths for begin, end in stays(path, zone)
    ]


def crossings(paths: list[PersonPath], line: shapely.LineString) -> list[LabelledEvent]:
    """Crossings of a line, at the first frame beyond it."""
    found = []
    for path in paths:
        steps = shapely.linestrings(np.stack([path.feet[:-1], path.feet[1:]], axis=1))
        last = -np.inf
        for step in np.flatnonzero(shapely.intersects(steps, line)):
            at = float(path.times[step + 1])
            found.append(LabelledEvent(at, path.person, at - last < TURN_S))
            last = at
    return found


def layouts(paths: list[PersonPath], width: int, height: int, heights: float, seed: int, count: int) -> list[Layout]:
    """Random layouts: zones at places where people walk, and lines across their paths.

    A zone is a polygon of six to nine corners; its least width is ``heights`` body heights. A line is 2.5-4 body
    heights long and goes through a foot point in a random direction.
    """
    draw = random.Random(seed)
    feet = np.concatenate([path.feet for path in paths])
    body_height = np.polyfit(feet[:, 1], np.concatenate([path.heights for path in paths]), 1)
    frame = shapely.box(width * BORDER, height * BORDER, width * (1 - BORDER), height * (1 - BORDER))
    made = []
    for _ in range(count):
        watch, closed = (_zone(feet, body_height, frame, heights, draw) for _ in range(2))
        made.append(Layout(watch, closed, _line(feet, body_height, frame, draw)))
    return made


def _zone(
    feet: Float64, body_height: Float64, frame: shapely.Polygon, heights: float, draw: random.Random
) -> shapely.Polygon:
    for _ in range(10_000):
        x, y = feet[draw.randrange(len(feet))]
        shape = _random_polygon(draw)
        zone = shape
        for _ in range(5):  # moving it into the picture changes the body height at its middle
            size = heights * float(np.polyval(body_height, y)) / _least_width(shape)
            zone = shapely.affinity.scale(shape, size, size, origin=(0, 0))
            zone = _shifted_into(shapely.affinity.translate(zone, x, y), frame)
            x, y = zone.centroid.x, zone.centroid.y
        if frame.contains(zone) and _least_width(zone) >= heights * float(np.polyval(body_height, y)) * 0.99:
            return zone
    raise ValueError(f"no zone of {heights} body heights fits into the picture")


def _random_polygon(draw: random.Random) -> shapely.Polygon:
    """A convex polygon around the origin, of any size."""
    corners = draw.randint(6, 9)
    turn = draw.uniform(0, 2 * np.pi)
    angles = [turn + 2 * np.pi * (i + draw.uniform(-0.2, 0.2)) / corners for i in range(corners)]
    radii = [draw.uniform(0.9, 1.1) for _ in angles]
    points = [(r * np.cos(a), r * np.sin(a)) for r, a in zip(radii, angles, strict=True)]
    hull = shapely.Polygon(shapely.get_coordinates(shapely.Polygon(points).convex_hull))
    return shapely.affinity.translate(hull, -hull.centroid.x, -hull.centroid.y)


def _shifted_into(zone: shapely.Polygon, frame: shapely.Polygon) -> shapely.Polygon:
    """Moves a zone that overlaps the border inwards; otherwise all large zones would lie in the middle."""
    left, top, right, bottom = zone.bounds
    min_x, min_y, max_x, max_y = frame.bounds
    dx = max(min_x - left, 0) - max(right - max_x, 0)
    dy = max(min_y - top, 0) - max(bottom - max_y, 0)
    margin = 1e-6
    return shapely.affinity.translate(zone, dx + margin * np.sign(dx), dy + margin * np.sign(dy))


def _least_width(shape: shapely.Polygon) -> float:
    """A convex polygon's least width over all directions."""
    corners = np.array(shape.exterior.coords)[:-1]
    widths = []
    for begin, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = (end - begin) / np.linalg.norm(end - begin)
        widths.append(np.ptp(corners @ np.array([-along[1], along[0]])))
    return float(min(widths))


def _line(feet: Float64, body_height: Float64, frame: shapely.Polygon, draw: random.Random) -> shapely.LineString:
    while True:
        x, y = feet[draw.randrange(len(feet))]
        half = draw.uniform(2.5, 4) / 2 * float(np.polyval(body_height, y))
        angle = draw.uniform(0, np.pi)
        dx, dy = half * np.cos(angle), half * np.sin(angle)
        line = shapely.LineString([(x - dx, y - dy), (x + dx, y + dy)])
        if frame.contains(line):
            return line
