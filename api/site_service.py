"""A whole site in one process: its stages, its store and its evidence."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

import msgspec

from api.services import ServiceContext
from api.storage.pagination import EventFilter
from detectors import pipeline
from lanewatch.config.site import Site
from lanewatch.records import Detections
from models.detection.base import ObjectDetector
from streams.archive.detections_archive import DetectionsArchive
from streams.video.packet_buffer import PacketBuffer


class SiteService:
    """Puts a site's stages together; a context manager, which closes what it opened.

    Below ``folder`` lie ``events.db``, ``evidence/`` and ``detections/``.

    Args:
        site: What to watch.
        folder: Where everything is kept; made if it is not there.
        run: The name of this scoring.
        live: Whether cameras are live: then nothing waits for evidence, and the newest is written first.
        network: The object detector; the site's if None.
        also: Called with every ``Detections``, beside the archive.

    Raises:
        models.detection.base.ModelMissingError: the site's detector is not here.
        OSError: the folder cannot be written.
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
        self.site = site
        ring = PacketBuffer()
        self._closing = ExitStack()
        desk = self._closing.enter_context(ServiceContext(lambda: site, folder, ring, live=live))
        self.store, self.evidence, self.cameras = desk.store, desk.evidence, desk.cameras
        self._expire(run)
        self._archive = DetectionsArchive(folder / "detections")
        self._closing.callback(self._archive.close)
        self._also = also
        self.runner = pipeline.runner(
            site,
            desk.intake,
            run=run,
            ring=ring,
            keep=self._keep,
            network=network,
        )

    def __enter__(self) -> SiteService:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def _expire(self, run: str) -> None:
        """What an earlier process left open nobody has watched since: it expires, and nobody knows when it ended."""
        left = EventFilter(states=("open", "updated"), runs=(run,))
        while events := self.store.page(left, limit=100).events:
            for stored in events:
                event = stored.event
                self.store.upsert(msgspec.structs.replace(event, state="expired", revision=event.revision + 1))

    def _keep(self, detections: Detections) -> None:
        if self._also is not None:
            self._also(detections)
        self._archive.append(detections)
