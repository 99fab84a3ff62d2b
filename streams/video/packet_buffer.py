"""The last minute of each camera as encoded packets. Evidence is cut from it."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from lanewatch.config.site import Camera
from streams.sources.packets import Packet
from streams.video.segment import FootageSegment

MAX_AGE_S = 60.0  # capture time in the buffer: the longest pre-roll, plus the time until the evidence is cut
MAX_BYTES = 64 << 20  # Memory for each camera: a minute at 8 Mbit/s. Above it, the oldest packets are removed.


@dataclass
class _CameraPackets:
    camera: Camera
    packets: deque[tuple[float, Packet]]
    keys: deque[float]
    """Elapsed time of the key frames in ``packets``."""
    bytes: int = 0
    elapsed_s: float = 0.0

    def remove_oldest_group(self) -> None:
        """Removes the packets before the second key frame; all packets if there is none."""
        self._remove_oldest()
        while self.packets and not self.packets[0][1].key:
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        _, packet = self.packets.popleft()
        self.bytes -= len(packet.data)
        if packet.key:
            self.keys.popleft()


class PacketBuffer:
    """The last packets of each camera. Samplers write, evidence reads; both from any thread."""

    def __init__(
        self, cameras: Sequence[Camera] = (), *, max_age_s: float = MAX_AGE_S, max_bytes: int = MAX_BYTES
    ) -> None:
        self._max_age_s = max_age_s
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._cameras: dict[str, _CameraPackets] = {}
        for camera in cameras:
            self.add(camera)

    def add(self, camera: Camera) -> None:
        """Adds a camera. Its privacy masks are applied to all footage that is read."""
        with self._lock:
            if camera.id not in self._cameras:
                self._cameras[camera.id] = _CameraPackets(camera, deque(), deque())

    def append(self, camera: str, packet: Packet) -> None:
        """Adds a packet. Removes whole groups of pictures that are too old or exceed the memory.

        A group stays as long as one of its pictures is young enough, since each depends on its key frame. A camera
        with minutes between key frames needs that much more memory, up to the limit.
        """
        with self._lock:
            buffered = self._cameras[camera]
            if buffered.packets:
                # Age is elapsed time, not clock time: after a clock was set back, old packets must still expire.
                buffered.elapsed_s += min(max(packet.decode_at - buffered.packets[-1][1].decode_at, 0.0), 2.0)
            buffered.packets.append((buffered.elapsed_s, packet))
            buffered.bytes += len(packet.data)
            if packet.key:
                buffered.keys.append(buffered.elapsed_s)
            while self._exceeds_limits(buffered):
                buffered.remove_oldest_group()

    def _exceeds_limits(self, buffered: _CameraPackets) -> bool:
        if buffered.bytes > self._max_bytes:
            return True
        # The oldest group of pictures is needed until the next one alone reaches back far enough.
        oldest = buffered.keys[1] if len(buffered.keys) > 1 else buffered.elapsed_s
        return buffered.elapsed_s - oldest >= self._max_age_s

    def hold(self, camera: str, start: float, end: float) -> FootageSegment:
        """The packets of ``start <= captured_at <= end``, and those from the key frame before on. Copies no data.

        The segment covers what is in the buffer: see ``FootageSegment.covered``. Raises ``KeyError`` for an unknown
        camera.
        """
        with self._lock:
            if camera not in self._cameras:
                raise KeyError(f"the packet buffer has no camera {camera!r}")
            buffered = self._cameras[camera]
            packets = [packet for _, packet in buffered.packets]
        return FootageSegment(buffered.camera, _cut(packets, start, end), start, end)


def _cut(packets: list[Packet], start: float, end: float) -> tuple[Packet, ...]:
    inside = [index for index, packet in enumerate(packets) if start <= packet.captured_at <= end]
    if not inside:
        return ()
    first = inside[0]
    while first > 0 and not packets[first].key:
        first -= 1
    return tuple(packets[first : inside[-1] + 1])
