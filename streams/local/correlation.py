"""The correlation within one process: beside a runner's watchers, or over all events of a scoring at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic, TypeVar

from lanewatch.records import Detections, Event, Watermark
from streams.stages import Correlate

S = TypeVar("S")

TELL_S = 1.0
"""Capture time after which a camera's progress is told: what is said about several cameras comes so much later."""


class LocalCorrelation(Generic[S]):
    """Feeds a correlation with each record's events and with how far the cameras have come.

    Args:
        correlate: the stage.
        cameras: all that there are; those from which nothing comes are not waited for in the end.
    """

    def __init__(self, correlate: Correlate[S], cameras: Iterable[str]) -> None:
        self._correlate = correlate
        self._state = correlate.start()
        self._told = dict.fromkeys(cameras, Watermark(0.0, 0.0))

    def take(self, detections: Detections, events: Iterable[Event]) -> list[Event]:
        """What is to be said after a record of one camera and the events that it caused."""
        result: list[Event] = []
        for event in events:
            self._state, more = self._correlate.step(self._state, event)
            result += more
        told = self._told.get(detections.camera)
        passed_s = TELL_S if told is None else abs(detections.captured_at - told.captured_at)
        if passed_s >= TELL_S or detections.gap == "ended":
            reached = Watermark(detections.captured_at, detections.received_at, detections.gap)
            self._told[detections.camera] = reached
            self._state, more = self._correlate.advance(self._state, {detections.camera: reached})
            result += more
        return result

    def finish(self) -> list[Event]:
        """What is left to be said when nothing comes any more."""
        ended = {camera: Watermark(one.captured_at, one.received_at, "ended") for camera, one in self._told.items()}
        self._state, events = self._correlate.advance(self._state, ended)
        return events


def correlate_events(correlate: Correlate[S], events: Iterable[Event], cameras: Iterable[str]) -> list[Event]:
    """What all events together say, however the cameras came: one after the other, as in an archive."""
    state = correlate.start()
    result: list[Event] = []
    for event in events:
        state, more = correlate.step(state, event)
        result += more
    state, more = correlate.advance(state, dict.fromkeys(cameras, Watermark(0.0, 0.0, "ended")))
    return result + more
