"""The parts of a site's service: event store, evidence and camera status."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from api.camera_status import CameraStatusBoard
from api.event_sink import EventSink
from api.evidence.scheduler import EvidenceScheduler
from api.storage.event_store import EventStore
from lanewatch.config.site import Site
from streams.stages import FrameStore


class ServiceContext:
    """Event store, evidence, camera status and the sink that feeds them; a context manager.

    The folder holds ``events.db`` and ``evidence/``.

    Args:
        current_site: Returns the site in effect.
        folder: The folder of all files; created if it does not exist.
        frames: The cameras' recent video.
        live: If evidence cannot be written fast enough, the newest is written.
        lasting: The video outlives this process, so the next one can finish open evidence.

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

    def __enter__(self) -> ServiceContext:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()
