"""A camera's pictures as they came: encoded. They are decoded when somebody looks."""

from __future__ import annotations

from collections.abc import Iterator
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

MICROSECONDS = Fraction(1, 1_000_000)


@dataclass(frozen=True)
class Codec:
    """What a decoder must know before the first packet."""

    name: str
    extradata: bytes = b""
    width: int = 0
    height: int = 0
    pix_fmt: str = ""
    tag: str = ""
    rate: float = 25.0

    @classmethod
    def of(cls, stream: VideoStream) -> Codec:
        """The codec of a demuxed stream."""
        context = stream.codec_context
        return cls(
            context.name,
            context.extradata or b"",
            context.width,
            context.height,
            context.pix_fmt or "",
            context.codec_tag,
            float(stream.average_rate or stream.base_rate or 25),
        )


class Packet(msgspec.Struct, frozen=True):
    """One encoded picture.

    Attributes:
        captured_at: capture time of the picture, seconds UTC.
        decode_at: its place in the order of decoding, seconds UTC; differs where pictures are reordered.
        key: decoding can begin here.
        timed: the container said when the picture is shown; if not, the decoder works it out from ``decode_at``.
        epoch: rises whenever capture time could not go on; see ``streams.sources.capture_time``.
        clock_s: the camera's own clock less ours when it came; None where the camera does not tell the time.
    """

    captured_at: float
    decode_at: float
    data: bytes
    key: bool
    codec: Codec
    epoch: int = 0
    timed: bool = True
    clock_s: float | None = None


class SourceEvent(msgspec.Struct, frozen=True):
    """Something that happened to a source instead of a packet: it was lost, has ended or could not be read."""

    gap: Gap
    captured_at: float | None = None


class Decoder:
    """Packets in, pictures out, in the order of their capture. One thread: cameras are many, cores few.

    A picture's ``pts`` is its capture time in microseconds. Damaged data gives no picture and raises
    ``av.error.FFmpegError``.
    """

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self._context = cast(VideoCodecContext, av.CodecContext.create(codec.name, "r"))
        self._context.thread_count = 1
        if codec.extradata:
            self._context.extradata = codec.extradata
        if codec.width and codec.height:
            self._context.width, self._context.height = codec.width, codec.height
        if codec.tag.strip("\0"):
            self._context.codec_tag = codec.tag  # MPEG-4's writers differ, and the decoder mends each one's errors
        if codec.name == "rawvideo" and codec.pix_fmt:
            self._context.pix_fmt = codec.pix_fmt
        if codec.name == "mjpeg":
            # A torn JPEG would otherwise come out as a picture whose lower part is grey: motion that never was.
            self._context.options = {"err_detect": "explode"}

    def __call__(self, packet: Packet) -> list[VideoFrame]:
        """The pictures that this packet completes."""
        encoded = padded(packet.data)
        encoded.time_base = MICROSECONDS
        encoded.dts = round(packet.decode_at * 1e6)
        encoded.is_keyframe = packet.key  # libav adds a PNG that is none to the one before
        if packet.timed:
            encoded.pts = round(packet.captured_at * 1e6)
        return self._context.decode(encoded)

    def rest(self) -> list[VideoFrame]:
        """The pictures still held back for their order; the decoder then stands as new."""
        try:
            return self._context.decode(None)
        except av.error.EOFError:
            return []
        finally:
            self._context.flush_buffers()

    def reset(self) -> None:
        """Forgets what came; the next packet must be a key one."""
        self._context.flush_buffers()


def padded(data: bytes) -> av.Packet[Stream]:
    """The data as a packet of libav's own.

    ``av.Packet(data)`` would lend our bytes without the zeros that libav needs behind them: it reads on past the end,
    and pictures come out damaged now and then.
    """
    packet = av.Packet(len(data))
    packet.update(data)
    return packet


def captured_at(picture: VideoFrame) -> float:
    """A decoded picture's capture time, seconds UTC."""
    shown = picture.pts if picture.pts is not None else picture.dts
    return (shown or 0) / 1e6


def pictures(packets: Iterator[Packet]) -> Iterator[VideoFrame]:
    """Decodes packets from a key one on, over changes of codec and epoch. Damaged ones are left out."""
    decoder, epoch = None, 0
    for packet in packets:
        if decoder is None or decoder.codec != packet.codec or epoch != packet.epoch:
            if decoder is not None:
                yield from decoder.rest()
            decoder, epoch = Decoder(packet.codec), packet.epoch
        try:
            yield from decoder(packet)
        except av.error.FFmpegError:
            continue
    if decoder is not None:
        yield from decoder.rest()
