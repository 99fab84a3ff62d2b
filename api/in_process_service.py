"""The service of a site: event store, evidence and camera status, and with them all stages in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Self

import msgspec

from api.camera_status import CameraStatusBoard
from api.event_queue import EventQueue
from api.event_sink import EventSink
from api.evidence.scheduler import EvidenceScheduler
from api.storage.event_journal import FILE_NAME, EventJournal
from api.storage.event_store import EventStore
from api.storage.pagination import EventFilter
from detectors import pipeline
from detectors.ongoing_faults import continuing_events
from lanewatch.config.site import Site
from lanewatch.records import Detections, Event
from models.detection.base import ObjectDetector
from streams.archive.detections_archive import DetectionsArchive
from streams.stages import FrameStore, Serve
from streams.video.packet_buffer import PacketBuffer


class ServiceContext:
    """Event store, evidence, camera status and the sink that feeds them; a context manager.

    The folder is created if it does not exist. ``live`` and ``lasting`` are those of ``EvidenceScheduler``.

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
            self._journal = EventJournal(folder / FILE_NAME)
            self._journal.replay(self.store.upsert)  # of a process that ended while the store was unavailable
            self.evidence = EvidenceScheduler(self.store, frames, folder / "evidence", live=live, lasting=lasting)
            resources.callback(self.evidence.close)
            self.cameras = CameraStatusBoard(current_site)
            self.event_sink = EventSink(self.store, self.evidence, self.cameras)
            self._resources = resources.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._resources.close()


class InProcessService(ServiceContext):
    """Runs a site's stages in this process. Beside the events and their evidence, the folder holds ``detections/``.

    Args:
        run: The name of this scoring.
        live: The cameras are live: nothing waits for evidence, and the newest is written first. While the store is
            unavailable, the cameras are watched nevertheless, and their events wait. Recordings wait themselves.
        network: The object detector; None loads the site's.
        also: Called with every ``Detections``, in addition to the archive.

    Raises:
        models.detection.base.ModelMissingError: The site's detector is not installed.
        OSError: The folder can't be written.
    """

    def __init__(
        self,
        site: Site,
        folder: Path,
        *,
        run: str,
        live: bool,
        network: ObjectDetector | None = None,
        also: Callable[[Detections], None] | None = None,
    ) -> None:
        network = network or pipeline.load_detector(site)
        ring = PacketBuffer()
        super().__init__(lambda: site, folder, ring, live=live)
        self.site = site
        ongoing = self._end_interrupted(run, live=live)
        self._archive = DetectionsArchive(folder / "detections")
        self._resources.callback(self._archive.close)
        self._also = also
        serve: Serve = self.event_sink
        if live:
            self.event_queue = serve = EventQueue(self.event_sink, self._journal)
            self._resources.callback(self.event_queue.close)
        self.runner = pipeline.runner(
            site, serve, run=run, ring=ring, keep=self._keep, network=network, ongoing=ongoing
        )

    def _end_interrupted(self, run: str, *, live: bool) -> list[Event]:
        """Expires the events that an earlier process left open, whose end was not observed.

        Faults of live cameras go on. Returns these, and the outages that they belong to with all their parts.
        """
        left_open = list(self._left_open(run))
        continuing = continuing_events(self.site, left_open) if live else []
        ids = {event.id for event in continuing}
        for event in left_open:
            if event.id not in ids:
                self.store.upsert(msgspec.structs.replace(event, state="expired", revision=event.revision + 1))
        parts = {part for event in continuing for part in event.parts} - ids
        ended = (self.store.event(part, run) for part in sorted(parts))
        return [*continuing, *(stored.event for stored in ended if stored is not None)]

    def _left_open(self, run: str) -> Iterator[Event]:
        wanted = EventFilter(states=("open", "updated"), runs=(run,))
        page = self.store.page(wanted, limit=100)
        while True:
            yield from (stored.event for stored in page.events)
            if page.next is None:
                return
            page = self.store.page(wanted, cursor=page.next, limit=100)

    def _keep(self, detections: Detections) -> None:
        if self._also is not None:
            self._also(detections)
        self._archive.append(detections)
