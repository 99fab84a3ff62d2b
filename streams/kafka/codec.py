"""Records as they lie in the topics, and back.

A frame's value is its plain JPEG, so that any consumer can look at it; all else is in the headers. Detections are
msgpack. Events, and how far the cameras have been judged, are JSON as CloudEvents in binary mode, so that any system
can read them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
from kafka.consumer.fetcher import ConsumerRecord

from lanewatch.records import (
    VERSION,
    Box,
    Detections,
    EncodedFrame,
    Event,
    Frame,
    Gap,
    Profile,
    SceneMeasurements,
    Watermark,
    decode,
    encode,
)

KIND = "lanewatch"
"""The header that says what a record is, such as ``frame/1``: what has none of ours is foreign."""

META = "meta"
CROP = "crop"
TRACE = "traceparent"

EVENT_TYPE = f"lanewatch.event.v{VERSION}"
REACHED_TYPE = f"lanewatch.reached.v{VERSION}"

Headers = list[tuple[str, bytes]]


class Message(NamedTuple):
    """What a producer sends; no value at all makes a compacted topic forget the key."""

    key: bytes
    value: bytes | None
    headers: Headers

    def traced(self, trace: bytes | None) -> Message:
        """This one with a trace context to travel with it; as it is where there is none."""
        return self if trace is None else Message(self.key, self.value, [*self.headers, (TRACE, trace)])

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.key) + len(self.value or b"") + sum(len(name) + len(value) for name, value in self.headers)


class CodecError(ValueError):
    """A record in a topic is none of ours, or of a version that this release does not know."""

    def __init__(self, record: ConsumerRecord, what: str, reason: str = "foreign") -> None:
        super().__init__(f"{record.topic}-{record.partition} at offset {record.offset}: {what}")
        self.reason = reason
        self.topic, self.partition, self.offset = record.topic, record.partition, record.offset


class _Meta(msgspec.Struct, frozen=True, array_like=True):
    epoch: int
    slot: int
    captured_at: float
    received_at: float
    width: int
    height: int
    profile: Profile
    gap: Gap | None
    scene: SceneMeasurements


class _Crop(msgspec.Struct, frozen=True, array_like=True):
    box: Box
    jpeg: bytes


_FRAME = f"frame/{VERSION}".encode()
_DETECTIONS = f"detections/{VERSION}".encode()
_UNREADABLE = (msgspec.DecodeError, ValueError, TypeError, RecursionError)
"""What the decoders raise for whatever others have written: also a header or a value that is null."""

_meta_out = msgspec.msgpack.Encoder()
_meta_in = msgspec.msgpack.Decoder(_Meta)
_crop_in = msgspec.msgpack.Decoder(_Crop)


def trace_context(record: ConsumerRecord) -> bytes | None:
    """The trace context that came with a record."""
    return _header(record.headers, TRACE)


def encode_frame(frame: Frame) -> Message:
    """A packed frame or a tick.

    Raises:
        ValueError: it still has its pixels: ``streams.video.jpeg.pack`` comes first.
    """
    if frame.image is not None:
        raise ValueError(f"camera {frame.camera}, slot {frame.slot}: pixels do not travel; pack the frame first")
    meta = _Meta(
        frame.epoch,
        frame.slot,
        frame.captured_at,
        frame.received_at,
        frame.width,
        frame.height,
        frame.profile,
        frame.gap,
        frame.scene,
    )
    headers: Headers = [(KIND, _FRAME), (META, _meta_out.encode(meta))]
    if frame.packed is None:
        return Message(frame.camera.encode(), b"", headers)
    headers += [(CROP, _meta_out.encode(_Crop(box, jpeg))) for box, jpeg in frame.packed.crops]
    return Message(frame.camera.encode(), frame.packed.jpeg, headers)


def decode_frame(record: ConsumerRecord) -> Frame:
    """A frame as it came: packed.

    Raises:
        WireError: the record is no frame.
    """
    headers = record.headers
    _expect(record, headers, _FRAME)
    try:
        meta = _meta_in.decode(next(value for name, value in headers if name == META))
        crops = tuple((one.box, one.jpeg) for one in (_crop_in.decode(v) for n, v in headers if n == CROP))
        camera = record.key.decode()
        _expect_time(meta.captured_at, meta.received_at)
    except (StopIteration, AttributeError, *_UNREADABLE) as error:
        raise CodecError(record, f"a frame's headers cannot be read ({error})", "unreadable") from error
    return Frame(
        camera=camera,
        epoch=meta.epoch,
        slot=meta.slot,
        captured_at=meta.captured_at,
        received_at=meta.received_at,
        width=meta.width,
        height=meta.height,
        packed=EncodedFrame(record.value, crops) if record.value else None,
        profile=meta.profile,
        scene=meta.scene,
        gap=meta.gap if record.value or meta.gap else "unreadable",
    )


def encode_detections(detections: Detections) -> Message:
    """What was seen in a frame."""
    return Message(detections.camera.encode(), encode(detections), [(KIND, _DETECTIONS)])


def decode_detections(record: ConsumerRecord) -> Detections:
    """What was seen in a frame.

    Raises:
        WireError: the record is no such thing.
    """
    _expect(record, record.headers, _DETECTIONS)
    try:
        found = decode(record.value, Detections)
        _expect_time(found.captured_at, found.received_at)
    except _UNREADABLE as error:
        raise CodecError(record, f"detections cannot be read ({error})", "unreadable") from error
    return found


def encode_event(event: Event) -> Message:
    """A revision of an event, as a CloudEvent."""
    told_at = datetime.fromtimestamp(event.revision / 1000, UTC).isoformat()
    headers = _cloud(EVENT_TYPE, f"{event.run}/{event.id}/{event.revision}", f"/cameras/{event.camera}", told_at)
    return Message(event.camera.encode(), msgspec.json.encode(event), headers)


def encode_watermark(source: str, number: int, reached: Mapping[str, Watermark]) -> Message:
    """How far a watcher has judged its cameras; ``source`` and ``number`` name this telling of it."""
    latest = max(one.received_at for one in reached.values())
    told_at = datetime.fromtimestamp(latest, UTC).isoformat()
    headers = _cloud(REACHED_TYPE, f"{source}/{number}", f"/watchers/{quote(source)}", told_at)
    return Message(source.encode(), msgspec.json.encode(reached), headers)


def decode_event_record(record: ConsumerRecord) -> Event | dict[str, Watermark]:
    """A record of the events topic: a revision, or how far cameras have been judged.

    Raises:
        WireError: it is neither.
    """
    kind = _header(record.headers, "ce_type")
    types: dict[bytes, Any] = {EVENT_TYPE.encode(): Event, REACHED_TYPE.encode(): dict[str, Watermark]}
    if kind not in types:
        raise CodecError(record, f"ce_type {kind!r} is neither {EVENT_TYPE} nor {REACHED_TYPE}")
    try:
        value: Event | dict[str, Watermark] = msgspec.json.decode(record.value, type=types[kind])
    except _UNREADABLE as error:
        raise CodecError(record, f"{kind.decode()} cannot be read ({error})", "unreadable") from error
    return value


def _cloud(kind: str, id: str, source: str, time: str) -> Headers:
    return [
        ("ce_specversion", b"1.0"),
        ("ce_type", kind.encode()),
        ("ce_id", id.encode()),
        ("ce_source", source.encode()),
        ("ce_time", time.encode()),
        ("content-type", b"application/json"),
    ]


def _header(headers: Headers, name: str) -> bytes | None:
    return next((value for key, value in headers if key == name), None)


def _expect_time(*times: float) -> None:
    if not all(map(math.isfinite, times)):  # it would be a camera's last time for ever
        raise ValueError(f"times of {times} are none")


def _expect(record: ConsumerRecord, headers: Headers, kind: bytes) -> None:
    found = _header(headers, KIND)
    if found == kind:
        return
    if found is None:
        raise CodecError(record, f"no Lanewatch record: it has no header {KIND!r}")
    name, _, version = found.partition(b"/")
    if name == kind.partition(b"/")[0]:
        raise CodecError(
            record,
            f"{name.decode()} of version {version.decode(errors='replace')}, and this release knows {VERSION}",
            "version",
        )
    raise CodecError(record, f"{found.decode(errors='replace')} where {kind.decode()} belongs")
