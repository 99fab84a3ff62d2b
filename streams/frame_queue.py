"""Frames that wait for the detector, bounded and fair over cameras: recordings wait for room, live cameras shed."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from lanewatch import metrics
from lanewatch.records import Frame

S = TypeVar("S")

TICK_BYTES = 2_000
"""What a record without a picture weighs in memory."""


@dataclass(frozen=True, eq=False)
class QueuedFrame(Generic[S]):
    """A frame that has been read.

    Attributes:
        share: what it belongs to, as the loop holds it.
        offset: in its partition.
        appended_at: the broker's stamp, seconds.
        frame: packed, or a tick.
        trace: the trace context that came with it.
        arrived_at: when it was read, monotonic.
    """

    share: S
    offset: int
    appended_at: float
    frame: Frame
    trace: bytes | None = None
    arrived_at: float = field(default_factory=time.monotonic)

    @property
    def picture(self) -> bool:
        """Whether there is something to look at."""
        return self.frame.packed is not None

    @property
    def size(self) -> int:
        """Bytes."""
        return TICK_BYTES + (0 if self.frame.packed is None else self.frame.packed.size)


class PrefetchQueue(Generic[S]):
    """Between the thread that reads and the one that looks. A camera's frames keep their order."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queues: dict[str, deque[QueuedFrame[S]]] = {}
        self._turns: deque[str] = deque()
        self._bytes = 0
        self._closed = False

    @property
    def bytes(self) -> int:
        """Of all that waits."""
        return self._bytes

    @property
    def closed(self) -> bool:
        """Whether nothing more is to be had."""
        return self._closed

    def put(self, waiting: QueuedFrame[S]) -> None:
        """Adds a frame."""
        camera = waiting.frame.camera
        with self._changed:
            queue = self._queues.get(camera)
            if queue is None:
                queue = self._queues[camera] = deque()
                self._turns.append(camera)
            queue.append(waiting)
            self._bytes += waiting.size
            self._changed.notify_all()

    def take(self, pictures: int, timeout_s: float) -> list[QueuedFrame[S]]:
        """Up to so many pictures and the ticks between them, the cameras in turn; none after the time-out."""
        with self._changed:
            self._changed.wait_for(lambda: self._queues or self._closed, max(0.0, timeout_s))
            taken: list[QueuedFrame[S]] = []
            while self._turns and pictures > 0 and not self._closed:
                one = self._next()
                pictures -= one.picture
                taken.append(one)
            return taken

    def drop(self, share: S) -> None:
        """Lets go of all that belongs to a share."""
        with self._changed:
            for camera, queue in list(self._queues.items()):
                kept = deque(one for one in queue if one.share is not share)
                if kept:
                    self._queues[camera] = kept
                else:
                    del self._queues[camera]
                    self._turns.remove(camera)
            self._bytes = sum(one.size for queue in self._queues.values() for one in queue)

    def close(self) -> None:
        """Gives nothing more out."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _next(self) -> QueuedFrame[S]:
        camera = self._turns.popleft()
        queue = self._queues[camera]
        one = queue.popleft()
        self._bytes -= one.size
        if queue:
            self._turns.append(camera)
        else:
            del self._queues[camera]
        return one


LIVE_PICTURES = 8
"""Pictures of a live camera that wait for the detector: what is older than a second or two helps nobody."""

RECORDED_PICTURES = 24
"""Pictures of a recording that wait. At 768x576 each is 1.3 MB; 24 are one batch, so that the next is there in time."""

RECORDS_PER_CAMERA = 120
"""Pictures and pixel-less records together: two minutes of ticks, should the detector stand still that long."""


class FrameQueue:
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
            metrics.DROPPED.labels("detect", waiting[index].camera, "shed").inc()
        while len(waiting) > self._records:
            metrics.DROPPED.labels("detect", waiting.popleft().camera, "queue_full").inc()
