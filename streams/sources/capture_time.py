"""The capture time of a camera's packets, and the epochs in which it only rises."""

from __future__ import annotations

from prometheus_client import Counter

from lanewatch.records import MAX_CLOCK_ERROR_S

MAX_STEP_S = 2.0  # A larger step of capture time starts a new epoch. Network delays and lost pictures are shorter.
REORDER_S = 0.5  # Packets may be this much out of order. More means that the clock was set back.
MAX_DRIFT = 0.001  # seconds per second of growth of the offset to a camera's clock: ten times a cheap crystal's drift
EPOCHS = Counter("lanewatch_epochs", "Breaks in a camera's capture time.", ["camera", "reason"])


class EpochCounter:
    """Numbers a camera's epochs: stretches of time in which capture time rises.

    An epoch's number is its first capture time in milliseconds, or the last number plus one if that is greater. So
    numbers rise over restarts of the process, and when a camera's clock is set back.
    """

    def __init__(self, camera: str) -> None:
        self.current = 0
        self._camera = camera
        self._latest: float | None = None

    def start(self, captured_at: float, reason: str, *, joined_at: float = 0.0) -> int:
        """Starts a new epoch with the capture time of its first packet, and returns its number.

        ``joined_at`` is the capture time of now, if playback starts before it. So of two samplers, the one that joined
        later has the greater number.
        """
        self.current = max(round(max(captured_at, joined_at) * 1000), self.current + 1)
        self._latest = captured_at
        EPOCHS.labels(self._camera, reason).inc()
        return self.current

    def update(self, decode_at: float) -> int:
        """The epoch of the next packet. Packets come in decoding order."""
        if self._latest is None:
            return self.start(decode_at, "start")
        if decode_at < self._latest - REORDER_S:
            return self.start(decode_at, "back")
        if decode_at > self._latest + MAX_STEP_S:
            return self.start(decode_at, "ahead")
        self._latest = max(self._latest, decode_at)
        return self.current


class ArrivalClock:
    """Capture time of a live stream: from the camera's clock if RTCP reports it, otherwise from arrival.

    Without the camera's clock, stream time is compared with arrival time. A network only adds delay, so the smallest
    difference is the best estimate. It may grow by ``MAX_DRIFT`` to follow a drifting camera. A difference that jumps
    by more than ``MAX_STEP_S`` means that the stream was cut; it is used at once.

    ``clock_s`` is the camera's clock minus ours, network delay included, even if it is too far off to be used. It is
    None until the camera reports its time.
    """

    def __init__(self) -> None:
        self.clock_s: float | None = None
        self._offset: float | None = None
        self._arrived_at = 0.0
        self._latest = 0.0

    def capture_time(self, stream_s: float, arrived_at: float, realtime_s: float | None = None) -> float:
        """Capture time, seconds UTC, of a packet by its time in the stream and its arrival by the wall clock.

        ``realtime_s`` is the wall time of the stream's zero as the camera reports it by RTCP; None without a report.
        """
        reported = None if realtime_s is None else realtime_s + stream_s
        self.clock_s = None if reported is None else reported - arrived_at
        if reported is not None and abs(reported - arrived_at) < MAX_CLOCK_ERROR_S:
            self._offset = None
            # The first report may differ a little from the estimate by arrival.
            slightly_back = self._latest - REORDER_S < reported <= self._latest
            self._latest = self._latest + 0.001 if slightly_back else reported
            return self._latest
        offset = arrived_at - stream_s
        if self._offset is None or abs(offset - self._offset) > MAX_STEP_S:
            self._offset = offset
            self._latest = arrived_at
        else:
            self._offset = min(offset, self._offset + MAX_DRIFT * max(arrived_at - self._arrived_at, 0.0))
            # A better offset is a smaller one. It must not make time go back.
            self._latest = max(self._latest + 0.001, stream_s + self._offset)
        self._arrived_at = arrived_at
        return self._latest
