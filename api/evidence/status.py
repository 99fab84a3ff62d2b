"""The state of each event's evidence, written to the store as soon as the store is available."""

from __future__ import annotations

import threading

import msgspec

from api.storage.event_store import EventStore
from api.storage.records import MediaFile, MediaKind
from lanewatch import metrics
from streams.stages import UnavailableError

log = metrics.log("evidence")


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
