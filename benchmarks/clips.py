"""Plays a clip through the sampler and the detect stage in one process, and its detections through the watch stage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from benchmarks.datasets import CLOCK
from detectors import notebook
from detectors.behaviours.registry import installed
from detectors.watch_stage import WatchStage
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import BehaviourConfig, Camera, Line, SamplingRate, Site, Zone
from lanewatch.records import PERSON, Detections, Event, UInt8
from models.tracking.tracker import Tracker

CAMERA: Final = "clip"
NAME: Final = LocalizedName(ko="시험", en="Trial")
MAX_FPS: Final = 30.0
"""Of a camera: of faster clips every second or third picture is sampled."""


def site(
    path: Path,
    fps: float,
    *,
    zones: tuple[Zone, ...] = (),
    lines: tuple[Line, ...] = (),
    rate: SamplingRate | None = None,
) -> Site:
    """A site of one camera that shows a clip: a video file or a folder of images.

    ``fps`` is its true frame rate; the container's is ignored. Without a ``rate``, every picture up to ``MAX_FPS`` is
    sampled.
    """
    full = min(fps / _stride(fps), MAX_FPS)
    camera = Camera(
        id=CAMERA,
        name=NAME,
        url=f"{'' if path.is_dir() else 'file:'}{path}?fps={fps:g}&pace=fast&clock={CLOCK}",
        latitude=36.78,
        longitude=126.45,
        rate=rate or SamplingRate(active=full, idle=full),
        width=960,
        zones=zones,
        lines=lines,
    )
    return Site(name=NAME, cameras=(camera,))


def detections(path: Path, fps: float, *, every: int = 1, phase: int = 0) -> list[Detections]:
    """The records of every ``every``-th picture of a clip from the ``phase``-th on, with poses.

    All pictures are detected once, of fast clips as many as a camera gives (``MAX_FPS``). A lower rate takes the
    records that a camera of that rate would have. Their scene measurements are still those of the full rate.
    """
    stride = _stride(fps)
    return thinned(_all_detections(path, fps), max(round(every / stride), 1), phase // stride)


def thinned(records: Sequence[Detections], every: int, phase: int = 0) -> list[Detections]:
    """Every ``every``-th record with a picture from the ``phase``-th on; ticks without a picture stay."""
    pictures = [record.slot for record in records if record.gap is None]
    chosen = set(pictures[phase::every])
    return [record for record in records if record.gap is not None or record.slot in chosen]


def only_behaviour(site: Site, kind: str, config: BehaviourConfig | None = None) -> Site:
    """The site with all behaviours but one switched off, and no correlations."""
    behaviours = {name: BehaviourConfig(enabled=False) for name in installed()}
    behaviours[kind] = config or site.behaviours.get(kind, BehaviourConfig())
    return site.model_copy(update={"behaviours": behaviours, "correlations": ()})


def revisions(records: Iterable[Detections], site: Site, *, tracker: Tracker | None = None) -> Iterator[Event]:
    """The revisions of all events that the watch stage raises at the site's first camera."""
    watcher = WatchStage(site, run="benchmark", tracker=tracker)
    state = watcher.start(site.cameras[0].id)
    for record in records:
        state, events = watcher.step(state, record)
        yield from events


def opened_events(records: Iterable[Detections], site: Site) -> Iterator[Event]:
    """The first revision of each event."""
    return (event for event in revisions(records, site) if event.state == "open")


def people_record(
    camera: str,
    captured_at: float,
    size: tuple[int, int],
    xyxy: np.ndarray,
    scores: np.ndarray,
    appearance: UInt8 | None = None,
) -> Detections:
    """A record of people only: boxes (N, 4), scores (N,), appearance (N, D) or none."""
    return Detections(
        camera=camera,
        epoch=1,
        slot=round(captured_at * 1000),
        captured_at=captured_at,
        received_at=captured_at,
        width=size[0],
        height=size[1],
        xyxy=xyxy.astype(np.float32).reshape(-1, 4),
        scores=scores.astype(np.float32),
        labels=np.full(len(scores), PERSON, np.uint8),
        appearance=np.zeros((len(scores), 0), np.uint8) if appearance is None else appearance,
        model="made up",
    )


def _stride(fps: float) -> int:
    """Every so many-th picture of a clip is sampled."""
    return math.ceil(fps / MAX_FPS - 0.01)  # 30.02 counts as 30


@cache
def _all_detections(path: Path, fps: float) -> list[Detections]:
    return notebook.detect(site(path, fps))
