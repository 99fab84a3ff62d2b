"""A segment of a camera's footage: frames for viewing, or a clip."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av

from lanewatch.config.site import Camera
from lanewatch.records import Frame, Image
from streams.sources.packets import Packet, capture_time, decode_packets, to_av_packet
from streams.video import mp4_writer
from streams.video.annexb import annexb, parameter_sets
from streams.video.frame_converter import FrameConverter
from streams.video.mp4_writer import MP4_OPTIONS, TIME_BASE
from streams.video.time_grid import slot_ms

_PLAYABLE = {"yuv420p", "yuvj420p", ""}


class FootageSegment:
    """Encoded packets of one camera. They stay available when the packet buffer removes them.

    ``start`` and ``end`` are the requested range of capture time, seconds UTC. Only frames within it are returned.
    """

    def __init__(self, camera: Camera, packets: tuple[Packet, ...], start: float, end: float) -> None:
        self.camera = camera
        self.packets = packets
        self.start = start
        self.end = end

    def __len__(self) -> int:
        return len(self.packets)

    @property
    def covered(self) -> tuple[float, float] | None:
        """Capture times of the first and last available picture in the requested range; None without one."""
        times = [packet.captured_at for packet in self.packets if self.start <= packet.captured_at <= self.end]
        return (min(times), max(times)) if times else None

    @property
    def size(self) -> int:
        """Bytes of the packets."""
        return sum(len(packet.data) for packet in self.packets)

    @property
    def can_remux(self) -> bool:
        """Whether ``write`` can copy the stream: H.264 that browsers play, without masks, from one epoch and codec.

        A stream with a display geometry is encoded anew, upright and with square pixels.
        """
        if not self.packets or self.camera.masks:
            return False
        first, codec = self.packets[0], self.packets[0].codec
        uniform = all(packet.epoch == first.epoch and packet.codec == codec for packet in self.packets)
        playable = codec.name == "h264" and bool(codec.extradata) and codec.pix_fmt in _PLAYABLE
        return uniform and first.key and playable and not codec.geometry.filters(codec.width, codec.height)

    def frames(self) -> Iterator[Frame]:
        """Masked frames in the order of capture."""
        converter = FrameConverter(self.camera)
        for picture in decode_packets(self.packets):
            captured_at = capture_time(picture)
            # A picture's time was rounded to microseconds, so the range has a tolerance.
            if self.start - 1e-5 <= captured_at <= self.end + 1e-5:
                yield self._frame(converter.convert(picture), captured_at)

    def nearest(self, at: float) -> Frame | None:
        """The masked frame whose capture time is nearest to ``at``; None if no picture can be decoded."""
        best = None
        for picture in decode_packets(self.packets):
            if best is None or abs(capture_time(picture) - at) < abs(capture_time(best) - at):
                best = picture
            if capture_time(picture) >= at:
                break
        return None if best is None else self._frame(FrameConverter(self.camera).convert(best), capture_time(best))

    def _frame(self, image: Image, captured_at: float) -> Frame:
        return Frame(
            camera=self.camera.id,
            epoch=self.packets[0].epoch,
            slot=slot_ms(captured_at, self.camera.rate.active),
            captured_at=captured_at,
            received_at=time.time(),
            width=image.shape[1],
            height=image.shape[0],
            image=image,
        )

    def write(self, path: Path | str) -> None:
        """Writes an MP4 that browsers can start before it is complete.

        It is a copy of the stream from the key frame before ``start`` on if ``can_remux``, otherwise re-encoded H.264.
        Raises ``ValueError`` if the segment is empty, ``OSError`` for example on a full disk.
        """
        if not self.packets:
            raise ValueError(f"camera {self.camera.id}: no footage between {self.start:.3f} and {self.end:.3f}")
        if self.can_remux:
            self._remux(str(path))
        else:
            mp4_writer.encode(path, self.frames(), self.packets[0].codec.rate)

    def _remux(self, path: str) -> None:
        codec = self.packets[0].codec
        start = self.packets[0].decode_at
        with av.open(path, "w", format="mp4", options=MP4_OPTIONS) as out:
            stream = out.add_mux_stream(codec.name, width=codec.width, height=codec.height, time_base=TIME_BASE)
            # PyAV cannot pass parameter sets to a muxer; from Annex B data the muxer reads them itself.
            head = parameter_sets(codec.extradata)
            for packet in self.packets:
                copy, head = to_av_packet(head + annexb(packet.data, codec.extradata)), b""
                copy.stream = stream
                copy.time_base = TIME_BASE
                copy.dts = round((packet.decode_at - start) / TIME_BASE)
                copy.pts = round((packet.captured_at - start) / TIME_BASE)
                copy.is_keyframe = packet.key
                out.mux(copy)
