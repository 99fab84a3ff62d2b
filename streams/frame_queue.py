"""Queues of frames that wait for the detector: bounded, and fair over cameras."""

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
T = TypeVar("T")

RECORD_BYTES = 2_000
"""Memory of a record without a picture."""

LIVE_PICTURES = 8
"""Pictures of a live camera that may wait. Pictures older than a second or two have no use."""

RECORDED_PICTURES = 24
"""Pictures of a recording that may wait. At 768x576 each is 1.3 MB. 24 are one batch: the next is there in time."""

RECORDS_PER_CAMERA = 120
"""Records of a camera that may wait, with or without a picture: two minutes of records if the detector stalls."""


class _RoundRobin(Generic[T]):
    """A FIFO for each camera; ``pop`` serves the cameras in turn. The methods with an underscore need the lock."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._waiting: dict[str, deque[T]] = {}
        self._closed = False

    def close(self) -> None:
        """Accepts no more frames."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _append(self, camera: str, item: T) -> deque[T]:
        waiting = self._waiting.setdefault(camera, deque())
        waiting.append(item)
        self._changed.notify_all()
        return waiting

    def _pop(self) -> T:
        camera = next(iter(self._waiting))  # a dict keeps its order: the camera that has waited longest
        waiting = self._waiting.pop(camera)
        item = waiting.popleft()
        if waiting:
            self._waiting[camera] = waiting
        return item


@dataclass(frozen=True, eq=False)
class QueuedFrame(Generic[S]):
    """A frame that was read from a topic.

    Attributes:
        owner: the assigned partition that it belongs to.
        appended_at: the broker's timestamp, seconds.
        frame: encoded, or without a picture.
        arrived_at: when it was read, monotonic.
    """

    owner: S
    offset: int
    appended_at: float
    frame: Frame
    trace: bytes | None = None
    arrived_at: float = field(default_factory=time.monotonic)

    @property
    def has_picture(self) -> bool:
        return self.frame.packed is not None

    @property
    def size(self) -> int:
        """Bytes."""
        return RECORD_BYTES + (0 if self.frame.packed is None else self.frame.packed.size)


class PrefetchQueue(_RoundRobin[QueuedFrame[S]]):
    """Between the thread that reads a topic and the one that detects. The reader stops at a number of ``bytes``."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        """Of all frames that wait."""
        return self._bytes

    @property
    def closed(self) -> bool:
        """Whether ``take`` gives nothing more."""
        return self._closed

    def put(self, queued: QueuedFrame[S]) -> None:
        """Adds a frame."""
        with self._changed:
            self._append(queued.frame.camera, queued)
            self._bytes += queued.size

    def take(self, pictures: int, timeout_s: float) -> list[QueuedFrame[S]]:
        """Up to so many pictures and the records between them, the cameras in turn; empty after the timeout."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed, max(0.0, timeout_s))
            taken: list[QueuedFrame[S]] = []
            while self._waiting and pictures > 0 and not self._closed:
                queued = self._pop()
                self._bytes -= queued.size
                pictures -= queued.has_picture
                taken.append(queued)
            return taken

    def drop(self, owner: S) -> None:
        """Drops all frames of a partition that was revoked."""
        with self._changed:
            for camera, waiting in list(self._waiting.items()):
                remaining = deque(queued for queued in waiting if queued.owner is not owner)
                if remaining:
                    self._waiting[camera] = remaining
                else:
                    del self._waiting[camera]
            self._bytes = sum(queued.size for waiting in self._waiting.values() for queued in waiting)


class FrameQueue(_RoundRobin[Frame]):
    """Between the samplers and the detector of one process.

    ``put`` never reorders a camera's records. For a recording it blocks while too many of its pictures wait. For a
    live camera it removes the picture of the oldest waiting frame instead: that record gets the gap ``shed``, and the
    loss is counted.
    """

    def __init__(self, records: int = RECORDS_PER_CAMERA) -> None:
        super().__init__()
        self._records = records

    def put(self, frame: Frame, *, live: bool) -> bool:
        """Adds a frame; False if the queue is closed."""
        with self._changed:
            if not live:
                self._changed.wait_for(lambda: self._closed or not self._is_full(frame.camera))
                if self._closed:
                    return False
            waiting = self._append(frame.camera, frame)
            if live:
                self._shed(waiting)
            return not self._closed

    def take(self, limit: int, timeout_s: float) -> list[Frame]:
        """Up to ``limit`` frames, the cameras in turn; empty after the timeout, or at once when closed and drained."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting, max(0.0, timeout_s))
            taken = [self._pop() for _ in range(min(limit, sum(map(len, self._waiting.values()))))]
            self._changed.notify_all()
            return taken

    @property
    def drained(self) -> bool:
        """Whether the queue is closed and empty."""
        with self._changed:
            return self._closed and not self._waiting

    def _is_full(self, camera: str) -> bool:
        waiting = self._waiting.get(camera, ())
        return sum(frame.image is not None for frame in waiting) >= RECORDED_PICTURES or len(waiting) >= self._records

    def _shed(self, waiting: deque[Frame]) -> None:
        pictures = [index for index, frame in enumerate(waiting) if frame.image is not None]
        for index in pictures[:-LIVE_PICTURES]:
            waiting[index] = msgspec.structs.replace(waiting[index], image=None, crops=(), gap="shed")
            metrics.DROPPED.labels("detect", waiting[index].camera, "shed").inc()
        while len(waiting) > self._records:
            metrics.DROPPED.labels("detect", waiting.popleft().camera, "queue_full").inc()
