"""What a site's service keeps: the events, their evidence, and how the cameras are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from api.camera_status import CameraStatusBoard
from api.event_sink import EventSink
from api.evidence.scheduler import EvidenceScheduler
from api.storage.event_store import EventStore
from lanewatch.config.site import Site
from streams.stages import FrameStore


class ServiceContext:
    """Store, evidence and cameras of a site, and the stage that takes events to them; a context manager.

    Below ``folder`` lie ``events.db`` and ``evidence/``.

    Args:
        present: the site that holds now.
        folder: where everything is kept; made if it is not there.
        frames: the cameras' last pictures.
        live: whether, when more evidence is asked for than can be written, the newest is written.
        lasting: whether the pictures outlive this process, so that the next one can go on with what is unfinished.

    Raises:
        OSError: the folder cannot be written.
        streams.stages.UnavailableError: the store cannot be opened.
    """

    def __init__(
        self, present: Callable[[], Site], folder: Path, frames: FrameStore, *, live: bool = True, lasting: bool = False
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with ExitStack() as opening:
            self.store = EventStore(folder / "events.db")
            opening.callback(self.store.close)
            self.evidence = EvidenceScheduler(self.store, frames, folder / "evidence", live=live, lasting=lasting)
            opening.callback(self.evidence.close)
            self.cameras = CameraStatusBoard(present)
            self.intake = EventSink(self.store, self.evidence, self.cameras)
            self._closing = opening.pop_all()

    def __enter__(self) -> ServiceContext:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()
