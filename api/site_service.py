"""A whole site in one process: its stages, its event store and its evidence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from api.services import ServiceContext
from api.storage.pagination import EventFilter
from detectors import pipeline
from lanewatch.config.site import Site
from lanewatch.records import Detections
from models.detection.base import ObjectDetector
from streams.archive.detections_archive import DetectionsArchive
from streams.video.packet_buffer import PacketBuffer


class SiteService(ServiceContext):
    """Runs a site's stages in this process; a context manager.

    The folder holds ``events.db``, ``evidence/`` and ``detections/``.

    Args:
        site: The site to watch.
        folder: The folder of all files; created if it does not exist.
        run: The name of this scoring.
        live: The cameras are live: nothing waits for evidence, and the newest is written first.
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
        self._expire(run)
        self._archive = DetectionsArchive(folder / "detections")
        self._resources.callback(self._archive.close)
        self._also = also
        self.runner = pipeline.runner(site, self.event_sink, run=run, ring=ring, keep=self._keep, network=network)

    def _expire(self, run: str) -> None:
        """Expires the events that an earlier process left open. Their end was not observed."""
        left = EventFilter(states=("open", "updated"), runs=(run,))
        while events := self.store.page(left, limit=100).events:
            for stored in events:
                event = stored.event
                self.store.upsert(msgspec.structs.replace(event, state="expired", revision=event.revision + 1))

    def _keep(self, detections: Detections) -> None:
        if self._also is not None:
            self._also(detections)
        self._archive.append(detections)
