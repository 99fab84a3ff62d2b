"""The topic ``frames`` as the frame store: evidence is cut from it when the stages are separate processes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path

from lanewatch.records import Frame
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.evidence.frame_lookup import FrameLookup
from streams.video import jpeg, mp4_writer


class KafkaFrameStore(FrameLookup):
    """Implements ``streams.stages.FrameStore`` with the topic ``frames``, within its retention.

    ``hold`` costs nothing; the topic is read at the first use of the segment, in the thread that uses it. Privacy
    masks are already applied to the frames.

    Args:
        partition: Gives a camera's partition; raises ``KeyError`` for an unknown camera.
    """

    def __init__(self, broker: Broker, topics: Topics, partition: Callable[[str], int]) -> None:
        super().__init__(broker, topics)
        self._partition = partition

    def hold(self, camera: str, start: float, end: float) -> KafkaSegment:
        """The footage with ``start <= captured_at <= end``, as far as the topic has it at the first use.

        Raises:
            KeyError: there is no such camera.
        """
        partition = self._partition(camera)
        return KafkaSegment(lambda: self.read(camera, partition, start, end))


class KafkaSegment:
    """A part of a camera's footage, read at its first use; implements ``streams.stages.HeldFootage``.

    Its methods raise ``OSError`` if the broker could not be reached.
    """

    def __init__(self, read: Callable[[], list[Frame]]) -> None:
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
        frames = sorted(self._encoded, key=lambda frame: abs(frame.captured_at - at))
        return next(_decoded(frames), None)

    def write(self, path: Path | str) -> None:
        """Writes an MP4 that browsers play, each frame at its own time.

        Raises:
            ValueError: there is no frame.
            OSError: it cannot be written.
        """
        first, last = self.covered or (0.0, 0.0)
        rate = max(1.0, (len(self._encoded) - 1) / (last - first)) if last > first else 1.0
        mp4_writer.encode(path, _decoded(self._encoded), rate)


def _decoded(frames: Iterable[Frame]) -> Iterator[Frame]:
    return (decoded for frame in frames if (decoded := jpeg.unpack(frame)).image is not None)
