"""Reads a live camera's packets in a thread of its own, and drops the oldest if the sampler is too slow."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from lanewatch import metrics
from streams.sources.packets import Packet, SourceEvent

ReadPackets = Callable[[threading.Event], Iterator[Packet | SourceEvent]]

MAX_QUEUE_S = 4.0
MAX_QUEUE_BYTES = 32 << 20
"""Limits of the queue for the sampler, in capture time and in bytes. Above them, everything before the newest key frame
is dropped: frames that late do not help an operator, and decoding can only restart at a key frame."""

log = metrics.log("sample")


class ReaderClosedError(Exception):
    """The reader is closed or its source has ended."""


class PacketReader:
    """Runs a source's ``packets`` in a daemon thread and queues its items.

    ``on_packet`` is called with each packet at arrival, even if it is dropped here later.
    """

    def __init__(self, camera: str, read: ReadPackets, on_packet: Callable[[Packet], None]) -> None:
        self._camera = camera
        self._read = read
        self._on_packet = on_packet
        self._queue: deque[Packet | SourceEvent] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._ended = False
        self._needs_key_frame = False
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name=f"read-{camera}", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def close(self) -> None:
        """Stops at once; may be called from any thread. A blocked call of the source ends at its deadline."""
        self._stop.set()
        with self._changed:
            self._changed.notify_all()

    def get(self, timeout_s: float) -> Packet | SourceEvent | None:
        """The next item; None if nothing arrives in time.

        Raises ``ReaderClosedError`` after ``close`` or the source's end, and the source's own error, if it has failed.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while not self._queue and not self._ended and not self._stop.is_set():
                remaining_s = deadline - time.monotonic()
                if remaining_s <= 0 or not self._changed.wait(remaining_s):
                    return None
            if self._stop.is_set():
                raise ReaderClosedError
            if self._queue:
                item = self._queue.popleft()
                self._bytes -= len(item.data) if isinstance(item, Packet) else 0
                return item
        if self._error is not None:
            raise self._error
        raise ReaderClosedError

    def _run(self) -> None:
        try:
            for item in self._read(self._stop):
                if isinstance(item, Packet):
                    self._on_packet(item)
                self._put(item)
        except Exception as error:  # noqa: BLE001 - raised again by get()
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _put(self, item: Packet | SourceEvent) -> None:
        with self._changed:
            if isinstance(item, Packet):
                if self._needs_key_frame and not item.key:
                    metrics.DROPPED.labels("sample", self._camera, "behind").inc()
                    return
                self._needs_key_frame = False
                self._bytes += len(item.data)
            self._queue.append(item)
            if self._is_too_long():
                self._drop_old()
            self._changed.notify_all()

    def _is_too_long(self) -> bool:
        packets = [item for item in (self._queue[0], self._queue[-1]) if isinstance(item, Packet)]
        span_s = abs(packets[-1].decode_at - packets[0].decode_at) if len(packets) == 2 else 0.0
        return span_s > MAX_QUEUE_S or self._bytes > MAX_QUEUE_BYTES

    def _drop_old(self) -> None:
        """Drops all packets before the newest key frame; without one, all packets until the next key frame."""
        items = list(self._queue)
        newest = max((i for i, item in enumerate(items) if isinstance(item, Packet) and item.key), default=-1)
        if newest <= 0:
            newest, self._needs_key_frame = len(items), True
        remaining = [item for i, item in enumerate(items) if i >= newest or isinstance(item, SourceEvent)]
        dropped = len(items) - len(remaining)
        metrics.DROPPED.labels("sample", self._camera, "behind").inc(dropped)
        log.warning("camera %s: the sampler is too slow; %d packets dropped", self._camera, dropped)
        self._queue = deque(remaining)
        self._bytes = sum(len(item.data) for item in remaining if isinstance(item, Packet))
