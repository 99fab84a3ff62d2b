"""The topic ``frames`` as the frame store: evidence is cut from it when the stages are separate processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from lanewatch.records import Frame
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.evidence.frame_lookup import FrameLookup
from streams.video import jpeg, mp4_writer


class KafkaFrameStore:
    """Implements ``streams.stages.FrameStore`` with the topic ``frames``, within its retention.

    ``hold`` costs nothing; the topic is read at the first use of the segment, in the thread that uses it. Privacy
    masks are already applied to the frames.

    Args:
        partition: Gives a camera's partition; raises ``KeyError`` for an unknown camera.
    """

    def __init__(self, broker: Broker, topics: Topics, partition: Callable[[str], int]) -> None:
        self._lookup = FrameLookup(broker, topics)
        self._partition = partition

    def hold(self, camera: str, start: float, end: float) -> KafkaSegment:
        """The footage with ``start <= captured_at <= end``, as far as the topic has it at the first use.

        Raises:
            KeyError: there is no such camera.
        """
        partition = self._partition(camera)
        return KafkaSegment(camera, start, end, lambda: self._lookup.read(camera, partition, start, end))

    def hurry(self) -> None:
        """Stops waiting for an unreachable broker: the process is about to end."""
        self._lookup.hurry()

    def close(self) -> None:
        """Closes the connection."""
        self._lookup.close()


class KafkaSegment:
    """A part of a camera's footage, read at its first use; implements ``streams.stages.HeldFootage``.

    Its methods raise ``OSError`` if the broker could not be reached.
    """

    def __init__(self, camera: str, start: float, end: float, read: Callable[[], list[Frame]]) -> None:
        self.camera = camera
        self.start = start
        self.end = end
        self._read = read

    @cached_property
    def _encoded(self) -> list[Frame]:
        return self._read()

    @property
    def covered(self) -> tuple[float, float] | None:
        """Capture times of the first and last frame; None if there is no frame."""
        return (self._encoded[0].captured_at, self._encoded[-1].captured_at) if self._encoded else None

    @property
    def size(self) -> int:
        """Bytes of the JPEG images."""
        return sum(len(frame.packed.jpeg) for frame in self._encoded if frame.packed is not None)

    def nearest(self, at: float) -> Frame | None:
        """The frame with the capture time nearest to ``at``, with its pixels; None if no frame can be decoded."""
        for frame in sorted(self._encoded, key=lambda frame: abs(frame.captured_at - at)):
            decoded = jpeg.unpack(frame)
            if decoded.image is not None:
                return decoded
        return None

    def write(self, path: Path | str) -> None:
        """Writes an MP4 that browsers play, each frame at its own time.

        Raises:
            ValueError: there is no frame.
            OSError: it cannot be written.
        """
        mp4_writer.encode(path, self._decoded(), self._rate())

    def _decoded(self) -> Iterator[Frame]:
        for frame in self._encoded:
            decoded = jpeg.unpack(frame)
            if decoded.image is not None:
                yield decoded

    def _rate(self) -> float:
        duration = self._encoded[-1].captured_at - self._encoded[0].captured_at if self._encoded else 0.0
        return max(1.0, (len(self._encoded) - 1) / duration) if duration > 0 else 1.0
