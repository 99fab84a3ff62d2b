"""The serve stage in one process: what the watcher found goes to the store, and its evidence is seen to."""

from __future__ import annotations

from api.camera_status import CameraStatusBoard
from api.evidence.scheduler import EvidenceScheduler
from api.storage.event_store import EventStore
from lanewatch.records import Event, Watermark


class EventSink:
    """Takes events and the cameras' progress from a runner; implements ``streams.stages.Serve``."""

    def __init__(
        self, store: EventStore, evidence: EvidenceScheduler | None = None, cameras: CameraStatusBoard | None = None
    ) -> None:
        self._store = store
        self._evidence = evidence
        self._cameras = cameras

    def upsert(self, event: Event) -> None:
        """Stores an event's revision, then sees to its evidence.

        Raises:
            UnavailableError: the store could not take it; asked again with the same event it goes on from there.
        """
        self._store.upsert(event)
        if self._evidence is not None:
            self._evidence.upsert(event)

    def advance(self, camera: str, reached: Watermark) -> None:
        """Notes how far a camera has come: its state, and the post-roll of its events."""
        if self._cameras is not None:
            self._cameras.advance(camera, reached)
        if self._evidence is not None:
            self._evidence.advance(camera, reached.captured_at)
