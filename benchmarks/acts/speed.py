"""How fast the fold is on one core: detections in, events out, every behaviour on, at a camera that has every place.

Three walkers at a time at 5 frames a second, boxes shaken as a detector shakes them: they come in over the border, walk
into a zone, stay there for some seconds or a minute, and go, so that events open, escalate and close. In the sparse
scene nine of ten minutes show an empty street, which a camera's pictures mostly do. Times are the process's own on the
processor, all of its threads together: what one core does, whatever else the machine is at.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from detectors.watch_stage import WatchStage
from lanewatch.config.site import Site
from lanewatch.records import Detections, Event, Float64, SceneMeasurements

FPS = 5
SECONDS = 600
"""Of the dense scene; the sparse one takes a minute of it every ten."""
EMPTY = 9
"""Empty minutes after each with walkers."""
RUNS = 7
"""Of which the median is given; one before them warms up."""
WALKERS = 3
WIDTH, HEIGHT, TALL = 960, 540, 80.0
NOON = 1_768_446_000.0
"""2026-01-15T12:00:00+09:00."""
WALK = 0.8 * TALL
"""Pixels a second: 1.4 m/s."""
SHAKE = 0.02
"""Standard deviation of a box's edges, body heights."""
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
    "behaviours": {
        "loitering": {"rules": [{"schedule": "night", "thresholds": {"dwell_s": 20}}]},
    },
}


def measure(folder: Path) -> dict[str, Any]:
    """``frames_per_s`` with three tracks a frame, ``sparse_frames_per_s`` where one in ten has any."""
    site = Site.model_validate(SITE)
    dense = _scene(range(SECONDS * FPS))
    sparse = _sparse(dense)
    found, rates = _rates(site, dense)
    sparse_found, sparse_rates = _rates(site, sparse)
    opened = sum(event.state == "open" for event in found)
    closed = sum(event.state == "closed" for event in found)
    if not opened or not closed:
        raise RuntimeError(f"the scene raises {opened} events and closes {closed}: it says nothing of their speed")
    rate, sparse_rate = statistics.median(rates), statistics.median(sparse_rates)
    share = 1 / (1 + EMPTY)
    return {
        "frames_per_s": round(rate),
        "sparse_frames_per_s": round(sparse_rate),
        "speed": {
            "kinds": sorted({event.kind for event in found}),
            "opened": opened,
            "closed": closed,
            "sparse_opened": sum(event.state == "open" for event in sparse_found),
            "us_a_frame": round(1e6 / rate, 1),
            "us_an_empty_frame": round(1e6 * (1 / sparse_rate - share / rate) / (1 - share), 1),
            "rates": [round(one) for one in rates],
            "sparse_rates": [round(one) for one in sparse_rates],
        },
    }


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    more = report["speed"]
    return "\n".join(
        (
            f"frames_per_s {report['frames_per_s']:,} with {WALKERS} walkers (asked: 5,000), one core, all behaviours",
            f"sparse_frames_per_s {report['sparse_frames_per_s']:,} where one in ten has any (asked: 40,000)",
            f"  {more['us_a_frame']} us a frame, {more['us_an_empty_frame']} us an empty one; {more['opened']} events "
            f"opened, {more['closed']} closed ({', '.join(more['kinds'])})",
        )
    )


def _rates(site: Site, records: Sequence[Detections]) -> tuple[list[Event], list[float]]:
    """The events of a run, and the records a second of each run after the first."""
    watcher = WatchStage(site, run="speed")
    events: list[Event] = []
    rates = []
    for run in range(1 + RUNS):
        events = []
        state = watcher.start("street")
        began = time.process_time()
        for record in records:
            state, more = watcher.step(state, record)
            events += more
        if run:
            rates.append(len(records) / (time.process_time() - began))
    return events, rates


def _scene(ticks: range) -> list[Detections]:
    """A record for each tick, with ``WALKERS`` people in it."""
    draw = np.random.default_rng(5)
    paths = [_walks(draw, number, len(ticks)) for number in range(WALKERS)]
    records = []
    for tick in ticks:
        feet = np.array([path[tick] for path, _ in paths])
        boxes = np.column_stack((feet - np.array((0.2 * TALL, TALL)), feet + np.array((0.2 * TALL, 0))))
        looks = np.zeros((WALKERS, 144), np.uint8)
        for row, (_, who) in enumerate(paths):
            looks[row, who[tick]] = 180
        records.append(
            _record(
                tick,
                xyxy=(boxes + draw.normal(0, SHAKE * TALL, boxes.shape)).astype(np.float32),
                scores=draw.uniform(0.6, 0.9, WALKERS).astype(np.float32),
                labels=np.ones(WALKERS, np.uint8),
                appearance=looks,
            )
        )
    return records


def _walks(draw: np.random.Generator, number: int, ticks: int) -> tuple[Float64, list[list[int]]]:
    """Where one place's walkers are at each tick, one after the other, and by which colours each is known."""
    feet: list[Float64] = []
    who: list[list[int]] = []
    while len(feet) < ticks:
        y = HEIGHT * (0.45 + 0.25 * number) + draw.uniform(-20, 20)
        x, stays_s = WIDTH * draw.uniform(0.2, 0.9), draw.choice([3.0, 15.0, 60.0])
        edges = (0.0, float(WIDTH)) if draw.random() < 0.5 else (float(WIDTH), 0.0)
        came, went = abs(x - edges[0]) / WALK, abs(x - edges[1]) / WALK
        times = np.arange(0, came + stays_s + went, 1 / FPS)
        xs = np.interp(times, (0, came, came + stays_s, came + stays_s + went), (edges[0], x, x, edges[1]))
        feet += list(np.column_stack((xs, np.full(len(xs), y))))
        colours = draw.choice(144, 4, replace=False).tolist()
        who += [colours] * len(xs)
    return np.array(feet[:ticks]), who[:ticks]


def _sparse(dense: Sequence[Detections]) -> list[Detections]:
    """A minute with walkers after each ``EMPTY`` without any, until the dense scene is used up."""
    minute = 60 * FPS
    records: list[Detections] = []
    for begin in range(0, len(dense), minute):
        start = len(records)
        records += [_record(start + tick) for tick in range(EMPTY * minute)]
        start = len(records)
        for tick, one in enumerate(dense[begin : begin + minute]):
            timed = _record(start + tick)
            records.append(msgspec.structs.replace(one, slot=timed.slot, captured_at=timed.captured_at))
    return records


def _record(tick: int, **seen: Any) -> Detections:
    nobody = {
        "xyxy": np.zeros((0, 4), np.float32),
        "scores": np.zeros(0, np.float32),
        "labels": np.zeros(0, np.uint8),
        "appearance": np.zeros((0, 144), np.uint8),
    }
    at = NOON + tick / FPS
    return Detections(
        camera="street",
        epoch=1,
        slot=round(at * 1000),
        captured_at=at,
        received_at=at,
        width=WIDTH,
        height=HEIGHT,
        scene=STREET,
        model="made up",
        **(seen or nobody),
    )
