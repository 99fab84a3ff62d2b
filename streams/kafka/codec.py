"""Serialization of the records in the topics.

A frame's value is its plain JPEG, so that any consumer can show it; all else is in the headers. Detections are msgpack.
Events and watermarks are JSON as CloudEvents in binary mode, so that any system can read them.
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
"""The header with a record's kind and version, such as ``frame/1``. A record without it is foreign."""

META = "meta"
CROP = "crop"
TRACE = "traceparent"

EVENT_TYPE = f"lanewatch.event.v{VERSION}"
WATERMARK_TYPE = f"lanewatch.reached.v{VERSION}"

Headers = list[tuple[str, bytes]]


class Message(NamedTuple):
    """A record to send. Without a value, it deletes the key from a compacted topic."""

    key: bytes
    value: bytes | None
    headers: Headers

    def traced(self, trace: bytes | None) -> Message:
        """The message with a trace context in its headers; unchanged if ``trace`` is None."""
        return self if trace is None else Message(self.key, self.value, [*self.headers, (TRACE, trace)])

    @property
    def size(self) -> int:
        """Bytes of key, value and headers."""
        return len(self.key) + len(self.value or b"") + sum(len(name) + len(value) for name, value in self.headers)


class CodecError(ValueError):
    """A record is foreign, unreadable, or of a version that this release does not know.

    ``reason`` is ``foreign``, ``unreadable`` or ``version``; ``topic``, ``partition`` and ``offset`` are its position.
    """

    def __init__(self, record: ConsumerRecord, problem: str, reason: str = "foreign") -> None:
        super().__init__(f"{record.topic}-{record.partition} at offset {record.offset}: {problem}")
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
"""The decoders' errors for foreign data, including a null header or value."""

_encoder = msgspec.msgpack.Encoder()
_meta_decoder = msgspec.msgpack.Decoder(_Meta)
_crop_decoder = msgspec.msgpack.Decoder(_Crop)


def kind_of(record: ConsumerRecord) -> bytes | None:
    """A record's kind and version, such as ``frame/1``; None for a foreign record."""
    return _header(record.headers, KIND)


def trace_context(record: ConsumerRecord) -> bytes | None:
    """The trace context that came with a record."""
    return _header(record.headers, TRACE)


def encode_frame(frame: Frame) -> Message:
    """A JPEG-encoded frame, or a frame without a picture.

    Raises:
        ValueError: the frame has pixels; call ``streams.video.jpeg.pack`` first.
    """
    if frame.image is not None:
        raise ValueError(f"camera {frame.camera}, slot {frame.slot}: encode the pixels as JPEG first")
    meta = _Meta(*(getattr(frame, name) for name in _Meta.__struct_fields__))
    headers: Headers = [(KIND, _FRAME), (META, _encoder.encode(meta))]
    if frame.packed is None:
        return Message(frame.camera.encode(), b"", headers)
    headers += [(CROP, _encoder.encode(_Crop(box, jpeg))) for box, jpeg in frame.packed.crops]
    return Message(frame.camera.encode(), frame.packed.jpeg, headers)


def decode_frame(record: ConsumerRecord) -> Frame:
    """A frame, JPEG-encoded; raises ``CodecError`` if it cannot be read."""
    expect(record, _FRAME)
    try:
        meta = _meta_decoder.decode(next(value for name, value in record.headers if name == META))
        encoded_crops = [value for name, value in record.headers if name == CROP]
        crops = tuple((crop.box, crop.jpeg) for crop in map(_crop_decoder.decode, encoded_crops))
        camera = record.key.decode()
        _expect_time(meta.captured_at, meta.received_at)
    except (StopIteration, AttributeError, *_UNREADABLE) as error:
        raise CodecError(record, f"a frame's headers cannot be read ({error})", "unreadable") from error
    fields = msgspec.structs.asdict(meta)
    if not record.value and meta.gap is None:
        fields["gap"] = "unreadable"
    return Frame(camera=camera, packed=EncodedFrame(record.value, crops) if record.value else None, **fields)


def encode_detections(detections: Detections) -> Message:
    """A frame's detections."""
    return Message(detections.camera.encode(), encode(detections), [(KIND, _DETECTIONS)])


def decode_detections(record: ConsumerRecord) -> Detections:
    """A frame's detections; raises ``CodecError`` if they cannot be read."""
    expect(record, _DETECTIONS)
    try:
        detections = decode(record.value, Detections)
        _expect_time(detections.captured_at, detections.received_at)
    except _UNREADABLE as error:
        raise CodecError(record, f"detections cannot be read ({error})", "unreadable") from error
    return detections


def encode_event(event: Event) -> Message:
    """A revision of an event, as a CloudEvent."""
    revised_at = datetime.fromtimestamp(event.revision / 1000, UTC).isoformat()
    name = f"{event.run}/{event.id}/{event.revision}"
    headers = _cloud_event(EVENT_TYPE, name, f"/cameras/{event.camera}", revised_at)
    return Message(event.camera.encode(), msgspec.json.encode(event), headers)


def encode_watermark(source: str, number: int, watermarks: Mapping[str, Watermark]) -> Message:
    """The watermarks of a watcher's cameras, as a CloudEvent; ``source`` and ``number`` make its id."""
    latest = max(watermark.received_at for watermark in watermarks.values())
    sent_at = datetime.fromtimestamp(latest, UTC).isoformat()
    headers = _cloud_event(WATERMARK_TYPE, f"{source}/{number}", f"/watchers/{quote(source)}", sent_at)
    return Message(source.encode(), msgspec.json.encode(watermarks), headers)


def decode_event_record(record: ConsumerRecord) -> Event | dict[str, Watermark]:
    """A record of the events topic: an event revision, or watermarks by camera.

    Raises:
        CodecError: it is neither, or cannot be read.
    """
    kind = _header(record.headers, "ce_type")
    types: dict[bytes, Any] = {EVENT_TYPE.encode(): Event, WATERMARK_TYPE.encode(): dict[str, Watermark]}
    if kind not in types:
        raise CodecError(record, f"ce_type {kind!r} is neither {EVENT_TYPE} nor {WATERMARK_TYPE}")
    try:
        value: Event | dict[str, Watermark] = msgspec.json.decode(record.value, type=types[kind])
    except _UNREADABLE as error:
        raise CodecError(record, f"{kind.decode()} cannot be read ({error})", "unreadable") from error
    return value


def _cloud_event(kind: str, id: str, source: str, time: str) -> Headers:
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
    if not all(map(math.isfinite, times)):  # no later record would ever be newer
        raise ValueError(f"timestamp is not finite: {times}")


def expect(record: ConsumerRecord, kind: bytes) -> None:
    """Raises ``CodecError`` if a record is not of a kind and version, such as ``frame/1``."""
    found = kind_of(record)
    if found == kind:
        return
    if found is None:
        raise CodecError(record, f"not a Lanewatch record: no header {KIND!r}")
    name, _, version = found.decode(errors="replace").partition("/")
    known_name, _, known_version = kind.decode().partition("/")
    if name == known_name:
        raise CodecError(record, f"{name} has version {version}; this release knows {known_version}", "version")
    raise CodecError(record, f"expected {kind.decode()}, found {found.decode(errors='replace')}")
