"""Footage from the frames topic: what evidence is cut from where the stages are processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

from lanewatch.records import Frame, Watermark
from streams.kafka.client.connection import Broker
from streams.kafka.client.topics import Topics
from streams.kafka.evidence.frame_lookup import FrameLookup
from streams.video import jpeg, mp4_writer


class KafkaFrameStore:
    """Implements ``streams.stages.FrameStore`` over the frames topic, within its retention.

    ``hold`` costs nothing; the topic is read when the footage is looked at, in the thread that does. Masks are already
    in the pictures.

    Args:
        broker: the site's.
        topics: the site's.
        partition: where a camera's records are; raises ``KeyError`` for one that is none.
    """

    def __init__(self, broker: Broker, topics: Topics, partition: Callable[[str], int]) -> None:
        self._rewind = FrameLookup(broker, topics)
        self._partition = partition
        self._late_s: dict[str, float] = {}

    def advance(self, camera: str, reached: Watermark) -> None:
        """Notes how late a camera's records come: a clip played with a simulated clock is years late."""
        self._late_s[camera] = reached.received_at - reached.captured_at

    def hold(self, camera: str, start: float, end: float) -> KafkaSegment:
        """The footage with ``start <= captured_at <= end``, as far as the topic has it when it is looked at.

        Raises:
            KeyError: there is no such camera.
        """
        partition = self._partition(camera)
        late_s = self._late_s.get(camera, 0.0)
        return KafkaSegment(camera, start, end, lambda: self._rewind.read(camera, partition, start, end, late_s))

    def hurry(self) -> None:
        """The end is near: what is read is read, but a broker that is away is waited for no longer."""
        self._rewind.hurry()

    def close(self) -> None:
        """Ends the connection."""
        self._rewind.close()


class KafkaSegment:
    """A piece of a camera's footage, read when it is first asked for; implements ``streams.stages.HeldFootage``.

    Asked, it raises ``OSError`` where the broker could not be reached.
    """

    def __init__(self, camera: str, start: float, end: float, read: Callable[[], list[Frame]]) -> None:
        self.camera = camera
        self.start = start
        self.end = end
        self._read = read

    @cached_property
    def _packed(self) -> list[Frame]:
        return self._read()

    @property
    def covered(self) -> tuple[float, float] | None:
        """Capture times of the first and last picture that are there; None: none."""
        return (self._packed[0].captured_at, self._packed[-1].captured_at) if self._packed else None

    @property
    def size(self) -> int:
        """Bytes of the JPEG pictures."""
        return sum(len(frame.packed.jpeg) for frame in self._packed if frame.packed is not None)

    def nearest(self, at: float) -> Frame | None:
        """The frame whose capture time is nearest to ``at``, with its pixels; None where none can be decoded."""
        for frame in sorted(self._packed, key=lambda frame: abs(frame.captured_at - at)):
            seen = jpeg.unpack(frame)
            if seen.image is not None:
                return seen
        return None

    def write(self, path: Path | str) -> None:
        """Writes an MP4 that browsers play, each picture shown at its own time.

        Raises:
            ValueError: there is no picture.
            OSError: it cannot be written.
        """
        mp4_writer.encode(path, self._frames(), self._rate())

    def _frames(self) -> Iterator[Frame]:
        for frame in self._packed:
            seen = jpeg.unpack(frame)
            if seen.image is not None:
                yield seen

    def _rate(self) -> float:
        lasted = self._packed[-1].captured_at - self._packed[0].captured_at if self._packed else 0.0
        return max(1.0, (len(self._packed) - 1) / lasted) if lasted > 0 else 1.0
