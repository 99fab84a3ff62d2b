"""A piece of a camera's footage, to be looked at or written down as a clip."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import av
from av.video.frame import VideoFrame

from lanewatch.config.site import Camera
from lanewatch.records import Frame, Image
from streams.sources.packets import Packet, captured_at, padded, pictures
from streams.video import mp4_writer
from streams.video.annexb import annexb, parameter_sets
from streams.video.frame_converter import FrameConverter
from streams.video.mp4_writer import TIME_BASE
from streams.video.time_grid import index_of, slot_of

_PLAYABLE = {"yuv420p", "yuvj420p", ""}


class FootageSegment:
    """Encoded packets of one camera, held fast: what the ring lets go of meanwhile stays here.

    Attributes:
        start, end: what was asked for, capture time in seconds UTC; frames are given within.
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
        """Capture times of the first and last picture that are there within what was asked for; None: none."""
        times = [packet.captured_at for packet in self.packets if self.start <= packet.captured_at <= self.end]
        return (min(times), max(times)) if times else None

    @property
    def size(self) -> int:
        """Bytes of the packets."""
        return sum(len(packet.data) for packet in self.packets)

    @property
    def can_remux(self) -> bool:
        """Whether ``write`` can copy the stream as it is: H.264 that browsers play, nothing to mask, no break in it."""
        if not self.packets or self.camera.masks:
            return False
        first = self.packets[0]
        whole = all(packet.epoch == first.epoch and packet.codec == first.codec for packet in self.packets)
        codec = first.codec
        return whole and first.key and codec.name == "h264" and bool(codec.extradata) and codec.pix_fmt in _PLAYABLE

    def frames(self, fps: float | None = None) -> Iterator[Frame]:
        """Masked frames in order, all of them or at most ``fps`` a second."""
        painter = FrameConverter(self.camera)
        last = None
        for picture in pictures(iter(self.packets)):
            at = captured_at(picture)
            # A picture's time has been through microseconds: the edges must not lose theirs to rounding.
            if not self.start - 1e-5 <= at <= self.end + 1e-5:
                continue
            index = index_of(at, fps) if fps else None
            if index is not None and index == last:
                continue
            last = index
            yield self._frame(painter.image(picture), at)

    def nearest(self, at: float) -> Frame | None:
        """The masked frame whose capture time is nearest to ``at``; None where none can be decoded."""
        best: VideoFrame | None = None
        for picture in pictures(iter(self.packets)):
            if best is None or abs(captured_at(picture) - at) < abs(captured_at(best) - at):
                best = picture
            if captured_at(picture) >= at:
                break
        return None if best is None else self._frame(FrameConverter(self.camera).image(best), captured_at(best))

    def _frame(self, image: Image, at: float) -> Frame:
        return Frame(
            camera=self.camera.id,
            epoch=self.packets[0].epoch,
            slot=slot_of(at, self.camera.rate.active),
            captured_at=at,
            received_at=time.time(),
            width=image.shape[1],
            height=image.shape[0],
            image=image,
        )

    def write(self, path: Path | str) -> None:
        """Writes an MP4 that browsers play from its first byte on: a copy of the stream where that can be, else encoded
        anew as H.264. A copy begins at the key frame before ``start``.

        Raises:
            ValueError: nothing is held.
            OSError: the file cannot be written, such as on a full disk.
        """
        if not self.packets:
            raise ValueError(f"camera {self.camera.id}: nothing is held between {self.start:.3f} and {self.end:.3f}")
        if self.can_remux:
            self._remux(str(path))
        else:
            mp4_writer.encode(path, self.frames(), self.packets[0].codec.rate)

    def _remux(self, path: str) -> None:
        codec = self.packets[0].codec
        begin = self.packets[0].decode_at
        with av.open(path, "w", format="mp4", options={"movflags": "faststart"}) as out:
            stream = out.add_mux_stream(codec.name, width=codec.width, height=codec.height, time_base=TIME_BASE)
            head = parameter_sets(codec.extradata)
            for packet in self.packets:
                # PyAV cannot hand parameter sets to a muxer; out of annex B the muxer takes them by itself.
                copy, head = padded(head + annexb(packet.data, codec.extradata)), b""
                copy.stream = stream
                copy.time_base = TIME_BASE
                copy.dts = round((packet.decode_at - begin) / TIME_BASE)
                copy.pts = round((packet.captured_at - begin) / TIME_BASE)
                copy.is_keyframe = packet.key
                out.mux(copy)
