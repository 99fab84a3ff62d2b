"""The thread that writes evidence, its queue, and the state of what it wrote."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from api.evidence.media_files import failure_reason
from api.storage.event_store import EventStore
from api.storage.records import MediaFile, MediaKind
from lanewatch import metrics
from streams.stages import UnavailableError

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
    """Writes one file after another, in a thread of its own, and calls ``on_written`` with each outcome.

    A queue of ``limit`` waiting jobs is full. With ``newest_wins`` (live) it then drops its oldest job, otherwise
    (recordings) the caller waits. None is for jobs that hold no packets: the queue is never full.
    """

    def __init__(
        self, on_written: Callable[[WriteJob, MediaFile], None], *, newest_wins: bool, limit: int | None = QUEUE_LIMIT
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
            if self._full() and self._newest_wins:
                dropped = self._jobs.popleft()
            self._changed.wait_for(lambda: not self._full() or self._closed)
            self._jobs.append(job)
            self._changed.notify_all()
        if dropped is not None:
            self._report(dropped, MediaFile("failed", "queue_full"))

    def _full(self) -> bool:
        return self._limit is not None and len(self._jobs) >= self._limit

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
            try:
                with metrics.STAGE_SECONDS.labels("evidence").time():
                    self._report(job, self._write(job))
            except Exception:  # this thread must survive every error of the store
                log.exception("event %s: the outcome of its %s could not be reported", job.id, job.kind)
            finally:
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


class EvidenceStatusLog:
    """Saves the outcome of each write. If the store is unavailable, the next call of ``save`` tries again."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._unsaved: dict[tuple[str, str], dict[MediaKind, MediaFile]] = {}

    def add(self, run: str, id: str, kind: MediaKind, media: MediaFile) -> None:
        """Adds an outcome. A failed write does not replace an existing file; only its reason is kept."""
        with self._lock:
            unsaved = self._unsaved.setdefault((run, id), {})
            unsaved[kind] = _merge(unsaved[kind], media) if kind in unsaved else media
        self.save()

    def save(self) -> None:
        """Writes all unsaved outcomes to the store."""
        with self._lock:
            for run, id in list(self._unsaved):
                try:
                    known = self._store.evidence_of(run, id)
                    merged = {kind: _merge(getattr(known, kind), new) for kind, new in self._unsaved[run, id].items()}
                    self._store.save_evidence(run, id, msgspec.structs.replace(known, **merged))
                except UnavailableError as error:
                    log.error("the evidence status of %d events waits for the store: %s", len(self._unsaved), error)
                    return
                del self._unsaved[run, id]


def _merge(known: MediaFile, new: MediaFile) -> MediaFile:
    if new.status == "failed" and known.file:
        reason = known.reason if known.status == "ready" else new.reason
        return msgspec.structs.replace(known, reason=reason)
    return new
