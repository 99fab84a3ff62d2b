"""How the cameras are: what the console's strip and `/v1/cameras` show."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

import msgspec

from lanewatch.config.site import Camera, Site
from lanewatch.records import Gap, Watermark

CameraState = Literal["waiting", "live", "idle", "lost", "ended", "silent"]

SILENT_S = 10.0
"""A still camera ticks each second, so ten of them missing are no accident of load."""

WINDOW_S = 10.0
"""Capture time over which a rate is averaged: a dozen frames at the lowest active rates."""


class CameraStatus(msgspec.Struct, frozen=True):
    """A camera as the API shows it. Its URL stays here: it may hold a password.

    ``state``: waiting (nothing came yet), live, idle (nothing moves), lost (out of reach, being tried again), ended (a
    recording is over), silent (nothing came for ten seconds). ``rate`` is in pictures a second of capture time.
    """

    id: str
    name: dict[str, str]
    group: str
    latitude: float
    longitude: float
    time_zone: str
    zones: dict[str, dict[str, str]]
    state: CameraState
    captured_at: float | None
    rate: float


class _Seen:
    def __init__(self) -> None:
        self.captured_at: float | None = None
        self.heard_at = 0.0
        self.gap: Gap | None = None
        self.pictures: deque[tuple[float, int]] = deque(maxlen=1024)


class CameraStatusBoard:
    """What has last come from each camera. Told by the runner's thread, asked by the API's.

    Args:
        present: the site that holds now; while it is the same, the very same object.
        clock: seconds, for how long ago something came.
    """

    def __init__(self, present: Callable[[], Site], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._present = present
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, _Seen] = {}
        self._known: Site | None = None

    @property
    def site(self) -> Site:
        """The one that holds now."""
        with self._lock:
            return self._now_known()

    def _now_known(self) -> Site:
        """The present site, whose cameras are those that are followed. The lock is held."""
        site = self._present()
        if site is not self._known:
            self._known = site
            self._seen = {camera.id: self._seen.get(camera.id) or _Seen() for camera in site.cameras}
        return site

    def advance(self, camera: str, reached: Watermark) -> None:
        """Notes how far a camera has been judged."""
        with self._lock:
            self._now_known()
            seen = self._seen.get(camera)
            if seen is None:
                return
            if seen.captured_at is not None and reached.captured_at < seen.captured_at:
                seen.pictures.clear()  # the clock went back, or a recording began anew
            seen.captured_at, seen.heard_at, seen.gap = reached.captured_at, self._clock(), reached.gap
            if reached.pictures:
                seen.pictures.append((reached.captured_at, reached.pictures))

    def now(self, camera: str) -> float | None:
        """The camera's capture time at this moment: its last record's, and what has passed since. None before one.

        A clip that is played with a simulated clock has a time of its own, and a bell beside it must be told in it.
        """
        with self._lock:
            seen = self._seen.get(camera)
            if seen is None or seen.captured_at is None:
                return None
            return seen.captured_at + max(0.0, self._clock() - seen.heard_at)

    def views(self) -> list[CameraStatus]:
        """All cameras, as the site lists them."""
        with self._lock:
            site = self._now_known()
            return [self._view(camera, self._seen[camera.id], site.time_zone) for camera in site.cameras]

    def _view(self, camera: Camera, seen: _Seen, time_zone: str) -> CameraStatus:
        return CameraStatus(
            id=camera.id,
            name=camera.name.model_dump(),
            group=camera.group,
            latitude=camera.latitude,
            longitude=camera.longitude,
            time_zone=camera.time_zone or time_zone,
            zones={
                **{zone.id: zone.name.model_dump() for zone in camera.zones},
                **{line.id: line.name.model_dump() for line in camera.lines},
            },
            state=self._state(seen),
            captured_at=seen.captured_at,
            rate=_rate(seen),
        )

    def _state(self, seen: _Seen) -> CameraState:
        if seen.captured_at is None:
            return "waiting"
        if seen.gap == "ended":
            return "ended"
        if self._clock() - seen.heard_at > SILENT_S:
            return "silent"
        if seen.gap == "lost":
            return "lost"
        return "idle" if seen.gap == "idle" else "live"


def _rate(seen: _Seen) -> float:
    if seen.captured_at is None:
        return 0.0
    recent = [(at, count) for at, count in seen.pictures if at > seen.captured_at - WINDOW_S]
    if len(recent) < 2 or recent[-1][0] == recent[0][0]:
        return 0.0
    return round(sum(count for _, count in recent[1:]) / (seen.captured_at - recent[0][0]), 2)
