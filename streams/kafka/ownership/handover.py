"""Which cameras a node samples now, and those that it goes on with until somebody else's first frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping

from lanewatch import metrics
from lanewatch.config.site import Camera
from streams.kafka.ownership.camera_task import CameraTask, sampling_key

OVERLAP_S = 10.0
"""A camera is sampled on for at most so long after it was taken away. A group takes three to six seconds to settle and
a camera one to five to show its first picture; two samplers of one camera cost it a second connection."""

log = metrics.log("sample")

Begin = Callable[[Camera, str], CameraTask]
Succeeded = Callable[[str], bool]


class Handover:
    """Begins and ends turns, so that a camera changes hands or sources without a gap. Not thread-safe.

    Args:
        begin: makes a turn of a camera and a time zone.
        succeeded: whether another process's frames of a camera have begun to come.
    """

    def __init__(self, begin: Begin, succeeded: Succeeded, *, overlap_s: float = OVERLAP_S) -> None:
        self._begin = begin
        self._succeeded = succeeded
        self._overlap_s = overlap_s
        self._turns: dict[str, CameraTask] = {}
        self._leaving: dict[str, tuple[CameraTask, float]] = {}
        self._replaced: dict[str, list[tuple[CameraTask, float]]] = {}

    @property
    def turns(self) -> Mapping[str, CameraTask]:
        """What is sampled because it is ours, by camera."""
        return self._turns

    @property
    def leaving(self) -> list[str]:
        """The cameras that are no longer ours and whose successor's first frame is waited for."""
        return sorted(self._leaving)

    def want(self, mine: Container[str], cameras: Iterable[Camera], time_zone: str) -> None:
        """Samples just these.

        What goes on until its successor's first frame does so only while it shows no more than may be seen: where a
        camera's privacy masks have changed, or the site has it no more, it is ended at once.

        Args:
            mine: the cameras that are this node's.
            cameras: the site's, as they are now.
            time_zone: of the site.
        """
        present = {camera.id: camera for camera in cameras}
        self._conceal(present)
        for camera in present.values():
            if camera.id in mine:
                self._want(camera, time_zone)
        for camera_id in [one for one in self._turns if one not in present or one not in mine]:
            turn = self._turns.pop(camera_id)
            if camera_id in present:
                self._leaving[camera_id] = (turn, time.monotonic() + self._overlap_s)
            else:
                turn.remove()
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

    def _conceal(self, present: Mapping[str, Camera]) -> None:
        """Ends at once what shows more than may be seen."""
        for camera_id, (turn, _) in list(self._leaving.items()):
            if camera_id not in present:
                turn.remove()
            elif turn.camera.masks != present[camera_id].masks:
                turn.close()
            else:
                continue
            del self._leaving[camera_id]
        old = [turn for replaced in self._replaced.values() for turn, _ in replaced]
        for turn in (*self._turns.values(), *old):
            camera = present.get(turn.camera.id)
            if camera is not None and turn.camera.masks != camera.masks:
                turn.close()

    def _want(self, camera: Camera, time_zone: str) -> None:
        back = self._leaving.pop(camera.id, None)
        if back is not None and self._succeeded(camera.id):
            back[0].close()  # its epoch has been followed by a newer one: nobody would take its frames
        elif back is not None:
            self._turns[camera.id] = back[0]
        present = self._turns.get(camera.id)
        if present is not None and present.key == sampling_key(camera, time_zone):
            return
        turn = self._turns[camera.id] = self._begin(camera, time_zone)
        if present is not None:
            olds = self._replaced.setdefault(camera.id, [])
            olds.append((present, time.monotonic() + self._overlap_s))
        turn.start()

    @staticmethod
    def _ended(old: CameraTask, until: float, done: bool, now: float) -> bool:
        if done or now >= until or old.over:
            old.close()
            return True
        return False
