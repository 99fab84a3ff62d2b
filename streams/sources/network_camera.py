"""A network camera: connects, streams, and reconnects after a loss, until it is stopped."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import av.error

from lanewatch import metrics
from streams.sources.capture_time import ArrivalClock, EpochCounter
from streams.sources.container import ContainerPacket, Deadlines, OpenedSource, connect
from streams.sources.packets import Packet, SourceEvent
from streams.sources.url import SourceUrl, redact

State = Literal["connecting", "streaming", "backing_off", "closed"]
Arrival = tuple[ContainerPacket, float, float]
"""A packet, its time in the stream, and its arrival by the wall clock."""

BURST_S = 0.01
"""Packets that follow each other faster at the start come from the connection's buffer. They arrived earlier."""
MAX_BURST_S = 1.0
"""A burst ends after so long."""
STABLE_S = 10.0
"""A connection this long resets the backoff. A camera that accepts and hangs up must not be called without pause."""

log = metrics.log("sample")


@dataclass
class Backoff:
    """Exponential backoff between connection attempts.

    The wait doubles from ``first_s`` to ``max_s``, minus a random part of up to a half. So forty cameras behind one
    switch do not reconnect in step. A camera that is away for a night gets 3,000 attempts, and is soon back.
    """

    first_s: float = 0.5
    max_s: float = 30.0
    _attempts: int = 0

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        longest = min(self.max_s, self.first_s * 2.0 ** min(self._attempts, 16))
        self._attempts += 1
        return longest * random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Starts again from ``first_s``, after a stable connection."""
        self._attempts = 0


class NetworkCamera:
    """The packets of an RTSP or HTTP camera. It reconnects after each loss, and never prints the URL's password."""

    def __init__(
        self,
        camera: str,
        url: SourceUrl,
        *,
        deadlines: Deadlines | None = None,
        backoff: Backoff | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.state: State = "connecting"
        self._camera = camera
        self._url = url
        self._deadlines = deadlines or Deadlines()
        self._backoff = backoff or Backoff()
        self._now = now
        self._epochs = EpochCounter(camera)

    def packets(self, stop: threading.Event) -> Iterator[Packet | SourceEvent]:
        """Packets as they arrive, and an event ``lost`` for each loss. Ends only when ``stop`` is set.

        A blocked call ends at its deadline, so stopping may take that long.
        """
        while not stop.is_set():
            reason, started = "ended", time.monotonic()
            try:
                yield from self._stream(stop)
            except (av.error.FFmpegError, OSError) as error:
                # libav reports a missing answer as invalid data.
                late = self.state == "connecting" and time.monotonic() - started >= self._deadlines.connect_s
                reason = "timeout" if late else _reason(error, self.state)
                log.warning("camera %s: %s: %s", self._camera, reason, redact(str(error)))
            if stop.is_set():
                break
            self.state = "backing_off"
            metrics.RECONNECTS.labels(self._camera, reason).inc()
            yield SourceEvent("lost")
            stop.wait(self._backoff.next())
        self.state = "closed"

    def _stream(self, stop: threading.Event) -> Iterator[Packet]:
        self.state = "connecting"
        with contextlib.closing(connect(self._url, self._deadlines)) as opened:
            clock, started = ArrivalClock(), time.monotonic()
            for packet, stream_s, arrived_at in _after_burst(self._arrivals(opened)):
                if stop.is_set():
                    return
                decode_at = clock.capture_time(stream_s, arrived_at, opened.realtime_s)
                if self.state == "connecting":
                    self.state = "streaming"
                    self._epochs.start(decode_at, "reconnect" if self._epochs.current else "start")
                if time.monotonic() - started > STABLE_S:
                    self._backoff.reset()
                reordered_s = packet.pts - packet.dts if opened.has_times and packet.pts is not None else 0.0
                yield Packet(
                    decode_at + reordered_s,
                    decode_at,
                    packet.data,
                    packet.key,
                    opened.codec,
                    self._epochs.update(decode_at),
                    has_pts=opened.has_times and packet.pts is not None,
                    clock_s=clock.clock_s,
                )

    def _arrivals(self, opened: OpenedSource) -> Iterator[Arrival]:
        """Each packet with its time in the stream and its arrival. Without times of its own, arrival counts."""
        for packet in opened:
            yield packet, packet.dts if opened.has_times else time.monotonic(), self._now()


def _after_burst(arrivals: Iterator[Arrival]) -> Iterator[Arrival]:
    """The same packets. Those of the connection's buffer get the times at which they would have arrived without it.

    Otherwise the first picture would be dated too late, and the next ones would get no time of their own.
    """
    burst: list[Arrival] = []
    started = previous = time.monotonic()
    for arrival in arrivals:
        now = time.monotonic()
        burst.append(arrival)
        if len(burst) > 1 and not (now - previous < BURST_S and now - started < MAX_BURST_S):
            break
        previous = now
    delay_s = min((arrived_at - stream_s for _, stream_s, arrived_at in burst), default=0.0)
    for packet, stream_s, _ in burst:
        yield packet, stream_s, stream_s + delay_s
    yield from arrivals


def _reason(error: Exception, state: State) -> str:
    """The value of the label ``reason`` of the reconnect counter."""
    if isinstance(error, (av.error.HTTPUnauthorizedError, av.error.HTTPForbiddenError)):
        return "unauthorized"
    if isinstance(error, (av.error.ExitError, TimeoutError)):
        return "stalled" if state == "streaming" else "timeout"
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, (av.error.EOFError, ConnectionError)):
        return "ended"
    return "unreadable" if isinstance(error, av.error.InvalidDataError) else "error"
