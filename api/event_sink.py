"""The serve stage: stores events, schedules their evidence, and follows the cameras' progress."""

from __future__ import annotations

from api.camera_status import CameraStatusBoard
from api.evidence.scheduler import EvidenceScheduler
from api.storage.event_store import EventStore
from lanewatch.records import Event, Watermark


class EventSink:
    """Receives events and the cameras' progress from a runner; implements ``streams.stages.Serve``."""

    def __init__(
        self, store: EventStore, evidence: EvidenceScheduler | None = None, cameras: CameraStatusBoard | None = None
    ) -> None:
        self._store = store
        self._evidence = evidence
        self._cameras = cameras

    def upsert(self, event: Event) -> None:
        """Stores a revision of an event, then schedules its evidence. If the store fails, a retry is safe."""
        self._store.upsert(event)
        if self._evidence is not None:
            self._evidence.upsert(event)

    def advance(self, camera: str, reached: Watermark) -> None:
        """Passes on the capture time up to which a camera's records have been processed."""
        self.update_camera(camera, reached)
        self.cut_evidence(camera, reached.captured_at)

    def update_camera(self, camera: str, reached: Watermark) -> None:
        """Updates the camera's status. It does not wait for the store."""
        if self._cameras is not None:
            self._cameras.update(camera, reached)

    def cut_evidence(self, camera: str, captured_at: float) -> None:
        """Cuts the evidence that is complete at this capture time."""
        if self._evidence is not None:
            self._evidence.advance(camera, captured_at)
