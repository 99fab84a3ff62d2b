"""Speed of the watch stage on one core: detections in, events out, with all behaviours and all kinds of zones.

The scenes are described in benchmarks/PROTOCOLS.md.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.clips import people_record
from detectors.watch_stage import WatchStage
from lanewatch.config.site import Site
from lanewatch.records import Detections, Event, Float64, SceneMeasurements

FPS = 5
SECONDS = 600
"""Of the dense scene; the sparse scene uses one minute of it in each ten."""
EMPTY = 9
"""Empty minutes after each minute with walkers."""
RUNS = 7
"""The median counts; one run before them warms up."""
WALKERS = 3
WIDTH, HEIGHT, BODY_HEIGHT = 960, 540, 80.0
NOON = 1_768_446_000.0
"""2026-01-15T12:00:00+09:00."""
WALKING_SPEED = 0.8 * BODY_HEIGHT
"""Pixels a second: 1.4 m/s."""
BOX_NOISE = 0.02
"""Standard deviation of a box's edges, body heights."""
DESCRIPTOR_SIZE = 144
STREET = SceneMeasurements(brightness=110.0, chroma=9.0, contrast=45.0, sharpness=400.0, familiar=0.9, warm=True)


def _zone(name: str, kind: str, left: float, right: float, **more: Any) -> dict[str, Any]:
    polygon = [[left, 0.3], [right, 0.3], [right, 0.95], [left, 0.95]]
    return {"id": name, "name": {"ko": name, "en": name}, "kind": kind, "polygon": polygon, **more}


def _line(name: str, x: float, **more: Any) -> dict[str, Any]:
    return {"id": name, "name": {"ko": name, "en": name}, "points": [[x, 0.2], [x, 0.95]], **more}


SITE: dict[str, Any] = {
    "name": {"ko": "속도", "en": "Speed"},
    "schedules": {"night": {"sun": "night"}},
    "cameras": [
        {
            "id": "street",
            "name": {"ko": "거리", "en": "Street"},
            "url": "none.mp4",
            "latitude": 36.78,
            "longitude": 126.45,
            "zones": [
                _zone("square", "watch", 0.3, 0.5),
                _zone("yard", "closed", 0.5, 0.65),
                _zone("field", "produce", 0.65, 0.8),
                _zone("lane", "lane", 0.05, 0.3, direction=[[0.1, 0.6], [0.25, 0.6]]),
                _zone("night-yard", "closed", 0.8, 0.95, schedule="night"),
            ],
            "lines": [_line("gate", 0.3), _line("wall", 0.8, kind="fence")],
        }
    ],
    "behaviours": {"loitering": {"rules": [{"schedule": "night", "thresholds": {"dwell_s": 20}}]}},
}


def measure(folder: Path) -> dict[str, Any]:
    """``frames_per_s`` with three tracks a frame, ``sparse_frames_per_s`` if one frame in ten has any."""
    site = Site.model_validate(SITE)
    dense = _dense_scene(SECONDS * FPS)
    events, rates = _run(site, dense)
    sparse_events, sparse_rates = _run(site, _sparse_scene(dense))
    opened = sum(event.state == "open" for event in events)
    closed = sum(event.state == "closed" for event in events)
    if not opened or not closed:
        raise RuntimeError(f"the scene opens {opened} events and closes {closed}, so it does not measure events")
    rate, sparse_rate = statistics.median(rates), statistics.median(sparse_rates)
    share = 1 / (1 + EMPTY)
    return {
        "frames_per_s": round(rate),
        "sparse_frames_per_s": round(sparse_rate),
        "speed": {
            "kinds": sorted({event.kind for event in events}),
            "opened": opened,
            "closed": closed,
            "sparse_opened": sum(event.state == "open" for event in sparse_events),
            "us_a_frame": round(1e6 / rate, 1),
            "us_an_empty_frame": round(1e6 * (1 / sparse_rate - share / rate) / (1 - share), 1),
            "rates": [round(rate) for rate in rates],
            "sparse_rates": [round(rate) for rate in sparse_rates],
        },
    }


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    speed = report["speed"]
    return "\n".join(
        (
            f"frames_per_s {report['frames_per_s']:,} with {WALKERS} walkers (target: 5,000), one core, all behaviours",
            f"sparse_frames_per_s {report['sparse_frames_per_s']:,} if one in ten has any (target: 40,000)",
            f"  {speed['us_a_frame']} us a frame, {speed['us_an_empty_frame']} us an empty one; "
            f"{speed['opened']} events opened, {speed['closed']} closed ({', '.join(speed['kinds'])})",
        )
    )


