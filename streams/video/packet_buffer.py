"""The last minute of each camera, as it came: encoded. Evidence is cut from it when there is some to cut."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lanewatch.config.site import Camera
from lanewatch.records import Frame
from streams.sources.packets import Packet
from streams.video.segment import FootageSegment

HELD_S = 60.0
"""Capture time that is held: the longest pre-roll, and the time that evidence may wait for its turn."""

HELD_BYTES = 64 << 20
"""A camera's share of memory at most: a minute at 8 Mbit/s. Above that the oldest go first."""


@dataclass
class _CameraPackets:
    camera: Camera
    packets: deque[tuple[float, Packet]]
    bytes: int = 0
    age: float = 0.0


class PacketBuffer:
    """Holds each camera's last packets; samplers write, evidence reads, from any thread."""

    def __init__(self, cameras: Sequence[Camera] = (), *, held_s: float = HELD_S, held_bytes: int = HELD_BYTES) -> None:
        self._held_s = held_s
        self._held_bytes = held_bytes
        self._lock = threading.Lock()
        self._tracks: dict[str, _CameraPackets] = {}
        for camera in cameras:
            self.add(camera)

    def add(self, camera: Camera) -> None:
        """Makes a camera known; its masks are applied to all that is read of it."""
        with self._lock:
            if camera.id not in self._tracks:
                self._tracks[camera.id] = _CameraPackets(camera, deque())

    def append(self, camera: str, packet: Packet) -> None:
        """Adds a packet, and lets go of whole runs from key frame to key frame that are too old or too many."""
        with self._lock:
            track = self._tracks[camera]
            if track.packets:
                # Age counts what has passed, not what the clock says: one set back must not make the rest immortal.
                track.age += min(max(packet.decode_at - track.packets[-1][1].decode_at, 0.0), 2.0)
            track.packets.append((track.age, packet))
            track.bytes += len(packet.data)
            while self._over(track):
                self._release(track)

    def _over(self, track: _CameraPackets) -> bool:
        if not track.packets:
            return False
        return track.bytes > self._held_bytes or track.age - track.packets[0][0] > self._held_s

    @staticmethod
    def _release(track: _CameraPackets) -> None:
        track.bytes -= len(track.packets.popleft()[1].data)
        while track.packets and not track.packets[0][1].key:
            track.bytes -= len(track.packets.popleft()[1].data)

    def hold(self, camera: str, start: float, end: float) -> FootageSegment:
        """Takes hold of the packets of ``start <= captured_at <= end``, from the key frame before on, at no cost.

        What is not held any more, or not yet, is left out: the segment says where it begins and ends.
        """
        with self._lock:
            track = self._tracks.get(camera)
            held = [packet for _, packet in track.packets] if track else []
        if track is None:
            raise KeyError(f"the ring has no camera {camera!r}")
        return FootageSegment(track.camera, _cut(held, start, end), start, end)

    def read(self, camera: str, start: float, end: float) -> Iterator[Frame]:
        """Masked frames with ``start <= captured_at <= end``, as far as they are still held."""
        return self.hold(camera, start, end).frames()


def _cut(held: list[Packet], start: float, end: float) -> tuple[Packet, ...]:
    wanted = [index for index, packet in enumerate(held) if start <= packet.captured_at <= end]
    if not wanted:
        return ()
    first = wanted[0]
    while first > 0 and not held[first].key:
        first -= 1
    return tuple(held[first : wanted[-1] + 1])
