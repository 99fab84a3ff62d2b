"""A network camera: connecting, streaming, backing off, closed, for as long as anyone wants its pictures."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import av.error

from lanewatch import metrics
from streams.sources.capture_time import ArrivalClock, EpochCounter
from streams.sources.container import Deadlines, OpenedSource, connect
from streams.sources.packets import Packet, SourceEvent
from streams.sources.url import SourceUrl, redact

State = Literal["connecting", "streaming", "backing_off", "closed"]

STEADY_S = 10.0
"""A connection that held this long forgives those that failed before it; one that breaks sooner does not, or a
camera that accepts and hangs up would be called twice a second for ever."""

log = metrics.log("sample")


@dataclass
class Backoff:
    """How long to wait before a camera is called again.

    It doubles from ``first_s`` to ``most_s``, less a random part of up to a half: after a dead switch comes back,
    forty cameras don't call in step. With these values a camera that is away for a night is called 3,000 times, and is
    back within half a minute of its return.
    """

    first_s: float = 0.5
    most_s: float = 30.0
    _tries: int = 0

    def next(self) -> float:
        """Seconds to wait now."""
        most = min(self.most_s, self.first_s * 2.0 ** min(self._tries, 16))
        self._tries += 1
        return most * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """The camera has been well."""
        self._tries = 0


class NetworkCamera:
    """The packets of an RTSP or HTTP camera, over all of its losses.

    Args:
        camera: its id.
        address: where it is; its password is never printed.
        now: wall clock, seconds UTC.
    """

    def __init__(
        self,
        camera: str,
        address: SourceUrl,
        *,
        deadlines: Deadlines | None = None,
        backoff: Backoff | None = None,
        now: Callable[[], float] = time.time,
        opener: Callable[[SourceUrl, Deadlines], OpenedSource] = connect,
    ) -> None:
        self.state: State = "connecting"
        self._camera = camera
        self._address = address
        self._deadlines = deadlines or Deadlines()
        self._backoff = backoff or Backoff()
        self._now = now
        self._open = opener
        self._epochs = EpochCounter(camera)

    def packets(self, stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        """Packets as they come, and a mark ``lost`` for every loss; ends only when ``stop`` is set.

        A call that hangs ends by its deadline, so it takes up to that long to notice ``stop``.
        """
        while not stop.is_set():
            reason, begun = "ended", time.monotonic()
            try:
                yield from self._stream(stop)
            except (av.error.FFmpegError, OSError) as error:
                # libav calls an answer that never came invalid data; the deadline knows better.
                late = self.state == "connecting" and time.monotonic() - begun >= self._deadlines.connect_s
                reason = "timeout" if late else _reason(error, self.state)
                log.warning("camera %s: %s: %s: %s", self._camera, self._address, reason, redact(str(error)))
            if stop.is_set():
                break
            self.state = "backing_off"
            metrics.RECONNECTS.labels(self._camera, reason).inc()
            yield SourceEvent("lost")
            stop.wait(self._backoff.next())
        self.state = "closed"

    def _stream(self, stop: threading.Event) -> Iterator[Packet]:
        self.state = "connecting"
        opened = self._open(self._address, self._deadlines)
        try:
            clock, begun, fresh = ArrivalClock(), time.monotonic(), True
            for sample in opened:
                if stop.is_set():
                    return
                decode_at = clock(sample.dts, self._now(), opened.realtime_s)
                if fresh:
                    self.state, fresh = "streaming", False
                    self._epochs.open(decode_at, "reconnect" if self._epochs.current else "start")
                if time.monotonic() - begun > STEADY_S:
                    self._backoff.reset()
                shown = sample.pts if sample.pts is not None else sample.dts
                yield Packet(
                    decode_at + shown - sample.dts,
                    decode_at,
                    sample.data,
                    sample.key,
                    opened.codec,
                    self._epochs.of(decode_at),
                    timed=sample.pts is not None,
                    clock_s=clock.clock_s,
                )
        finally:
            opened.close()


def _reason(error: Exception, state: State) -> str:
    """One word of a small set, for the count of reconnections."""
    if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
        return "unauthorized"
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return "stalled" if state == "streaming" else "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, (av.error.EOFError, ConnectionError)):
        return "ended"
    return "unreadable" if isinstance(error, av.error.InvalidDataError) else "error"
