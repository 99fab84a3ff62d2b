"""Evidence: when which pictures of an event are cut from the cameras' last packets, and how they came out."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from api.evidence.media_files import NEAR_S, clip, file_name, snapshot
from api.evidence.status import EvidenceStatusLog
from api.evidence.writer import EvidenceWriter, WriteJob
from api.serialization import MediaFile
from api.storage.event_store import EventStore
from lanewatch.records import Event, Peak
from streams.stages import FrameStore, HeldFootage

PRE_ROLL_S = 5.0
POST_ROLL_S = 5.0
"""What an operator needs to see of how it began and where they went; and what Korean control centres ask for."""

BEFORE_OPENING_S = 25.0
AFTER_OPENING_S = 20.0
"""A long event's clip is capped to so much around its opening, the moment that the alarm is about. The ring holds 60 s
of packets: cut 20 s after the opening, the beginning 25 s before it is still there with 15 s to spare for a backlog."""

RECORDED_SHOT_S = 20.0
"""The same for recordings, at which nobody looks meanwhile: just so often that no peak leaves the ring untaken."""

NEW_SHOT_S = 5.0
"""A snapshot follows an event's peak at most so often: a peak may move with every frame of a slow walk towards the
camera."""


LAST_S = 3.0
"""How long an end waits for evidence that the next service could write as well."""


@dataclass
class _EvidencePlan:
    run: str
    id: str
    camera: str
    begins: float
    until: float
    shot: Peak
    shot_at: float
    whole: bool = False  # its clip is there already, and a look at the picture is all that is left to do


RESERVE = 64 * 2**20
"""Room for some 50,000 revisions of events: a night on which somebody sees the counter and makes room."""


class EvidenceScheduler:
    """Sees to each event's snapshot and clip.

    At the opening the packets around the peak and since the pre-roll are held at once and written by a worker, so that
    there is something to see within the second (of a recording the picture alone); when the post-roll has come
    (``advance``) the clip is cut, whole.
    What cannot be written is said in the event's evidence, by a reason, and counted; nothing waits for it.

    Args:
        store: Keeps the status of each event's evidence.
        frames: The cameras' last pictures.
        folder: Where pictures are written; made if it is not there.
        live: Whether, when more is asked for than can be written, the newest is written and the oldest given up; for
            recordings the watcher waits instead.
        reserve: Bytes of the disk that are left free, so that a disk filled by clips still takes events and the audit;
            64 MiB, or a twentieth of a small disk, if None.
        lasting: Whether the pictures outlive this process: then what a former one had still to write is written, and
            what this one leaves open at its end is left to the next; else it is said that it will not come.
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
        self._ledger = EvidenceStatusLog(store)
        folder.mkdir(parents=True, exist_ok=True)
        self._reserve = min(RESERVE, shutil.disk_usage(folder).total // 20) if reserve is None else reserve
        for left in folder.glob("**/*.part.*"):
            left.unlink()
        self._lasting = lasting
        self._live = live
        self._new_shot_s = NEW_SHOT_S if live else RECORDED_SHOT_S
        if not lasting:
            store.forsake()
        self._cutter = EvidenceWriter(self._done, newest_wins=live)
        if lasting:
            self._resume()

    @property
    def alive(self) -> bool:
        """Whether evidence is still being written."""
        return self._cutter.alive

    @property
    def room(self) -> bool:
        """Whether the disk has room for more."""
        return shutil.disk_usage(self.folder).free >= self._reserve

    def path(self, medium: MediaFile) -> Path:
        """Where a picture lies."""
        return self.folder / medium.file

    def upsert(self, event: Event) -> None:
        """Looks after an event's revision: holds what its snapshot and clip need."""
        key = (event.run, event.id)
        over = event.state in ("closed", "expired")
        with self._lock:
            plan = self._plans.get(key)
            if plan is None:
                plan = self._open(event, over)
                if plan is None:
                    return
            elif event.peak.slot != plan.shot.slot and (over or event.updated_at - plan.shot_at >= self._new_shot_s):
                plan.shot, plan.shot_at = event.peak, event.updated_at
                self._shoot(plan)
            if over:
                self._over(plan, event)

    def advance(self, camera: str, captured_at: float) -> None:
        """Cuts the clips whose post-roll has come, now that a camera's records have come so far."""
        with self._lock:
            for plan in [plan for plan in self._plans.values() if plan.camera == camera and captured_at >= plan.until]:
                self._finish(plan)
        self._ledger.save()

    def wait(self, timeout_s: float = 60.0) -> bool:
        """Waits until all is written that was to be by now; whether it was in time."""
        return self._cutter.settle(timeout_s)

    def settle(self, timeout_s: float = 60.0) -> bool:
        """Cuts what is still open with what there is, and waits until all is written; whether it was in time."""
        with self._lock:
            for plan in list(self._plans.values()):
                self._finish(plan)
        settled = self.wait(timeout_s)
        self._ledger.save()
        return settled

    def close(self) -> None:
        """Ends the worker when all is written: what is still open too, where nobody could do so later.

        Where the next service can, this one writes for some seconds only: nobody waits long for an end.
        """
        if self._lasting:
            self.wait(LAST_S)
            self._cutter.close(leave=True)
            self._ledger.save()
        else:
            self.settle()
            self._cutter.close()

    def _resume(self) -> None:
        for stored in self._store.unsettled():
            event, plan = stored.event, _plan(stored.event, stored.opened_at)
            self._plans[plan.run, plan.id] = plan
            if not stored.evidence.snapshot.settled:
                self._shoot(plan)
            if event.state in ("closed", "expired"):
                self._over(plan, event)
            elif not stored.evidence.clip.file:
                self._cut(plan, event.updated_at, going_on=True)

    def _open(self, event: Event, over: bool) -> _EvidencePlan | None:
        stored = self._store.event(event.id, event.run)
        opened = event.revision / 1000 if stored is None else stored.opened_at
        if stored is not None and over and stored.evidence.clip.file:
            return None  # told again after a restart, and long done
        plan = _plan(event, opened)
        plan.whole = stored is not None and bool(stored.evidence.clip.file) and stored.evidence.clip.settled
        self._plans[plan.run, plan.id] = plan
        self._shoot(plan)
        if not over and self._live and not plan.whole:
            self._cut(plan, event.updated_at, going_on=True)
        return plan

    def _over(self, plan: _EvidencePlan, event: Event) -> None:
        ended = event.updated_at if event.ended_at is None else event.ended_at + POST_ROLL_S
        plan.until = min(plan.until, ended)
        if event.state == "expired":
            self._finish(plan)

    def _finish(self, plan: _EvidencePlan) -> None:
        del self._plans[plan.run, plan.id]
        if not plan.whole:
            self._cut(plan, plan.until, going_on=False)

    def _shoot(self, plan: _EvidencePlan) -> None:
        peak = plan.shot
        name = file_name(plan.run, plan.id, plan.begins, "jpg")
        held = self._hold(plan, peak.captured_at - NEAR_S, peak.captured_at + NEAR_S)
        self._submit(plan, "snapshot", lambda: snapshot(held, peak, self.folder, name, self._reserve))

    def _cut(self, plan: _EvidencePlan, ends: float, *, going_on: bool) -> None:
        name = file_name(plan.run, plan.id, plan.begins, "mp4")
        held = self._hold(plan, plan.begins, ends)
        begins = plan.begins
        self._submit(
            plan, "clip", lambda: clip(held, begins, ends, self.folder, name, self._reserve, going_on=going_on)
        )

    def _hold(self, plan: _EvidencePlan, start: float, end: float) -> HeldFootage | None:
        try:
            return self._frames.hold(plan.camera, start, end)
        except KeyError:  # an event of a camera that is not this process's: its status says out_of_reach
            return None

    def _submit(self, plan: _EvidencePlan, what: Literal["snapshot", "clip"], work: Callable[[], MediaFile]) -> None:
        self._cutter.submit(WriteJob(plan.run, plan.id, plan.camera, what, work))

    def _done(self, job: WriteJob, medium: MediaFile) -> None:
        self._ledger.note(job.run, job.id, job.what, medium)


def _plan(event: Event, opened_at: float) -> _EvidencePlan:
    return _EvidencePlan(
        run=event.run,
        id=event.id,
        camera=event.camera,
        begins=max(event.began_at - PRE_ROLL_S, opened_at - BEFORE_OPENING_S),
        until=opened_at + AFTER_OPENING_S,
        shot=event.peak,
        shot_at=event.updated_at,
    )
