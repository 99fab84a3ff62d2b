"""Fixtures of the API's tests: a small site, its store, its evidence, and the service on a real port."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.app import create
from api.camera_status import CameraStatusBoard
from api.event_sink import EventSink
from api.evidence.scheduler import EvidenceScheduler
from api.server import serve
from api.storage.event_store import EventStore
from lanewatch.config.site import Site
from streams.sources.packets import Packet
from tests.api.event_factory import Feeder, packets_of

StartService = Callable[..., httpx.Client]


def make_site() -> Site:
    """Two cameras and two bells; one camera's URL has a password."""
    name = {"ko": "마을", "en": "Village"}
    polygon = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]
    zone = {"id": "yard", "name": {"ko": "마당", "en": "Yard"}, "kind": "watch", "polygon": polygon}
    lane = {
        "id": "lane",
        "name": {"ko": "골목", "en": "Lane"},
        "url": "rtsp://admin:secret@10.0.0.1/1",
        "zones": [zone],
    }
    gate = {"id": "gate", "name": {"ko": "정문", "en": "Gate"}, "url": "rtsp://10.0.0.2/1"}
    return Site.model_validate(
        {
            "name": name,
            "note": {"ko": "시연용 밤", "en": "A simulated night"},
            "cameras": [
                {**lane, "latitude": 36.10, "longitude": 128.10},
                {**gate, "latitude": 36.11, "longitude": 128.10, "time_zone": "UTC"},
            ],
            "bells": [
                {"id": "b-1", "name": {"ko": "공원", "en": "Park"}, "latitude": 36.108, "longitude": 128.1},
                {
                    "id": "b-2",
                    "name": {"ko": "뒷길", "en": "Back"},
                    "latitude": 36.11,
                    "longitude": 128.1,
                    "camera": "lane",
                },
            ],
        }
    )


@pytest.fixture
def site() -> Site:
    return make_site()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[EventStore]:
    store = EventStore(tmp_path / "events.db")
    yield store
    store.close()


@pytest.fixture(scope="session")
def packets(clip: Path) -> list[Packet]:
    return packets_of(clip)


@pytest.fixture
def feeder(site: Site, packets: list[Packet]) -> Feeder:
    return Feeder(site.camera("lane"), packets)


@pytest.fixture
def evidence(store: EventStore, feeder: Feeder, tmp_path: Path) -> Iterator[EvidenceScheduler]:
    evidence = EvidenceScheduler(store, feeder.buffer, tmp_path / "evidence")
    yield evidence
    evidence.close()


@pytest.fixture
def cameras(site: Site) -> CameraStatusBoard:
    return CameraStatusBoard(lambda: site)


@pytest.fixture
def event_sink(store: EventStore, evidence: EvidenceScheduler, cameras: CameraStatusBoard) -> EventSink:
    return EventSink(store, evidence, cameras)


@pytest.fixture
def start_service(store: EventStore, site: Site) -> Iterator[StartService]:
    """Starts the service on a free port. Keyword arguments go to ``create``; returns a client for the service."""
    with ExitStack() as stack:

        def start(evidence: EvidenceScheduler | None = None, **settings: Any) -> httpx.Client:
            server = stack.enter_context(serve(create(store, evidence, site, **settings), port=0))
            return stack.enter_context(httpx.Client(base_url=server.url, timeout=10))

        yield start
