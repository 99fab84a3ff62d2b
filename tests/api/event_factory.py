"""Synthetic events for the API's tests, and the packets of the bundled clip."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import av
import msgspec
import sqlalchemy as sql

from api.storage import tables
from lanewatch.config.site import Camera
from lanewatch.records import Event, Factor, Gap, Peak, Watermark
from streams.sources.packets import Codec, Packet
from streams.video.packet_buffer import PacketBuffer

BEGIN = 1_768_410_000.0
"""2026-01-14T17:00:00Z: 02:00 in Seoul."""

FPS = 7.0


def make_event(id: str = "e-1", *, at: float = BEGIN + 20, lasted: float = 12.0, **changes: object) -> Event:
    """An event raised at ``at``, ``lasted`` seconds after its start; ``changes`` are fields of the record."""
    peak = Peak(round(at * 1000), at, (300.0, 200.0, 360.0, 380.0), 768, 576)
    event = Event(
        run="live",
        id=id,
        camera="lane",
        kind="loitering",
        zone="yard",
        began_at=at - lasted,
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
    """The event's next revision, ``seconds`` later."""
    at = event.revision / 1000 + seconds
    return msgspec.structs.replace(
        event, **{"updated_at": at, "revision": round(at * 1000), "state": "updated"} | changes
    )


def watermark(captured_at: float, gap: Gap | None = None) -> Watermark:
    """A camera's watermark after one record."""
    return Watermark(captured_at, captured_at, gap, int(gap is None))


def packets_of(clip: Path) -> list[Packet]:
    """A clip's packets, as a camera that starts at ``BEGIN`` sends them."""
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        codec = Codec.from_stream(stream)
        return [
            Packet(
                captured_at=BEGIN + float(packet.pts * packet.time_base),
                decode_at=BEGIN + float(packet.dts * packet.time_base),
                data=bytes(packet),
                key=packet.is_keyframe,
                codec=codec,
            )
            for packet in container.demux(stream)
            if packet.pts is not None and packet.dts is not None
        ]


def insert_all(database: Path, wanted: Iterable[Event]) -> None:
    """Stores first revisions in one transaction, which is quicker by far than one for each of thousands."""
    rows, changes = [], []
    for position, event in enumerate(wanted, 1):
        body = msgspec.json.encode(event).decode()
        copied = ("run", "id", "revision", "camera", "kind", "zone", "state", "severity", "started_at")
        row = {name: getattr(event, name) for name in copied} | {"position": position, "body": body}
        rows.append(row | {"opened": event.revision})
        change = {"position": position, "what": "event", "run": event.run, "id": event.id}
        changes.append(change | {"revision": event.revision, "body": body})
    engine = sql.create_engine(f"sqlite:///{database}")
    with engine.begin() as connection:
        connection.execute(sql.insert(tables.events), rows)
        connection.execute(sql.insert(tables.feed), changes)
    engine.dispose()


class Feeder:
    """A double for a sampler's thread: fills the packet buffer with a camera's packets."""

    def __init__(self, camera: Camera, packets: Iterable[Packet]) -> None:
        self.buffer = PacketBuffer([camera])
        self._camera = camera.id
        self._packets = iter(packets)

    def until(self, seconds: float) -> None:
        """Appends the packets up to ``seconds`` after ``BEGIN``."""
        for packet in self._packets:
            self.buffer.append(self._camera, packet)
            if packet.captured_at >= BEGIN + seconds:
                return
