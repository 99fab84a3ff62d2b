"""The status of the cameras, as the console and `/v1/cameras` show it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from api.iso_time import Instant
from lanewatch.config.site import Camera, Site
from lanewatch.records import Gap, Watermark

CameraState = Literal["waiting", "live", "idle", "lost", "ended", "silent"]

SILENT_S = 10.0
"""A camera without motion ticks each second. Ten missing ticks are not explained by load."""

RATE_WINDOW_S = 10.0
"""Capture time over which the frame rate is averaged: a dozen frames at the lowest active rates."""


@dataclass(frozen=True)
class CameraStatus:
    """A camera as the API shows it. Its URL is left out, because it may hold a password.

    ``state``: waiting (no record yet), live, idle (no motion), lost (unreachable, reconnecting), ended (a recording
    has ended), silent (no record for ten seconds). ``rate`` is in frames a second of capture time. ``clock_s`` is the
    camera's clock minus ours in seconds; None if the camera does not report its clock.
    """

    id: str
    name: dict[str, str]
    group: str
    latitude: float
    longitude: float
    time_zone: str
    zones: dict[str, dict[str, str]]
    state: CameraState
    captured_at: Instant | None
    rate: float
    clock_s: float | None


@dataclass
class _CameraProgress:
    """The last record of a camera; ``received_at`` is in seconds of the board's clock."""

    captured_at: float | None = None
    received_at: float = 0.0
    gap: Gap | None = None
    clock_s: float | None = None
    pictures: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=1024))


class CameraStatusBoard:
    """Follows the progress of each camera. The runner's thread writes, the API's threads read.

    Args:
        current_site: Returns the site in effect; the same object as long as the site is the same.
        clock: Seconds, to measure how long ago a record arrived.
    """

    def __init__(self, current_site: Callable[[], Site], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._current_site = current_site
        self._clock = clock
        self._lock = threading.Lock()
        self._progress: dict[str, _CameraProgress] = {}
        self._site: Site | None = None

    @property
    def site(self) -> Site:
        """The site in effect."""
        with self._lock:
            return self._refresh_site()

    def _refresh_site(self) -> Site:
        """The site in effect; its cameras are the ones that are followed. The caller holds the lock."""
        site = self._current_site()
        if site is not self._site:
            self._site = site
            self._progress = {camera.id: self._progress.get(camera.id) or _CameraProgress() for camera in site.cameras}
        return site

    def update(self, camera: str, watermark: Watermark) -> None:
        """Notes the capture time up to which a camera's records have been processed."""
        with self._lock:
            self._refresh_site()
            progress = self._progress.get(camera)
            if progress is None:
                return
            if progress.captured_at is not None and watermark.captured_at < progress.captured_at:
                progress.pictures.clear()  # the clock went back, or a recording started again
            progress.captured_at, progress.received_at = watermark.captured_at, self._clock()
            progress.gap, progress.clock_s = watermark.gap, watermark.clock_s
            if watermark.pictures:
                progress.pictures.append((watermark.captured_at, watermark.pictures))

    def current_capture_time(self, camera: str) -> float | None:
        """The last record's capture time plus the time since its arrival; None before the first record.

        A clip with a simulated clock has a time of its own, and the press of a bell is stored in that time.
        """
        with self._lock:
            progress = self._progress.get(camera)
            if progress is None or progress.captured_at is None:
                return None
            return progress.captured_at + max(0.0, self._clock() - progress.received_at)

    def statuses(self) -> list[CameraStatus]:
        """All cameras, in the order of the site."""
        with self._lock:
            site = self._refresh_site()
            return [self._status(camera, self._progress[camera.id], site.time_zone) for camera in site.cameras]

    def _status(self, camera: Camera, progress: _CameraProgress, time_zone: str) -> CameraStatus:
        return CameraStatus(
            id=camera.id,
            name=camera.name.model_dump(),
            group=camera.group,
            latitude=camera.latitude,
            longitude=camera.longitude,
            time_zone=camera.time_zone or time_zone,
            zones={zone.id: zone.name.model_dump() for zone in camera.zones}
            | {line.id: line.name.model_dump() for line in camera.lines},
            state=self._state(progress),
            captured_at=progress.captured_at,
            rate=_frame_rate(progress),
            clock_s=progress.clock_s,
        )

    def _state(self, progress: _CameraProgress) -> CameraState:
        if progress.captured_at is None:
            return "waiting"
        if progress.gap == "ended":
            return "ended"
        if self._clock() - progress.received_at > SILENT_S:
            return "silent"
        if progress.gap == "lost":
            return "lost"
        return "idle" if progress.gap == "idle" else "live"


def _frame_rate(progress: _CameraProgress) -> float:
    now = progress.captured_at or 0.0
    recent = [(at, count) for at, count in progress.pictures if at > now - RATE_WINDOW_S]
    if len(recent) < 2 or recent[-1][0] == recent[0][0]:
        return 0.0
    return round(sum(count for _, count in recent[1:]) / (now - recent[0][0]), 2)
