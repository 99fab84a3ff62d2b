"""Which cameras a node samples now, and those that it goes on with until somebody else's first frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from lanewatch import telemetry
from lanewatch.site import Camera
from streams.kafka.turn import Turn, seen_as

OVERLAP_S = 10.0
"""A camera is sampled on for at most so long after it was taken away. A group takes three to six seconds to settle and
a camera one to five to show its first picture; two samplers of one camera cost it a second connection."""

log = telemetry.log("sample")

Begin = Callable[[Camera, str], Turn]
Succeeded = Callable[[str], bool]


class Succession:
    """Begins and ends turns, so that a camera changes hands or sources without a gap. Not thread-safe.

    Args:
        begin: makes a turn of a camera and a time zone.
        succeeded: whether another process's frames of a camera have begun to come.
    """

    def __init__(self, begin: Begin, succeeded: Succeeded, *, overlap_s: float = OVERLAP_S) -> None:
        self._begin = begin
        self._succeeded = succeeded
        self._overlap_s = overlap_s
        self._turns: dict[str, Turn] = {}
        self._leaving: dict[str, tuple[Turn, float]] = {}
        self._replaced: dict[str, list[tuple[Turn, float]]] = {}

    @property
    def turns(self) -> Mapping[str, Turn]:
        """What is sampled because it is ours, by camera."""
        return self._turns

    @property
    def leaving(self) -> list[str]:
        """The cameras that are no longer ours and whose successor's first frame is waited for."""
        return sorted(self._leaving)

    def want(self, cameras: Iterable[Camera], time_zone: str, known: Callable[[str], bool]) -> None:
        """Samples just these.

        Args:
            cameras: as they are now.
            time_zone: of the site.
            known: whether the site still has a camera that is not among them: somebody else will have it then.
        """
        wanted = {camera.id: camera for camera in cameras}
        for camera in wanted.values():
            self._want(camera, time_zone)
        for camera_id in self._turns.keys() - wanted.keys():
            turn = self._turns.pop(camera_id)
            if known(camera_id):
                self._leaving[camera_id] = (turn, time.monotonic() + self._overlap_s)
            else:
                turn.close()
                log.info("camera %s is no longer in the site", camera_id)

    def settle(self) -> None:
        """Ends what has been succeeded, and what has waited for that long enough."""
        now = time.monotonic()
        for camera, (turn, until) in list(self._leaving.items()):
            succeeded = self._succeeded(camera)
            if not succeeded and now < until and not turn.over:
                continue
            if not succeeded and not turn.over:
                log.warning("camera %s: nobody has taken it within %.0f s", camera, self._overlap_s)
            turn.close()
            del self._leaving[camera]
        for camera, olds in list(self._replaced.items()):
            current = self._turns.get(camera)
            done = current is None or current.first is not None
            self._replaced[camera] = [(old, until) for old, until in olds if not self._ended(old, until, done, now)]
            if not self._replaced[camera]:
                del self._replaced[camera]

    def close(self) -> None:
        """Ends all at once."""
        turns = [*self._turns.values(), *(turn for turn, _ in self._leaving.values())]
        turns += [turn for olds in self._replaced.values() for turn, _ in olds]
        for turn in turns:
            turn.close()
        for turn in turns:
            turn.join(1.0)
        self._turns, self._leaving, self._replaced = {}, {}, {}

    def _want(self, camera: Camera, time_zone: str) -> None:
        back = self._leaving.pop(camera.id, None)
        if back is not None and self._succeeded(camera.id):
            back[0].close()  # its epoch has been followed by a newer one: nobody would take its frames
        elif back is not None:
            self._turns[camera.id] = back[0]
        present = self._turns.get(camera.id)
        if present is not None and present.key == seen_as(camera, time_zone):
            return
        turn = self._turns[camera.id] = self._begin(camera, time_zone)
        if present is not None:
            olds = self._replaced.setdefault(camera.id, [])
            olds.append((present, time.monotonic() + self._overlap_s))
        turn.start()

    @staticmethod
    def _ended(old: Turn, until: float, done: bool, now: float) -> bool:
        if done or now >= until or old.over:
            old.close()
            return True
        return False