def _run(site: Site, records: Sequence[Detections]) -> tuple[list[Event], list[float]]:
    """The events of a run, and the records a second of each run after the first."""
    watcher = WatchStage(site, run="speed")
    events: list[Event] = []
    rates = []
    for _ in range(1 + RUNS):
        events = []
        state = watcher.start("street")
        began = time.process_time()
        for record in records:
            state, revisions = watcher.step(state, record)
            events += revisions
        rates.append(len(records) / (time.process_time() - began))
    return events, rates[1:]


def _dense_scene(ticks: int) -> list[Detections]:
    """A record for each tick, with ``WALKERS`` people."""
    draw = np.random.default_rng(5)
    paths = [_walks(draw, number, ticks) for number in range(WALKERS)]
    records = []
    for tick in range(ticks):
        feet = np.array([path[tick] for path, _ in paths])
        size = np.array((0.2 * BODY_HEIGHT, BODY_HEIGHT))
        boxes = np.column_stack((feet - size, feet + size * (1, 0)))
        appearance = np.zeros((WALKERS, DESCRIPTOR_SIZE), np.uint8)
        for row, (_, colours) in enumerate(paths):
            appearance[row, colours[tick]] = 180
        noisy = boxes + draw.normal(0, BOX_NOISE * BODY_HEIGHT, boxes.shape)
        records.append(_record(tick, noisy, draw.uniform(0.6, 0.9, WALKERS), appearance))
    return records


def _walks(draw: np.random.Generator, number: int, ticks: int) -> tuple[Float64, list[list[int]]]:
    """Positions and colours of one walker after the other, at each tick."""
    feet: list[Float64] = []
    colours: list[list[int]] = []
    while len(feet) < ticks:
        y = HEIGHT * (0.45 + 0.25 * number) + draw.uniform(-20, 20)
        x, stay_s = WIDTH * draw.uniform(0.2, 0.9), draw.choice([3.0, 15.0, 60.0])
        begin, end = (0.0, float(WIDTH)) if draw.random() < 0.5 else (float(WIDTH), 0.0)
        arriving_s, leaving_s = abs(x - begin) / WALKING_SPEED, abs(x - end) / WALKING_SPEED
        stops = (0, arriving_s, arriving_s + stay_s, arriving_s + stay_s + leaving_s)
        xs = np.interp(np.arange(0, stops[-1], 1 / FPS), stops, (begin, x, x, end))
        feet += list(np.column_stack((xs, np.full(len(xs), y))))
        colours += [draw.choice(DESCRIPTOR_SIZE, 4, replace=False).tolist()] * len(xs)
    return np.array(feet[:ticks]), colours[:ticks]


def _sparse_scene(dense: Sequence[Detections]) -> list[Detections]:
    """Each minute of the dense scene after ``EMPTY`` minutes without people."""
    minute = 60 * FPS
    no_people = (np.zeros((0, 4)), np.zeros(0), np.zeros((0, DESCRIPTOR_SIZE), np.uint8))
    records: list[Detections] = []
    for begin in range(0, len(dense), minute):
        start = len(records)
        records += [_record(start + tick, *no_people) for tick in range(EMPTY * minute)]
        for record in dense[begin : begin + minute]:
            at = NOON + len(records) / FPS
            records.append(msgspec.structs.replace(record, slot=round(at * 1000), captured_at=at))
    return records


def _record(tick: int, boxes: Float64, scores: Float64, appearance: np.ndarray) -> Detections:
    record = people_record("street", NOON + tick / FPS, (WIDTH, HEIGHT), boxes, scores, appearance)
    return msgspec.structs.replace(record, scene=STREET)
