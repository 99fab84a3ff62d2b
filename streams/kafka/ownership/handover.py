"""The cameras that a node samples: its own, and former ones until the successor's first frame."""

from __future__ import annotations

import time
from collections.abc import Callable, Container, Iterable, Mapping

from lanewatch import metrics
from lanewatch.config.site import Camera
from streams.kafka.ownership.camera_task import CameraTask, sampling_key

OVERLAP_S = 10.0
"""Longest time for which a node samples a camera that it has lost. A rebalance takes three to six seconds, a camera's
first frame one to five. Two samplers of one camera mean a second connection to it."""

log = metrics.log("sample")

MakeTask = Callable[[Camera, str], CameraTask]
HasSuccessor = Callable[[str], bool]


class Handover:
    """Starts and stops camera tasks so that a change of the node or of the source leaves no gap. Not thread-safe.

    ``has_successor`` says whether frames of a camera have started to come from another process.
    """

    def __init__(self, make_task: MakeTask, has_successor: HasSuccessor, *, overlap_s: float = OVERLAP_S) -> None:
        self._make_task = make_task
        self._has_successor = has_successor
        self._overlap_s = overlap_s
        self._tasks: dict[str, CameraTask] = {}
        self._leaving: dict[str, tuple[CameraTask, float]] = {}  # with the end of the overlap
        self._replaced: list[tuple[CameraTask, float]] = []  # by a task with other settings

    @property
    def tasks(self) -> Mapping[str, CameraTask]:
        """The tasks of this node's cameras, by camera."""
        return self._tasks

    @property
    def leaving(self) -> list[str]:
        """Former cameras that are still sampled, until the successor's first frame."""
        return sorted(self._leaving)

    def set_cameras(self, owned: Container[str], cameras: Iterable[Camera], time_zone: str) -> None:
        """Samples these cameras.

        A task that waits for its successor stops at once if the camera's privacy masks have changed or the site has
        the camera no more: it must not show what is now masked.

        Args:
            owned: Ids of this node's cameras.
            cameras: All cameras of the site, as they are now.
        """
        present = {camera.id: camera for camera in cameras}
        self._stop_outdated_masks(present)
        for camera in present.values():
            if camera.id in owned:
                self._sample(camera, time_zone)
        for camera_id in [task for task in self._tasks if task not in present or task not in owned]:
            task = self._tasks.pop(camera_id)
            if camera_id in present:
                self._leaving[camera_id] = (task, time.monotonic() + self._overlap_s)
            else:
                task.remove()
                log.info("camera %s is no longer in the site", camera_id)

    def update(self) -> None:
        """Stops former tasks that have a successor, or have waited for one for ``overlap_s``."""
        now = time.monotonic()
        for camera, (task, until) in list(self._leaving.items()):
            succeeded = self._has_successor(camera)
            if not succeeded and now < until and not task.ended:
                continue
            if not succeeded and not task.ended:
                log.warning("camera %s: no other sampler has taken it within %.0f s", camera, self._overlap_s)
            task.close()
            del self._leaving[camera]
        for replaced in list(self._replaced):
            task, until = replaced
            current = self._tasks.get(task.camera.id)
            if current is None or current.first_frame is not None or now >= until or task.ended:
                task.close()
                self._replaced.remove(replaced)

    def close(self) -> None:
        """Stops all tasks at once."""
        tasks = [*self._tasks.values(), *(task for task, _ in (*self._leaving.values(), *self._replaced))]
        for task in tasks:
            task.close()
        for task in tasks:
            task.join(1.0)
        self._tasks, self._leaving, self._replaced = {}, {}, []

    def _stop_outdated_masks(self, present: Mapping[str, Camera]) -> None:
        for camera_id, (task, _) in list(self._leaving.items()):
            if camera_id not in present:
                task.remove()
            elif task.camera.masks != present[camera_id].masks:
                task.close()
            else:
                continue
            del self._leaving[camera_id]
        for task in (*self._tasks.values(), *(task for task, _ in self._replaced)):
            camera = present.get(task.camera.id)
            if camera is not None and task.camera.masks != camera.masks:
                task.close()

    def _sample(self, camera: Camera, time_zone: str) -> None:
        returned = self._leaving.pop(camera.id, None)
        if returned is not None and self._has_successor(camera.id):
            returned[0].close()  # the successor's epoch is newer, so this task's frames would be skipped
        elif returned is not None:
            self._tasks[camera.id] = returned[0]
        present = self._tasks.get(camera.id)
        if present is not None and present.key == sampling_key(camera, time_zone):
            return
        task = self._tasks[camera.id] = self._make_task(camera, time_zone)
        if present is not None:
            self._replaced.append((present, time.monotonic() + self._overlap_s))
        task.start()
