"""The records that the event store holds beside events: evidence, verdicts, accesses to footage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import msgspec

from api.iso_time import Instant
from lanewatch.records import Event, Peak

EvidenceStatus = Literal["pending", "partial", "ready", "failed"]
MediaKind = Literal["snapshot", "clip"]
VerdictValue = Literal["true", "false", "unsure", "confirmed", "repaired"]
"""The last two are for trouble of a camera."""

GOING_ON = "going_on"
"""The reason of a clip that is partial because its event has not ended."""


class MediaFile(msgspec.Struct, frozen=True):
    """A snapshot or a clip of an event, from the capture time of its first frame to that of its last one.

    Attributes:
        status: ``partial`` is a playable clip of an event that goes on, or a clip with a missing part.
        reason: Why the file is partial or failed; otherwise empty.
        file: Path relative to the evidence folder; empty if there is no file.
        peak: For a snapshot of exactly the peak's frame: the peak, whose box can be drawn.
    """

    status: EvidenceStatus = "pending"
    reason: str = ""
    started_at: float | None = None
    ended_at: float | None = None
    file: str = ""
    peak: Peak | None = None

    @property
    def settled(self) -> bool:
        """Whether the file is final."""
        return self.status != "pending" and self.reason != GOING_ON

    def interrupted(self) -> MediaFile:
        """The final state of a file whose writer has stopped; a final file stays as it is."""
        if self.settled:
            return self
        return msgspec.structs.replace(self, status="partial" if self.file else "failed", reason="interrupted")


class Evidence(msgspec.Struct, frozen=True):
    """The snapshot and the clip of an event."""

    snapshot: MediaFile = MediaFile()
    clip: MediaFile = MediaFile()

    @property
    def status(self) -> EvidenceStatus:
        """The status of both files together: partial if only one of them can be seen."""
        statuses = {self.snapshot.status, self.clip.status}
        if len(statuses) == 1:
            return self.snapshot.status
        return "pending" if statuses == {"pending", "failed"} else "partial"

    @property
    def settled(self) -> bool:
        """Whether both files are final."""
        return self.snapshot.settled and self.clip.settled

    @property
    def reason(self) -> str:
        """Why the evidence is not ready; empty if it is ready or pending."""
        return self.snapshot.reason or self.clip.reason


@dataclass(frozen=True)
class Verdict:
    """An operator's judgement of an event. ``who`` is ``local``, ``token`` or a browser's session."""

    verdict: VerdictValue
    reason: str
    who: str
    given_at: Instant


class StoredEvent(msgspec.Struct, frozen=True):
    """A revision of an event, with the event's evidence and verdicts.

    ``position`` and ``change`` are its place in the event stream and its kind. ``opened_at`` is the capture time of the
    first revision, when the alarm was raised.
    """

    position: int
    event: Event
    opened_at: float
    evidence: Evidence = Evidence()
    verdicts: tuple[Verdict, ...] = ()
    change: Literal["event", "evidence", "verdict"] = "event"


@dataclass(frozen=True)
class AccessRecord:
    """A row of the audit: one access to footage.

    ``what`` is a kind of media, ``thumbnail``, or ``thumbnails`` for all those of a page of the list. ``detail`` is
    ``plain`` for a snapshot without its box, and the byte range of a clip's request. For a page it is the number of
    events with their first and last start.
    """

    number: int
    looked_at: Instant
    who: str
    address: str
    what: str
    run: str
    id: str
    camera: str
    detail: str
