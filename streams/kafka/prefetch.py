"""Frames that have been read and wait for the detector: counted in bytes, and handed out fairly over the cameras."""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from lanewatch.records import Frame

S = TypeVar("S")

TICK_BYTES = 2_000
"""What a record without a picture weighs in memory."""


@dataclass(frozen=True, eq=False)
class Waiting(Generic[S]):
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


class Prefetch(Generic[S]):
    """Between the thread that reads and the one that looks. A camera's frames keep their order."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._queues: dict[str, deque[Waiting[S]]] = {}
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

    def put(self, waiting: Waiting[S]) -> None:
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

    def take(self, pictures: int, timeout_s: float) -> list[Waiting[S]]:
        """Up to so many pictures and the ticks between them, the cameras in turn; none after the time-out."""
        with self._changed:
            self._changed.wait_for(lambda: self._queues or self._closed, max(0.0, timeout_s))
            taken: list[Waiting[S]] = []
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

    def _next(self) -> Waiting[S]:
        camera = self._turns.popleft()
        queue = self._queues[camera]
        one = queue.popleft()
        self._bytes -= one.size
        if queue:
            self._turns.append(camera)
        else:
            del self._queues[camera]
        return one
