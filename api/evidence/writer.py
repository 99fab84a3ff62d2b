"""The thread that writes evidence, and its queue."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from api.evidence.media_files import failure_reason
from api.storage.records import MediaFile, MediaKind
from lanewatch import metrics

QUEUE_LIMIT = 64
"""Each waiting job holds some seconds of packets: 64 clips of 4 Mbit/s are at most 800 MB. Writing one takes 20 ms."""

log = metrics.log("evidence")


@dataclass(frozen=True)
class WriteJob:
    """A file to be written for the event ``(run, id)``. ``write`` writes it and returns its state."""

    run: str
    id: str
    camera: str
    kind: MediaKind
    write: Callable[[], MediaFile]


class EvidenceWriter:
    """Writes one file after another, outside of the thread that watches.

    Args:
        on_written: Called with every job and its outcome.
        newest_wins: A full queue drops its oldest job (live) instead of blocking the caller (recordings).
        limit: Jobs that may wait.
    """

    def __init__(
        self, on_written: Callable[[WriteJob, MediaFile], None], *, newest_wins: bool, limit: int = QUEUE_LIMIT
    ) -> None:
        self._on_written = on_written
        self._newest_wins = newest_wins
        self._limit = limit
        self._jobs: deque[WriteJob] = deque()
        self._busy = False
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="evidence", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def submit(self, job: WriteJob) -> None:
        """Queues a job. It replaces a waiting job for the same file."""
        dropped = None
        key = (job.run, job.id, job.kind)
        with self._changed:
            self._jobs = deque(other for other in self._jobs if (other.run, other.id, other.kind) != key)
            if len(self._jobs) >= self._limit and self._newest_wins:
                dropped = self._jobs.popleft()
            self._changed.wait_for(lambda: len(self._jobs) < self._limit or self._closed)
            self._jobs.append(job)
            self._changed.notify_all()
        if dropped is not None:
            self._report(dropped, MediaFile("failed", "queue_full"))

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Waits until all jobs are written. Returns whether that happened in time."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._jobs and not self._busy, timeout_s)

    def close(self, *, discard: bool = False) -> None:
        """Ends the thread after all waiting jobs, or with ``discard`` after the current one."""
        with self._changed:
            self._closed = True
            if discard:
                self._jobs.clear()
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while (job := self._next_job()) is not None:
            began = time.perf_counter()
            try:
                self._report(job, self._write(job))
            except Exception:  # this thread must survive every error of the store
                log.exception("event %s: the outcome of its %s could not be reported", job.id, job.kind)
            finally:
                metrics.STAGE_SECONDS.labels("evidence").observe(time.perf_counter() - began)
                with self._changed:
                    self._busy = False
                    self._changed.notify_all()

    def _next_job(self) -> WriteJob | None:
        with self._changed:
            self._changed.wait_for(lambda: self._jobs or self._closed)
            if not self._jobs:
                return None
            self._busy = True
            # Operators see the snapshot first, and it takes 10 ms. A clip that must be encoded takes a second.
            job = next((job for job in self._jobs if job.kind == "snapshot"), self._jobs[0])
            self._jobs.remove(job)
            self._changed.notify_all()
            return job

    def _write(self, job: WriteJob) -> MediaFile:
        try:
            return job.write()
        except Exception as error:  # noqa: BLE001 - after any error the next job must still be written
            log.error("camera %s, event %s: no %s: %s", job.camera, job.id, job.kind, error)
            return MediaFile("failed", failure_reason(error))

    def _report(self, job: WriteJob, media: MediaFile) -> None:
        if media.status == "failed":
            metrics.DROPPED.labels("evidence", job.camera, media.reason).inc()
        self._on_written(job, media)
