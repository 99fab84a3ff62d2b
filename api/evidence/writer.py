"""The thread that writes evidence, and the queue before it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from api.evidence.media_files import failure_reason
from api.serialization import MediaFile
from lanewatch import metrics

WAITING = 64
"""Pictures that wait to be written. Each holds some seconds of packets: 64 clips of 4 Mbit/s are 800 MB at the very
worst, and one is written in some 20 ms."""

log = metrics.log("evidence")


@dataclass(frozen=True)
class WriteJob:
    """A picture to be written, of the event ``(run, id)``."""

    run: str
    id: str
    camera: str
    what: Literal["snapshot", "clip"]
    work: Callable[[], MediaFile]


class EvidenceWriter:
    """Writes one picture after the other, away from the thread that watches.

    Args:
        done: Told of every job, and how it came out.
        newest_wins: Whether a full queue gives up its oldest job (live) or makes the caller wait (recordings).
    """

    def __init__(self, done: Callable[[WriteJob, MediaFile], None], *, newest_wins: bool, limit: int = WAITING) -> None:
        self._done = done
        self._newest_wins = newest_wins
        self._limit = limit
        self._jobs: deque[WriteJob] = deque()
        self._busy = False
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether the thread is at work."""
        return self._thread.is_alive()

    def submit(self, job: WriteJob) -> None:
        """Queues a job, in place of one for the same picture that still waits."""
        given_up = None
        key = (job.run, job.id, job.what)
        with self._changed:
            self._jobs = deque(one for one in self._jobs if (one.run, one.id, one.what) != key)
            if len(self._jobs) >= self._limit and self._newest_wins:
                given_up = self._jobs.popleft()
            self._changed.wait_for(lambda: len(self._jobs) < self._limit or self._closed)
            self._jobs.append(job)
            self._changed.notify_all()
        if given_up is not None:
            self._tell(given_up, MediaFile("failed", "queue_full"))

    def settle(self, timeout_s: float) -> bool:
        """Waits until nothing is left to write; whether that was in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs and not self._busy, timeout_s)

    def close(self, *, leave: bool = False) -> None:
        """Ends the thread after the jobs that wait; with ``leave`` after the one at hand, the others are forgotten."""
        with self._changed:
            self._closed = True
            if leave:
                self._jobs.clear()
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            began = time.perf_counter()
            try:
                self._tell(job, self._outcome(job))
            except Exception:  # this thread must outlive whatever a store answers
                log.exception("event %s: how its %s came out could not be told", job.id, job.what)
            finally:
                metrics.STAGE_SECONDS.labels("evidence").observe(time.perf_counter() - began)
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _next(self) -> WriteJob | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            if not self._jobs:
                return None
            self._busy = True
            # A snapshot is written in a hundredth of a second and is what people look at first; a clip takes a second
            # where it has to be encoded.
            job = next((one for one in self._jobs if one.what == "snapshot"), self._jobs[0])
            self._jobs.remove(job)
            self._changed.notify_all()
            return job

    def _outcome(self, job: WriteJob) -> MediaFile:
        try:
            return job.work()
        except Exception as error:  # noqa: BLE001 - whatever a picture breaks on, the next must still be written
            log.error("camera %s, event %s: no %s: %s", job.camera, job.id, job.what, error)
            return MediaFile("failed", failure_reason(error))

    def _tell(self, job: WriteJob, medium: MediaFile) -> None:
        if medium.status == "failed":
            metrics.DROPPED.labels("evidence", job.camera, medium.reason).inc()
        self._done(job, medium)
