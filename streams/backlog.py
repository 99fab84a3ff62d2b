"""Frames that wait for the detector, bounded and fair over cameras: recordings wait for room, live cameras shed."""

from __future__ import annotations

import threading
import time
from collections import deque

import msgspec

from lanewatch import telemetry
from lanewatch.records import Frame

LIVE_PICTURES = 8
"""Pictures of a live camera that wait for the detector: what is older than a second or two helps nobody."""

RECORDED_PICTURES = 24
"""Pictures of a recording that wait. At 768x576 each is 1.3 MB; 24 are one batch, so that the next is there in time."""

RECORDS_PER_CAMERA = 120
"""Pictures and pixel-less records together: two minutes of ticks, should the detector stand still that long."""


class Backlog:
    """Between the samplers and the detector, in one process.

    ``put`` never reorders a camera's records. A recorded camera's ``put`` blocks while its pictures fill their share;
    a live camera's oldest waiting picture is replaced by a pixel-less record with gap ``shed``, so that the watcher
    knows that nobody looked, and the drop is counted.
    """

    def __init__(self, records: int = RECORDS_PER_CAMERA) -> None:
        self._records = records
        self._waiting: dict[str, deque[Frame]] = {}
        self._turns: deque[str] = deque()
        self._changed = threading.Condition()
        self._closed = False

    def put(self, frame: Frame, *, live: bool) -> bool:
        """Adds a frame.

        Returns:
            False where the queue has been closed and the frame was not taken.
        """
        with self._changed:
            waiting = self._waiting.get(frame.camera)
            if waiting is None:
                waiting = self._waiting[frame.camera] = deque()
                self._turns.append(frame.camera)
            if live:
                waiting.append(frame)
                self._shed(waiting)
            else:
                self._changed.wait_for(lambda: self._closed or not self._full(waiting))
                if self._closed:
                    return False
                waiting.append(frame)
            self._changed.notify_all()
            return not self._closed

    def take(self, most: int, timeout_s: float) -> list[Frame]:
        """Up to ``most`` frames, the cameras in turn; empty after the time-out, or at once when closed and drained."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._changed.wait_for(
                lambda: self._closed or any(self._waiting.values()), max(0.0, deadline - time.monotonic())
            )
            taken: list[Frame] = []
            idle_turns = 0
            while self._turns and len(taken) < most and idle_turns < len(self._turns):
                waiting = self._waiting[self._turns[0]]
                self._turns.rotate(-1)
                if waiting:
                    taken.append(waiting.popleft())
                    idle_turns = 0
                else:
                    idle_turns += 1
            self._changed.notify_all()
            return taken

    def close(self) -> None:
        """Takes no more; what waits can still be taken."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def drained(self) -> bool:
        """Closed, and nothing waits any more."""
        with self._changed:
            return self._closed and not any(self._waiting.values())

    def _full(self, waiting: deque[Frame]) -> bool:
        return sum(frame.image is not None for frame in waiting) >= RECORDED_PICTURES or len(waiting) >= self._records

    def _shed(self, waiting: deque[Frame]) -> None:
        pictures = [index for index, frame in enumerate(waiting) if frame.image is not None]
        for index in pictures[:-LIVE_PICTURES]:
            waiting[index] = msgspec.structs.replace(waiting[index], image=None, crops=(), gap="shed")
            telemetry.dropped("detect", waiting[index].camera, "shed")
        while len(waiting) > self._records:
            telemetry.dropped("detect", waiting.popleft().camera, "queue_full")
