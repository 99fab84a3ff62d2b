"""The decode gate: all packets are decoded during motion, otherwise only key frames at the idle rate."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import av.error
from av.video.frame import VideoFrame

from lanewatch.config.site import SamplingRate
from streams.sources.packets import Decoder, Packet, SourceEvent
from streams.video.display_geometry import DisplayGeometry

QUIET_S = 5.0  # time without motion until the idle rate applies: longer than a walker's pause behind a tree
MAX_GOP_S = 4.0  # with a longer distance between key frames, a camera is always decoded: idle would miss too much
MAX_PENDING_BYTES = 16 << 20  # limit of the packets that wait undecoded: 4 s at 32 Mbit/s
Decoded = Iterator[VideoFrame | SourceEvent]


class DecodeGate:
    """Decodes one camera's packets as far as necessary. Not thread-safe.

    While idle, it decodes key frames at the idle rate at most, and stores all packets since the last decoded one. When
    a key frame shows motion, it decodes all stored packets. So the approach is not lost, and the decoder does not start
    between key frames, where it gives damaged pictures. Without ``gated`` it is never idle. ``has_motion`` must not
    learn from the picture. ``active``: all packets are decoded.
    """

    def __init__(self, rate: SamplingRate, gated: bool, has_motion: Callable[[VideoFrame], bool]) -> None:
        self.active = True
        self._idle_s = 1.0 / rate.idle
        self._gated = gated
        self._has_motion = has_motion
        self._decoder: Decoder | None = None
        self._epoch = 0
        self._needs_key_frame = True
        self._pending: list[Packet] = []
        self._key_at: float | None = None
        self._gop_s: float | None = None
        self._next_key_at = 0.0
        self._moved_at: float | None = None

    @property
    def geometry(self) -> DisplayGeometry | None:
        """The display geometry of the latest picture; None before the first packet."""
        return None if self._decoder is None else self._decoder.geometry

    def decode(self, packet: Packet) -> Decoded:
        """Pictures in the order of capture, and an event for each one that could not be decoded."""
        # A jump of the clock between key frames does not concern the decoder.
        new_epoch = packet.key and packet.epoch != self._epoch
        if self._decoder is None or packet.codec != self._decoder.codec or new_epoch:
            yield from self.flush()
            self._start(packet)
        if self._needs_key_frame and not packet.key:
            yield SourceEvent("unreadable", packet.captured_at)
            return
        self._needs_key_frame = False
        self._epoch = packet.epoch
        if packet.key:
            self._gop_s = None if self._key_at is None else packet.captured_at - self._key_at
            self._key_at = packet.captured_at
            if self.active:
                self._pending = []
        self._pending.append(packet)
        yield from self._decode(packet) if self.active else self._decode_idle(packet)

    def flush(self) -> Decoded:
        """The remaining pictures before a break or at the end. The next packet starts a new decoder."""
        if self._decoder is None:
            return
        yield from self.decode_pending()
        yield from self._decoder.flush()
        self._decoder = None

    def decode_pending(self) -> Decoded:
        """The pictures of the stored packets, because the camera may be lost. Decoding can continue afterwards."""
        if not self.active:
            yield from self._activate()

    def report_motion(self, captured_at: float, moved: bool) -> None:
        """Reports whether a picture showed motion. After ``QUIET_S`` without motion the gate is idle."""
        if moved or self._moved_at is None:
            self._moved_at = captured_at
        short_gop = self._gop_s is not None and self._gop_s <= MAX_GOP_S
        if self._gated and self.active and short_gop and captured_at - self._moved_at >= QUIET_S:
            self.active = False
            self._next_key_at = captured_at + self._idle_s

    def _start(self, packet: Packet) -> None:
        self._decoder = Decoder(packet.codec)
        self._key_at = self._gop_s = self._moved_at = None
        self.active = self._needs_key_frame = True
        self._epoch = packet.epoch
        self._pending = []

    def _decode(self, packet: Packet) -> Decoded:
        assert self._decoder is not None
        try:
            pictures = self._decoder.decode(packet)
        except av.error.FFmpegError:
            yield SourceEvent("unreadable", packet.captured_at)
            return
        for picture in pictures:
            yield SourceEvent("unreadable", packet.captured_at) if picture.is_corrupt else picture

    def _decode_idle(self, packet: Packet) -> Decoded:
        overdue = self._key_at is not None and packet.captured_at - self._key_at > MAX_GOP_S
        if overdue or sum(len(pending.data) for pending in self._pending) > MAX_PENDING_BYTES:
            yield from self._activate()
        elif packet.key and packet.captured_at >= self._next_key_at - 0.5 / packet.codec.rate:
            picture = self._decode_key_frame(packet)
            if picture is None or self._has_motion(picture):
                yield from self._activate()
                return
            self._pending = [packet]
            self._next_key_at = packet.captured_at + self._idle_s
            yield picture

    def _decode_key_frame(self, packet: Packet) -> VideoFrame | None:
        assert self._decoder is not None
        self._decoder.reset()
        try:
            pictures = self._decoder.decode(packet) or self._decoder.flush()
        except av.error.FFmpegError:
            return None
        return pictures[0] if pictures and not pictures[0].is_corrupt else None

    def _activate(self) -> Decoded:
        """Decodes all stored packets. Those from the last key frame on stay stored for the next idle phase."""
        assert self._decoder is not None
        self.active = True
        packets = self._pending
        self._moved_at = packets[-1].captured_at if packets else None
        self._decoder.reset()
        last_key = max((index for index, packet in enumerate(packets) if packet.key), default=0)
        self._pending = packets[last_key:]
        for packet in packets:
            yield from self._decode(packet)
