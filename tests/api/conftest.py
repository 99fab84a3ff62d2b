"""What the API's tests share: a small centre, its events, and the clip's packets in a real ring."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
import msgspec
import pytest

from api.store import Store
from lanewatch.records import Event, Factor, Peak
from lanewatch.site import Camera, Site
from streams.packet import Codec, Packet
from streams.ring import PacketRing

BEGIN = 1_768_410_000.0
"""2026-01-14T17:00:00Z: two o'clock at night in Seoul."""

FPS = 7.0

MakeEvent = Callable[..., Event]


def make_event(id: str = "e-1", *, at: float = BEGIN + 20, lasted: float = 12.0, **changes: object) -> Event:
    """An event that was raised at ``at``, after ``lasted`` seconds; ``changes`` are fields of the record."""
    peak = Peak(round(at * 1000), at, (300.0, 200.0, 360.0, 380.0), 768, 576)
    event = Event(
        run="live",
        id=id,
        camera="lane",
        kind="loitering",
        zone="yard",
        started_at=at - lasted,
        updated_at=at,
        ended_at=None,
        revision=round(at * 1000),
        state="open",
        severity=2,
        score=0.7,
        factors=(Factor("dwell", 0.5, {"dwell_s": lasted}), Factor("night", 0.2)),
        thresholds={"dwell_s": 10.0},
        sentence={"ko": "한 사람이 마당에 12초 머물렀습니다.", "en": "A person stayed in the yard for 12 s."},
        tracks=(3,),
        peak=peak,
        model="nanodet-g",
        site="0123456789ab",
        onvif="RuleEngine/LoiteringDetector/ObjectIsLoitering",
        kisa="Loitering",
    )
    return msgspec.structs.replace(event, **changes)


def after(event: Event, seconds: float, **changes: object) -> Event:
    """The event's next revision, so much later."""
    at = event.revision / 1000 + seconds
    return msgspec.structs.replace(
        event, **{"updated_at": at, "revision": round(at * 1000), "state": "updated"} | changes
    )


@pytest.fixture
def site() -> Site:
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
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "events.db")
    yield store
    store.close()


@pytest.fixture(scope="session")
def packets(clip: Path) -> list[Packet]:
    """The clip's packets as a camera would have sent them from ``BEGIN`` on."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        codec = Codec.of(stream)
        return [
            Packet(
                captured_at=BEGIN + float(packet.pts * packet.time_base),
                decode_at=BEGIN + float(packet.dts * packet.time_base),
                data=bytes(packet),
                key=packet.is_keyframe,
                codec=codec,
            )
            for packet in container.demux(stream)
            if packet.pts is not None and packet.dts is not None and packet.time_base is not None
        ]


class Feeder:
    """A double for a sampler's thread: fills the ring with a camera's packets as far as it is told."""

    def __init__(self, camera: Camera, packets: list[Packet]) -> None:
        self.ring = PacketRing([camera])
        self._camera = camera.id
        self._packets = iter(packets)

    def until(self, seconds: float) -> None:
        """Appends the packets up to so many seconds after ``BEGIN``."""
        for packet in self._packets:
            self.ring.append(self._camera, packet)
            if packet.captured_at >= BEGIN + seconds:
                return


@pytest.fixture
def feeder(site: Site, packets: list[Packet]) -> Feeder:
    return Feeder(site.camera("lane"), packets)
