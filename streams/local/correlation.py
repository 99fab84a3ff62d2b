"""The correlation in one process: next to a runner's watch stage, or over all events of a rescoring at once."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Generic

import msgspec

from lanewatch.records import Detections, Event, Watermark
from streams.stages import Correlate, S

WATERMARK_EVERY_S = 1.0  # capture time between a camera's watermarks; it delays events over several cameras


class LocalCorrelation(Generic[S]):
    """Feeds a correlation with events and with the cameras' watermarks.

    ``cameras`` has the ids of all. At the end, the correlation does not wait for those without records.
    """

    def __init__(self, correlate: Correlate[S], cameras: Iterable[str]) -> None:
        self._correlate = correlate
        self._state = correlate.start()
        self._watermarks = dict.fromkeys(cameras, Watermark(0.0, 0.0))

    def step(self, events: Iterable[Event]) -> list[Event]:
        """The correlation's events after these events."""
        result: list[Event] = []
        for event in events:
            self._state, more = self._correlate.step(self._state, event)
            result += more
        return result

    def update(self, detections: Detections, events: Iterable[Event]) -> list[Event]:
        """The events of the correlation after a record of one camera and the events that it caused."""
        result = self.step(events)
        previous = self._watermarks.get(detections.camera)
        due = previous is None or abs(detections.captured_at - previous.captured_at) >= WATERMARK_EVERY_S
        if due or detections.gap == "ended":
            watermark = Watermark(detections.captured_at, detections.received_at, detections.gap)
            self._watermarks[detections.camera] = watermark
            self._state, more = self._correlate.advance(self._state, {detections.camera: watermark})
            result += more
        return result

    def finish(self) -> list[Event]:
        """The remaining events after the last record."""
        ended = {camera: msgspec.structs.replace(last, gap="ended") for camera, last in self._watermarks.items()}
        self._state, events = self._correlate.advance(self._state, ended)
        return events


def correlate_events(correlate: Correlate[S], events: Iterable[Event], cameras: Iterable[str]) -> list[Event]:
    """The correlation's events for all events at once; cameras may follow one another, as in an archive."""
    correlation = LocalCorrelation(correlate, cameras)
    return correlation.step(events) + correlation.finish()
