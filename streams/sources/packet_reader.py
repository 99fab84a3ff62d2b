"""A live camera's packets, read in a thread of their own: the newest win when nobody keeps up."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from lanewatch import metrics
from streams.sources.packets import Packet, SourceEvent

Play = Callable[[threading.Event], Iterator[Packet | SourceEvent]]

WAITING_S = 4.0
WAITING_BYTES = 32 << 20
"""What may wait for the sampler, in capture time and in bytes. Beyond it everything before the newest key frame is
dropped: frames that late are of no use to an operator, and the decoder can begin again nowhere else."""

log = metrics.log("sample")


class ReaderClosedError(Exception):
    """Nothing more will come."""


class PacketReader:
    """Runs a source in a daemon thread and hands its packets on.

    Args:
        camera: whose.
        play: the source's ``packets``.
        tap: called with every packet as it comes, also with those that are dropped here.
    """

    def __init__(self, camera: str, play: Play, tap: Callable[[Packet], None]) -> None:
        self._camera = camera
        self._play = play
        self._tap = tap
        self._waiting: deque[Packet | SourceEvent] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._done = False
        self._headless = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"feed-{camera}", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def close(self) -> None:
        """Ends it, from any thread and at once; the source's own call ends by its deadline."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()

    def get(self, timeout_s: float) -> Packet | SourceEvent | None:
        """The next item; None when nothing came in time.

        Raises:
            FeedClosedError: closed, or the source has ended.
            SourceError: the source cannot be played at all.
        """
        until = time.monotonic() + timeout_s
        with self._changed:
            while not self._waiting and not self._done and not self._stop.is_set():
                left = until - time.monotonic()
                if left <= 0 or not self._changed.wait(left):
                    return None
            if self._stop.is_set():
                raise ReaderClosedError
            if self._waiting:
                item = self._waiting.popleft()
                self._bytes -= len(item.data) if isinstance(item, Packet) else 0
                return item
        if self._error is not None:
            raise self._error
        raise ReaderClosedError

    def _run(self) -> None:
        try:
            for item in self._play(self._stop):
                if isinstance(item, Packet):
                    self._tap(item)
                self._put(item)
        except Exception as error:  # noqa: BLE001 - it is raised again where the frames are read
            self._error = error
        with self._changed:
            self._done = True
            self._changed.notify_all()

    def _put(self, item: Packet | SourceEvent) -> None:
        with self._changed:
            if isinstance(item, Packet):
                if self._headless and not item.key:
                    metrics.DROPPED.labels("sample", self._camera, "behind").inc()
                    return
                self._headless = False
                self._bytes += len(item.data)
            self._waiting.append(item)
            if self._late():
                self._shed()
            self._changed.notify_all()

    def _late(self) -> bool:
        packets = [item for item in (self._waiting[0], self._waiting[-1]) if isinstance(item, Packet)]
        apart = abs(packets[-1].decode_at - packets[0].decode_at) if len(packets) == 2 else 0.0
        return apart > WAITING_S or self._bytes > WAITING_BYTES

    def _shed(self) -> None:
        """Drops all packets before the newest key frame; all, and what follows, until the next one if there is none."""
        items = list(self._waiting)
        newest = max((i for i, item in enumerate(items) if isinstance(item, Packet) and item.key), default=-1)
        if newest <= 0:
            newest, self._headless = len(items), True
        kept = [item for i, item in enumerate(items) if i >= newest or isinstance(item, SourceEvent)]
        metrics.DROPPED.labels("sample", self._camera, "behind").inc(len(items) - len(kept))
        log.warning("camera %s: the sampler is behind; %d packets dropped", self._camera, len(items) - len(kept))
        self._waiting = deque(kept)
        self._bytes = sum(len(item.data) for item in kept if isinstance(item, Packet))
