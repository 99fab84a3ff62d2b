"""Encoded packets of a camera, and their decoder."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import cast

import av
import av.error
import msgspec
from av.stream import Stream
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lanewatch.records import Gap
from streams.video.display_geometry import PLAIN, DisplayGeometry, UprightConverter, aspect_ratio, turn_of

MAX_REORDERED = 16
"""Pictures that H.264 and HEVC may delay for reordering."""
MICROSECONDS = Fraction(1, 1_000_000)


@dataclass(frozen=True)
class Codec:
    """The parameters that a decoder needs before the first packet; ``rate`` is in frames per second."""

    name: str
    extradata: bytes = b""
    width: int = 0
    height: int = 0
    pix_fmt: str = ""
    tag: str = ""
    rate: float = 25.0
    geometry: DisplayGeometry = PLAIN  # the container's; a picture's own display matrix comes first

    @classmethod
    def from_stream(cls, stream: VideoStream) -> Codec:
        """The codec of a demuxed stream. A container's display matrix is known from the first picture only."""
        context = stream.codec_context
        return cls(
            context.name,
            context.extradata or b"",
            context.width,
            context.height,
            context.pix_fmt or "",
            context.codec_tag,
            float(stream.average_rate or stream.base_rate or 25),
            DisplayGeometry(aspect=aspect_ratio(stream.sample_aspect_ratio)),
        )


class Packet(msgspec.Struct, frozen=True):
    """One encoded picture; times are seconds UTC."""

    captured_at: float
    decode_at: float  # decoding time (DTS); differs from ``captured_at`` if pictures are reordered
    data: bytes
    key: bool  # a key frame: decoding can start here
    codec: Codec
    epoch: int = 0
    has_pts: bool = True  # the container has a presentation time; otherwise the decoder derives it from ``decode_at``
    clock_s: float | None = None  # the camera's clock minus ours at arrival; None if the camera does not report it


class SourceEvent(msgspec.Struct, frozen=True):
    """A source's item without a packet: the source was lost or ended, or a picture is unreadable."""

    gap: Gap
    captured_at: float | None = None


class Decoder:
    """Decodes packets into pictures in the order of capture. One thread, because cameras outnumber cores.

    Pictures are upright, with square pixels. A picture's ``pts`` is its capture time in microseconds. Damaged data
    raises ``av.error.FFmpegError``.

    Attributes:
        geometry: The display geometry of the latest picture.
    """

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.geometry = codec.geometry
        self._upright = UprightConverter()
        self._first_aspect: Fraction | None = None
        self._untimed: deque[int] = deque(maxlen=MAX_REORDERED)
        self._context = cast(VideoCodecContext, av.CodecContext.create(codec.name, "r"))
        self._context.thread_count = 1
        if codec.extradata:
            self._context.extradata = codec.extradata
        if codec.width and codec.height:
            self._context.width, self._context.height = codec.width, codec.height
        if codec.tag.strip("\0"):
            self._context.codec_tag = codec.tag  # lets the decoder work around errors of MPEG-4 encoders
        if codec.name == "rawvideo" and codec.pix_fmt:
            self._context.pix_fmt = codec.pix_fmt
        if codec.name == "mjpeg":
            # Otherwise the lower part of a truncated JPEG is grey, which looks like motion.
            self._context.options = {"err_detect": "explode"}

    def decode(self, packet: Packet) -> list[VideoFrame]:
        """The pictures that this packet completes."""
        encoded = to_av_packet(packet.data)
        encoded.time_base = MICROSECONDS
        encoded.dts = round(packet.decode_at * 1e6)
        encoded.is_keyframe = packet.key  # otherwise libav appends an invalid PNG to the previous one
        if packet.has_pts:
            encoded.pts = round(packet.captured_at * 1e6)
            return self._finished(self._context.decode(encoded))
        self._untimed.append(encoded.dts)
        try:
            return self._finished(self._context.decode(encoded))
        except av.error.FFmpegError:
            self._untimed.pop()
            raise

    def flush(self) -> list[VideoFrame]:
        """The pictures that were delayed by reordering. Resets the decoder."""
        try:
            return self._finished(self._context.decode(None))
        except av.error.EOFError:
            return []
        finally:
            self.reset()

    def reset(self) -> None:
        """Discards all state. The next packet must be a key frame."""
        self._context.flush_buffers()
        self._untimed.clear()

    def _finished(self, pictures: list[VideoFrame]) -> list[VideoFrame]:
        for picture in pictures:
            if self._untimed:  # pictures come in the order of capture, so each has the earliest time that is left
                picture.pts = self._untimed.popleft()
            if picture.key_frame:
                turn = turn_of(picture) or self.codec.geometry.turn
                aspect = aspect_ratio(self._context.sample_aspect_ratio)
                self._first_aspect = self._first_aspect or aspect
                if aspect == self._first_aspect:  # the container may know better, until the stream changes
                    aspect = self.codec.geometry.aspect
                self.geometry = DisplayGeometry(turn, aspect)
        return [self._upright.convert(picture, self.geometry) for picture in pictures]


def to_av_packet(data: bytes) -> av.Packet[Stream]:
    """The data in a packet that libav owns.

    ``av.Packet(data)`` refers to our bytes, without the zero padding that libav needs. libav reads past the end, and
    some pictures are damaged.
    """
    packet = av.Packet(len(data))
    packet.update(data)
    return packet


def capture_time(picture: VideoFrame) -> float:
    """A decoded picture's capture time, seconds UTC."""
    shown = picture.pts if picture.pts is not None else picture.dts
    return (shown or 0) / 1e6


def decode_packets(packets: Iterable[Packet]) -> Iterator[VideoFrame]:
    """Decodes packets from a key frame on, over changes of codec and epoch. Damaged packets are skipped."""
    decoder, epoch = None, 0
    for packet in packets:
        if decoder is None or decoder.codec != packet.codec or epoch != packet.epoch:
            if decoder is not None:
                yield from decoder.flush()
            decoder, epoch = Decoder(packet.codec), packet.epoch
        try:
            yield from decoder.decode(packet)
        except av.error.FFmpegError:
            continue
    if decoder is not None:
        yield from decoder.flush()
