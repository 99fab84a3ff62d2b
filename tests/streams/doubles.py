"""Stages for the tests of the runners."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import numpy as np

from lanewatch.records import Detections, Event, Factor, Frame, Peak, SceneMeasurements, Watermark
from streams.stages import UnavailableError


def frame(slot: int, camera: str = "lane", *, picture: bool = True) -> Frame:
    """A frame with its own pixels, or a tick."""
    image = np.zeros((4, 4, 3), np.uint8) if picture else None
    return Frame(
        camera=camera,
        epoch=1,
        slot=slot,
        captured_at=slot / 1000,
        received_at=0,
        width=4,
        height=4,
        image=image,
        scene=SceneMeasurements(clock_s=0.5),
        gap=None if picture else "idle",
    )


class ListCamera:
    """Gives a frame for each slot of a list; fails at the end if ``breaks`` is set."""

    def __init__(self, camera: str, slots: Sequence[int], *, live: bool = False, breaks: bool = False) -> None:
        self.camera = camera
        self.live = live
        self._slots = slots
        self._breaks = breaks
        self.given = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for slot in self._slots:
            yield frame(slot, self.camera)
        self.given.set()
        if self._breaks:
            raise ConnectionError(f"{self.camera} hung up")

    def close(self) -> None:
        self.given.set()


class EndlessCamera:
    """A live camera that gives frames until it is closed."""

    def __init__(self, camera: str) -> None:
        self.camera = camera
        self.live = True
        self.slots: list[int] = []
        self._closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        slot = 0
        while not self._closed.wait(0.02):
            slot += 10
            self.slots.append(slot)
            yield frame(slot, self.camera)

    def close(self) -> None:
        self._closed.set()


class GatedDetector:
    """Finds nothing; blocks until its gate is opened."""

    def __init__(self, *, opened: bool = True) -> None:
        self.gate = threading.Event()
        if opened:
            self.gate.set()
        self.batches: list[int] = []

    def __call__(self, frames: Sequence[Frame]) -> list[Detections]:
        assert self.gate.wait(30)
        self.batches.append(len(frames))
        return [Detections.empty(frame) for frame in frames]


class CountingWatch:
    """A fold that counts records and raises an event for each; fails on the slots ``breaks_on``."""

    def __init__(self, breaks_on: Sequence[int] = ()) -> None:
        self._breaks_on = breaks_on

    def start(self, camera: str) -> int:
        return 0

    def step(self, state: int, detections: Detections) -> tuple[int, list[Event]]:
        if detections.slot in self._breaks_on:
            raise ValueError("a plug-in broke")
        return state + 1, [event(detections, state)]

    def skipped(self, state: int) -> dict[str, int]:
        return {}

    def counters(self, state: int) -> dict[str, int]:
        return {}


def event(detections: Detections, number: int) -> Event:
    """An event for a record."""
    return Event(
        run="test",
        id=f"{detections.camera}-{number}",
        camera=detections.camera,
        kind="loitering",
        zone="z",
        began_at=0,
        started_at=0,
        updated_at=0,
        ended_at=None,
        revision=detections.slot,
        state="open",
        severity=1,
        score=0.5,
        factors=(Factor("dwell", 0.5),),
        thresholds={},
        sentence={},
        tracks=(),
        peak=Peak(0, 0, (0, 0, 1, 1), 4, 4),
        model="",
        site="",
    )


class ListServe:
    """Stores events and watermarks; is unavailable for the first ``away`` calls."""

    def __init__(self, away: int = 0) -> None:
        self.events: list[Event] = []
        self.reached: dict[str, float] = {}
        self.clocks: dict[str, float | None] = {}
        self._away = away

    def upsert(self, event: Event) -> None:
        if self._away > 0:
            self._away -= 1
            raise UnavailableError("the disk is full")
        self.events.append(event)

    def advance(self, camera: str, reached: Watermark) -> None:
        self.reached[camera] = reached.captured_at
        self.clocks[camera] = reached.clock_s
