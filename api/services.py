"""The parts of a site's service: event store, evidence and camera status."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from api.camera_status import CameraStatusBoard
from api.event_sink import EventSink
from api.evidence.scheduler import EvidenceScheduler
from api.storage.event_store import EventStore
from lanewatch.config.site import Site
from streams.stages import FrameStore


class ServiceContext:
    """Event store, evidence, camera status and the sink that feeds them; a context manager.

    The folder holds ``events.db`` and ``evidence/``; it is created if it does not exist. ``live`` and ``lasting`` are
    those of ``EvidenceScheduler``.

    Raises:
        OSError: The folder can't be written.
        streams.stages.UnavailableError: The store can't be opened.
    """

    def __init__(
        self,
        current_site: Callable[[], Site],
        folder: Path,
        frames: FrameStore,
        *,
        live: bool = True,
        lasting: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as resources:
            self.store = EventStore(folder / "events.db")
            resources.callback(self.store.close)
            self.evidence = EvidenceScheduler(self.store, frames, folder / "evidence", live=live, lasting=lasting)
            resources.callback(self.evidence.close)
            self.cameras = CameraStatusBoard(current_site)
            self.event_sink = EventSink(self.store, self.evidence, self.cameras)
            self._resources = resources.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()
