"""Which of a camera's packets are decoded: all while something moves, key frames now and then while nothing does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import av.error
from av.video.frame import VideoFrame

from lanewatch.config.site import SamplingRate
from streams.sources.packets import Decoder, Packet, SourceEvent

QUIET_S = 5.0
"""How long nothing has to move before a scene is left to the idle rate: longer than a walker's pause behind a tree."""

LONGEST_GOP_S = 4.0
"""A camera whose key frames are further apart is never left to the idle rate: it could not be looked at in time."""

KEPT_BYTES = 16 << 20
"""What may be kept undecoded since the last look, at most: 4 s at 32 Mbit/s."""


class DecodeGate:
    """Decodes one camera's packets as far as they are worth it. Not thread-safe.

    Dozing, it looks at key frames, at most at the idle rate, and keeps all packets since the one it last looked at.
    When a key frame shows that something moved, it decodes from the last look on: a decoder let in midway gives
    garbage until the next key frame, and so the approach is not lost either.

    Args:
        rate: the camera's rates.
        gated: False: never dozes.
        differs: tells whether something moved in a picture, without learning from it.
    """

    def __init__(self, rate: SamplingRate, gated: bool, differs: Callable[[VideoFrame], bool]) -> None:
        self.awake = True
        self._idle_s = 1.0 / rate.idle
        self._gated = gated
        self._differs = differs
        self._decoder: Decoder | None = None
        self._epoch = 0
        self._headless = True
        self._kept: list[Packet] = []
        self._kept_bytes = 0
        self._key_at: float | None = None
        self._gop_s: float | None = None
        self._look_at = 0.0
        self._moved_at: float | None = None

    def __call__(self, packet: Packet) -> Iterator[VideoFrame | SourceEvent]:
        """The pictures to look at, in the order of their capture, and a mark for each that could not be decoded."""
        if self._decoder is None or self._breaks(packet):
            yield from self.rest()
            self._begin(packet)
        if self._headless and not packet.key:
            yield SourceEvent("unreadable", packet.captured_at)
            return
        self._headless = False
        if packet.key:
            if self._key_at is not None:
                self._gop_s = packet.captured_at - self._key_at
            self._key_at = packet.captured_at
            if self.awake:
                self._keep_none()
        self._epoch = packet.epoch
        self._keep(packet)
        if self.awake:
            yield from self._decode(packet)
        else:
            yield from self._doze(packet)

    def rest(self) -> Iterator[VideoFrame | SourceEvent]:
        """What is still to be seen before a break or at the end: what was kept undecoded, what was held back."""
        if self._decoder is None:
            return
        if not self.awake:
            yield from self._wake()
        yield from self._decoder.rest()
        self._decoder = None

    def looked(self, captured_at: float, moved: bool) -> None:
        """Tells what the gate saw in a picture; after ``QUIET_S`` without movement the scene is left to itself."""
        if moved or self._moved_at is None:
            self._moved_at = captured_at
        steady = self._gop_s is not None and self._gop_s <= LONGEST_GOP_S
        if self._gated and self.awake and steady and captured_at - self._moved_at >= QUIET_S:
            self.awake = False
            self._look_at = captured_at + self._idle_s

    def catch_up(self) -> Iterator[VideoFrame | SourceEvent]:
        """What was kept undecoded, because nothing may come for long; the decoder can go on from there."""
        if not self.awake:
            yield from self._wake()

    def _breaks(self, packet: Packet) -> bool:
        """Whether decoding must begin anew; to a jump of the clock between key frames the decoder is blind."""
        assert self._decoder is not None
        return packet.codec != self._decoder.codec or (packet.epoch != self._epoch and packet.key)

    def _begin(self, packet: Packet) -> None:
        self._decoder = Decoder(packet.codec)
        self._epoch = packet.epoch
        self._key_at = self._gop_s = self._moved_at = None
        self.awake = self._headless = True
        self._keep_none()

    def _keep(self, packet: Packet) -> None:
        self._kept.append(packet)
        self._kept_bytes += len(packet.data)

    def _keep_none(self) -> None:
        self._kept, self._kept_bytes = [], 0

    def _decode(self, packet: Packet) -> Iterator[VideoFrame | SourceEvent]:
        assert self._decoder is not None
        try:
            decoded = self._decoder(packet)
        except av.error.FFmpegError:
            yield SourceEvent("unreadable", packet.captured_at)
            return
        for picture in decoded:
            yield SourceEvent("unreadable", packet.captured_at) if picture.is_corrupt else picture

    def _doze(self, packet: Packet) -> Iterator[VideoFrame | SourceEvent]:
        overdue = self._key_at is not None and packet.captured_at - self._key_at > LONGEST_GOP_S
        if overdue or self._kept_bytes > KEPT_BYTES:
            yield from self._wake()
        elif packet.key and packet.captured_at >= self._look_at - 0.5 / packet.codec.rate:
            seen = self._glance(packet)
            if seen is None or self._differs(seen):
                yield from self._wake()
                return
            self._keep_none()
            self._keep(packet)
            self._look_at = packet.captured_at + self._idle_s
            yield seen

    def _glance(self, packet: Packet) -> VideoFrame | None:
        assert self._decoder is not None
        self._decoder.reset()
        try:
            seen = self._decoder(packet) or self._decoder.rest()
        except av.error.FFmpegError:
            return None
        return seen[0] if seen and not seen[0].is_corrupt else None

    def _wake(self) -> Iterator[VideoFrame | SourceEvent]:
        assert self._decoder is not None
        self.awake = True
        self._moved_at = self._kept[-1].captured_at if self._kept else None
        self._decoder.reset()
        kept = self._kept
        last_key = max((index for index, packet in enumerate(kept) if packet.key), default=0)
        self._keep_none()
        for packet in kept[last_key:]:
            self._keep(packet)
        for packet in kept:
            yield from self._decode(packet)
