"""Capture time: where a camera's comes from, and where it breaks off and begins anew."""

from __future__ import annotations

from prometheus_client import Counter

JUMP_S = 2.0
"""A step of capture time beyond this opens a new epoch: shorter ones are a network's hiccups and lost pictures."""

REORDER_S = 0.5
"""Packets may come this much out of order before it means that the clock was set back."""

SANE_S = 86_400.0
"""A camera's own clock is believed if it is within a day of ours; cameras that were never set say 1970 or 2000."""

CATCH_UP = 0.001
"""Seconds a second by which the offset to a camera's clock may grow: ten times the drift of a cheap crystal."""

BREAKS = Counter("lanewatch_epochs", "Breaks in a camera's capture time.", ["camera", "reason"])


class EpochCounter:
    """Numbers the stretches of a camera's time in which capture time rises.

    A number is the capture time of its opening in milliseconds, or one more than the last where that is greater: so
    numbers rise over restarts of the process, and when a camera's clock is set back.
    """

    def __init__(self, camera: str) -> None:
        self.current = 0
        self._camera = camera
        self._last: float | None = None

    def open(self, captured_at: float, reason: str, *, joined: float = 0.0) -> int:
        """Begins a new epoch; ``reason`` is one of start, reconnect, loop, ahead, back.

        Where playing begins before what is shown by now, ``joined`` is the capture time of now: the number is that of
        who came last.
        """
        self.current = max(round(max(captured_at, joined) * 1000), self.current + 1)
        self._last = captured_at
        BREAKS.labels(self._camera, reason).inc()
        return self.current

    def of(self, decode_at: float) -> int:
        """The epoch of the next packet, by its time in the order of decoding."""
        if self._last is None:
            return self.open(decode_at, "start")
        if decode_at < self._last - REORDER_S:
            return self.open(decode_at, "back")
        if decode_at > self._last + JUMP_S:
            return self.open(decode_at, "ahead")
        self._last = max(self._last, decode_at)
        return self.current


class ArrivalClock:
    """Capture time of a live stream, from its own clock where it is told and from arrival where it isn't.

    Without the camera's clock the stream's times are laid beside the times of arrival. A network only ever delays, so
    the smallest difference seen is the truest; it may grow by ``CATCH_UP`` to follow a drifting camera. A difference
    that leaps by more than ``JUMP_S`` is a stream that was cut, and is taken as it is.

    Attributes:
        clock_s: The camera's clock less ours, the packet's way over the network included, believed or not; None as
            long as it has told no time.
    """

    def __init__(self) -> None:
        self.clock_s: float | None = None
        self._offset: float | None = None
        self._at = 0.0
        self._last = 0.0

    def __call__(self, stream_s: float, arrived_at: float, realtime_s: float | None = None) -> float:
        """Capture time, seconds UTC.

        Args:
            stream_s: the packet's time in the stream, seconds.
            arrived_at: when it came, wall clock.
            realtime_s: the wall time of the stream's zero as the camera told it (RTCP), if it did.
        """
        self.clock_s = None if realtime_s is None else realtime_s + stream_s - arrived_at
        if realtime_s is not None and abs(realtime_s + stream_s - arrived_at) < SANE_S:
            self._offset = None
            told = realtime_s + stream_s
            # The first report may differ a little from what arrival said until then.
            self._last = self._last + 0.001 if self._last - REORDER_S < told <= self._last else told
            return self._last
        seen = arrived_at - stream_s
        if self._offset is None or abs(seen - self._offset) > JUMP_S:
            self._offset = seen
            self._last = arrived_at
        else:
            self._offset = min(seen, self._offset + CATCH_UP * max(arrived_at - self._at, 0.0))
            # A better offset is a smaller one: it must not carry time backwards.
            self._last = max(self._last + 0.001, stream_s + self._offset)
        self._at = arrived_at
        return self._last
