"""People who walk over a made-up picture: trajectories in, the detections that a perfect detector would give out.

The picture is 1000 x 800; all people are 100 pixels high, so that body heights are easy to read. Zone ``yard`` is the
middle of it (300-700, 300-700), ``shed`` a closed corner (0-200, 300-700), the line ``gate`` runs down at x = 800.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np

from detectors.watch_stage import WatchStage
from lanewatch.config.site import Site
from lanewatch.records import Detections, Event, Gap

NOON = 1_768_446_000.0
"""2026-01-15T12:00:00+09:00."""
MIDNIGHT = NOON + 12 * 3600
WIDTH, HEIGHT, TALL = 1000, 800, 100.0

Position = tuple[float, float] | None
Path = Callable[[float], Position]
"""A person's foot point at a time in seconds; None while the person is not visible."""

SITE = {
    "name": {"ko": "시험", "en": "Trial"},
    "schedules": {"night": {"sun": "night"}, "office": {"hours": ["09:00-18:00"]}},
    "cameras": [
        {
            "id": "lane",
            "name": {"ko": "길", "en": "Lane"},
            "url": "none.mp4",
            "latitude": 36.78,
            "longitude": 126.45,
            "zones": [
                {
                    "id": "yard",
                    "name": {"ko": "마당", "en": "the yard"},
                    "kind": "watch",
                    "polygon": [[0.3, 0.375], [0.7, 0.375], [0.7, 0.875], [0.3, 0.875]],
                },
                {
                    "id": "shed",
                    "name": {"ko": "창고", "en": "the shed"},
                    "kind": "closed",
                    "polygon": [[0.0, 0.375], [0.2, 0.375], [0.2, 0.875], [0.0, 0.875]],
                },
            ],
            "lines": [{"id": "gate", "name": {"ko": "정문", "en": "the gate"}, "points": [[0.8, 0.25], [0.8, 1.0]]}],
        }
    ],
    "behaviours": {"loitering": {"thresholds": {"dwell_s": 10}}},
}


def site(**changes: Any) -> Site:
    """The trial's site, with other ``behaviours``, or ``camera`` fields."""
    content = {**SITE, **{name: value for name, value in changes.items() if name != "camera"}}
    content["cameras"] = [{**SITE["cameras"][0], **changes.get("camera", {})}]  # type: ignore[index]
    return Site.model_validate(content)


def along(*points: tuple[float, float, float]) -> Path:
    """A path through (time, x, y) in straight lines; no person before the first and after the last point."""
    times, xs, ys = (np.array(column) for column in zip(*points, strict=True))

    def at(time: float) -> Position:
        if time < times[0] or time > times[-1]:
            return None
        return float(np.interp(time, times, xs)), float(np.interp(time, times, ys))

    return at


def hidden(path: Path, begin: float, end: float) -> Path:
    """The same path, out of sight from ``begin`` to ``end``."""
    return lambda time: None if begin <= time < end else path(time)


def detections(
    paths: Sequence[Path],
    *,
    fps: float,
    seconds: float,
    start: float = NOON,
    epoch: int = 1,
    label: int = 1,
    score: float = 0.8,
    jitter: np.random.Generator | None = None,
) -> list[Detections]:
    """A record for each instant of the grid. Each person has an own appearance; ``jitter`` shakes the boxes by 2 px."""
    looks = np.zeros((len(paths), 144), np.uint8)
    for number in range(len(paths)):
        looks[number, [number * 7 % 144, (number * 7 + 3) % 144]] = 180
    records = []
    for tick in range(round(seconds * fps)):
        time = tick / fps
        spots = [(number, spot) for number, path in enumerate(paths) if (spot := path(time)) is not None]
        boxes = np.array([(x - 20, y - TALL, x + 20, y) for _, (x, y) in spots]).reshape(-1, 4)
        if jitter is not None:
            boxes = boxes + jitter.normal(0, 2, boxes.shape)
        records.append(
            make_record(
                start + time,
                epoch=epoch,
                xyxy=boxes,
                scores=[score] * len(spots),
                labels=[label] * len(spots),
                appearance=looks[[number for number, _ in spots]],
            )
        )
    return records


def make_record(
    at: float,
    *,
    epoch: int = 1,
    gap: Gap | None = None,
    xyxy: Any = (),
    scores: Iterable[float] = (),
    labels: Iterable[int] = (),
    appearance: Any = None,
    **changes: Any,
) -> Detections:
    """One record of the camera ``lane``."""
    boxes = np.array(xyxy, np.float32).reshape(-1, 4)
    return msgspec.structs.replace(
        Detections(
            camera="lane",
            epoch=epoch,
            slot=round(at * 1000),
            captured_at=at,
            received_at=at,
            width=WIDTH,
            height=HEIGHT,
            xyxy=boxes,
            scores=np.array(list(scores), np.float32),
            labels=np.array(list(labels), np.uint8),
            appearance=np.zeros((len(boxes), 144), np.uint8) if appearance is None else appearance,
            model="double",
            gap=gap,
        ),
        **changes,
    )


def watch(records: Iterable[Detections], site: Site) -> list[Event]:
    """All revisions that the watcher makes of them. None shows a measure below its threshold."""
    events = list(revisions(WatchStage(site, run="test"), records))
    for event in events:
        for measure, threshold in measures(event):
            assert measure >= threshold - 0.05, event  # measures are rounded
    return events


def measures(event: Event) -> Iterator[tuple[float, float]]:
    """The measures that an event shows, with their thresholds."""
    for factor in event.factors:
        for name, threshold in (
            ("unrest", "threshold"),
            ("speed", "threshold"),
            ("lengths", "threshold"),
            ("people", "threshold"),
            ("rise", "threshold"),
            ("seconds", "threshold_s"),
        ):
            if name in factor.detail and threshold in factor.detail:
                yield float(factor.detail[name]), float(factor.detail[threshold])


def revisions(watcher: WatchStage, records: Iterable[Detections]) -> Iterator[Event]:
    state = watcher.start("lane")
    for record in records:
        state, events = watcher.step(state, record)
        yield from events


def opened(events: Iterable[Event], kind: str | None = None) -> list[Event]:
    """Those that opened an event."""
    return [event for event in events if event.state == "open" and kind in (None, event.kind)]


def visit(begin: float, x: float, stay_s: float, pace: float) -> Path:
    """A person who walks up into the yard, stays at (x, 500) and walks down again; ``pace`` in pixels a second."""
    way_s = 290 / pace
    return along(
        (begin, x, 790),
        (begin + way_s, x, 500),
        (begin + way_s + stay_s, x, 500),
        (begin + 2 * way_s + stay_s, x, 790),
    )


def loiterer(seconds: float, start: float = NOON, epoch: int = 1) -> list[Detections]:
    """A person who stays in the yard for a minute, at five frames a second."""
    return detections([visit(0, 500, 60, 100)], fps=5, seconds=seconds, start=start, epoch=epoch)
