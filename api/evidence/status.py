"""What there is to see of each event, kept in the store as soon as the store can take it."""

from __future__ import annotations

import threading
from typing import Literal

import msgspec

from api.serialization import MediaFile
from api.storage.event_store import EventStore
from lanewatch import metrics
from streams.stages import UnavailableError

log = metrics.log("evidence")


class EvidenceStatusLog:
    """Notes how pictures came out. A store that cannot be written is asked again at the next occasion."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._unsaved: dict[tuple[str, str], dict[str, MediaFile]] = {}

    def note(self, run: str, id: str, what: Literal["snapshot", "clip"], medium: MediaFile) -> None:
        """Notes a picture. One that failed does not take the place of one that is there; it leaves its reason."""
        with self._lock:
            media = self._unsaved.setdefault((run, id), {})
            media[what] = _after(media[what], medium) if what in media else medium
        self.save()

    def save(self) -> None:
        """Brings to the store what it could not take before."""
        with self._lock:
            for run, id in list(self._unsaved):
                try:
                    known = self._store.exhibits(run, id)
                    told = {what: _after(getattr(known, what), one) for what, one in self._unsaved[run, id].items()}
                    self._store.exhibit(run, id, msgspec.structs.replace(known, **told))
                except UnavailableError as error:
                    log.error("the state of %d events' evidence waits for the store: %s", len(self._unsaved), error)
                    return
                del self._unsaved[run, id]


def _after(known: MediaFile, medium: MediaFile) -> MediaFile:
    if medium.status == "failed" and known.file:
        reason = known.reason if known.status == "ready" else medium.reason
        return msgspec.structs.replace(known, reason=reason)
    return medium
