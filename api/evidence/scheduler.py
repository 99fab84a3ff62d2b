"""Decides when the snapshot and the clip of an event are cut from the cameras' recent video."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from api.evidence.media_files import SNAPSHOT_TOLERANCE_S, file_name, write_clip, write_snapshot
from api.evidence.writer import QUEUE_LIMIT, EvidenceStatusLog, EvidenceWriter, WriteJob
from api.storage.event_store import EventStore
from api.storage.records import MediaFile, MediaKind
from lanewatch.records import Event
from streams.stages import FrameStore, HeldFootage

PRE_ROLL_S = 5.0
POST_ROLL_S = 5.0
"""Operators need to see how it began and where the people went; Korean control centres ask for five seconds."""

BEFORE_OPENING_S = 25.0
AFTER_OPENING_S = 20.0
"""A long event's clip is limited to this time around its opening, the moment of the alarm. The packet buffer holds 60
s: a cut 20 s after the opening still finds the start 25 s before it, with 15 s in reserve for a backlog."""

NEW_SNAPSHOT_S = 5.0
"""A new peak gets a new snapshot at most this often. A slow walk towards the camera moves the peak with every frame."""

NEW_SNAPSHOT_RECORDED_S = 20.0
"""The same for recordings, which are not watched live: just often enough that no peak leaves the packet buffer."""

CLOSE_TIMEOUT_S = 3.0
"""How long a closing service waits for evidence that the next service could write."""

DISK_RESERVE = 64 * 2**20
"""Space for some 50,000 revisions of events: a night, until a person sees the counter and frees space."""


class _EvidencePlan:
    """The evidence of an open event. ``clip_complete`` is true if only snapshots are left to write."""

    def __init__(self, event: Event, opened_at: float) -> None:
        self.run, self.id, self.camera = event.run, event.id, event.camera
        self.clip_start = max(event.began_at - PRE_ROLL_S, opened_at - BEFORE_OPENING_S)
        self.clip_end = opened_at + AFTER_OPENING_S
        self.peak, self.snapshot_at = event.peak, event.updated_at
        self.clip_complete = False


class EvidenceScheduler:
    """Schedules each event's snapshot and clip.

    At the opening it holds the packets since the pre-roll at once, and a worker writes them. So there is something to
    see within a second. For a recording, only the snapshot is written then. ``advance`` cuts the complete clip when the
    post-roll is over. A failed write is counted, and its reason is in the event's evidence; it blocks nothing.

    Args:
        folder: The folder of the files; created if it does not exist.
        live: A full queue drops its oldest job; for recordings the caller waits instead.
        reserve: Bytes of the disk that stay free, so that a disk full of clips still takes events and the audit. None
            stands for 64 MiB, or a twentieth of a small disk.
        lasting: The video outlives this process. Then this process finishes the evidence of the one before, and leaves
            open evidence to the next one. Otherwise open evidence is marked as failed.
    """

    def __init__(
        self,
        store: EventStore,
        frames: FrameStore,
        folder: Path,
        *,
        live: bool = True,
        reserve: int | None = None,
        lasting: bool = False,
    ) -> None:
        self.folder = folder
        self._store = store
        self._frames = frames
        self._lock = threading.RLock()
        self._plans: dict[tuple[str, str], _EvidencePlan] = {}
        self._status_log = EvidenceStatusLog(store)
        folder.mkdir(parents=True, exist_ok=True)
        self._reserve = min(DISK_RESERVE, shutil.disk_usage(folder).total // 20) if reserve is None else reserve
        for incomplete in folder.glob("**/*.part.*"):
            incomplete.unlink()
        self._lasting = lasting
        self._live = live
        self._new_snapshot_s = NEW_SNAPSHOT_S if live else NEW_SNAPSHOT_RECORDED_S
        if not lasting:
            store.fail_pending_evidence()
        self._writer = EvidenceWriter(
            lambda job, media: self._status_log.add(job.run, job.id, job.kind, media),
            newest_wins=live,
            limit=None if lasting else QUEUE_LIMIT,
        )
        if lasting:
            self._resume()

    @property
    def is_alive(self) -> bool:
        """Whether the worker runs."""
        return self._writer.is_alive

    @property
    def has_disk_space(self) -> bool:
        """Whether the disk has space beyond the reserve."""
        return shutil.disk_usage(self.folder).free >= self._reserve

    def file_path(self, media: MediaFile) -> Path:
        """The path of a file."""
        return self.folder / media.file

    def upsert(self, event: Event) -> None:
        """Holds the video that a revision's snapshot and clip need."""
        over = event.state in ("closed", "expired")
        with self._lock:
            plan = self._plans.get((event.run, event.id))
            if plan is None:
                plan = self._open(event, over)
            elif event.peak.slot != plan.peak.slot and (
                over or event.updated_at - plan.snapshot_at >= self._new_snapshot_s
            ):
                plan.peak, plan.snapshot_at = event.peak, event.updated_at
                self._schedule_snapshot(plan)
            if over and plan is not None:
                self._set_end(plan, event)

    def advance(self, camera: str, captured_at: float) -> None:
        """Cuts the clips of a camera whose post-roll is over at ``captured_at``."""
        with self._lock:
            for plan in list(self._plans.values()):
                if plan.camera == camera and captured_at >= plan.clip_end:
                    self._finish(plan)
        self._status_log.save()

    def wait_until_idle(self, timeout_s: float = 60.0) -> bool:
        """Waits until all scheduled files are written. Returns whether that happened in time."""
        return self._writer.wait_until_idle(timeout_s)

    def settle(self) -> None:
        """Cuts the clips of open events now, and waits until all is written, or a minute."""
        with self._lock:
            for plan in list(self._plans.values()):
                self._finish(plan)
        self.wait_until_idle()
        self._status_log.save()

    def close(self) -> None:
        """Ends the worker. If the next service can't write the open evidence, this one writes it first."""
        if self._lasting:
            self.wait_until_idle(CLOSE_TIMEOUT_S)
            self._writer.close(discard=True)
            self._status_log.save()
        else:
            self.settle()
            self._writer.close()

    def _resume(self) -> None:
        for stored in self._store.with_pending_evidence():
            event, plan = stored.event, _EvidencePlan(stored.event, stored.opened_at)
            self._plans[plan.run, plan.id] = plan
            if not stored.evidence.snapshot.settled:
                self._schedule_snapshot(plan)
            if event.state in ("closed", "expired"):
                self._set_end(plan, event)
            elif not stored.evidence.clip.file:
                self._schedule_clip(plan, event.updated_at, going_on=True)

    def _open(self, event: Event, over: bool) -> _EvidencePlan | None:
        stored = self._store.event(event.id, event.run)
        opened_at = event.revision / 1000 if stored is None else stored.opened_at
        if stored is not None and over and stored.evidence.clip.file:
            return None  # sent again after a restart, and finished before it
        plan = _EvidencePlan(event, opened_at)
        plan.clip_complete = stored is not None and bool(stored.evidence.clip.file) and stored.evidence.clip.settled
        self._plans[plan.run, plan.id] = plan
        if stored is None or not _has_snapshot(stored.evidence.snapshot, event):
            self._schedule_snapshot(plan)
        if not over and self._live and not plan.clip_complete:
            self._schedule_clip(plan, event.updated_at, going_on=True)
        return plan

    def _set_end(self, plan: _EvidencePlan, event: Event) -> None:
        ends = event.updated_at if event.ended_at is None else event.ended_at + POST_ROLL_S
        plan.clip_end = min(plan.clip_end, ends)
        if event.state == "expired":
            self._finish(plan)

    def _finish(self, plan: _EvidencePlan) -> None:
        del self._plans[plan.run, plan.id]
        if not plan.clip_complete:
            self._schedule_clip(plan, plan.clip_end, going_on=False)

    def _schedule_snapshot(self, plan: _EvidencePlan) -> None:
        peak = plan.peak
        name = file_name(plan.run, plan.id, plan.clip_start, "jpg")
        held = self._hold(plan, peak.captured_at - SNAPSHOT_TOLERANCE_S, peak.captured_at + SNAPSHOT_TOLERANCE_S)
        self._submit(plan, "snapshot", lambda: write_snapshot(held, peak, self.folder, name, self._reserve))

    def _schedule_clip(self, plan: _EvidencePlan, ends: float, *, going_on: bool) -> None:
        begins, name = plan.clip_start, file_name(plan.run, plan.id, plan.clip_start, "mp4")
        held = self._hold(plan, begins, ends)
        self._submit(
            plan, "clip", lambda: write_clip(held, begins, ends, self.folder, name, self._reserve, going_on=going_on)
        )

    def _hold(self, plan: _EvidencePlan, start: float, end: float) -> HeldFootage | None:
        try:
            return self._frames.hold(plan.camera, start, end)
        except KeyError:  # a camera of another process: the evidence's reason becomes out_of_reach
            return None

    def _submit(self, plan: _EvidencePlan, kind: MediaKind, write: Callable[[], MediaFile]) -> None:
        self._writer.submit(WriteJob(plan.run, plan.id, plan.camera, kind, write))


def _has_snapshot(snapshot: MediaFile, event: Event) -> bool:
    """Whether a settled snapshot needs no other one: it failed for good, or it shows the event's peak."""
    return snapshot.settled and (snapshot.peak is None or snapshot.peak.slot == event.peak.slot)
