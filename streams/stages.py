"""The shapes of the four stages. A stage knows nothing of transport; a runner carries the records between them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from lanewatch.records import Detections, Event, Frame, Watermark

S = TypeVar("S")


class Sample(Protocol):
    """One camera's frames, in the order of their capture.

    It ends when a recording ends; a live camera's never does by itself: ``close`` ends it from another thread.
    """

    camera: str
    live: bool

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


class Detect(Protocol):
    """Frames of any cameras in, one ``Detections`` for each out, in the same order. Holds no state."""

    def __call__(self, frames: Sequence[Frame]) -> list[Detections]: ...


class Watch(Protocol[S]):
    """A pure fold over one camera: no wall clock, no pixels, no input or output, and its argument is not changed."""

    def start(self, camera: str) -> S: ...

    def step(self, state: S, detections: Detections) -> tuple[S, list[Event]]: ...

    def skipped(self, state: S) -> Mapping[str, int]:
        """How many records were not taken so far, by reason, such as those that came twice."""
        ...

    def noted(self, state: S) -> Mapping[str, int]:
        """What else was counted so far, by name, such as a behaviour that failed."""
        ...


class UnavailableError(Exception):
    """Whatever takes events cannot take one just now, and can be asked again: a full disk, a database that is away."""


class Correlate(Protocol[S]):
    """A pure fold over the events of all cameras, of the watcher's shape: what spans cameras.

    The cameras' events come in any interleaving; ``advance`` tells how far each has been judged, so that the fold can
    put them in the order of capture time before it looks at them: the same events give the same result.
    """

    def start(self) -> S: ...

    def step(self, state: S, event: Event) -> tuple[S, list[Event]]: ...

    def advance(self, state: S, reached: Mapping[str, Watermark]) -> tuple[S, list[Event]]: ...


class Serve(Protocol):
    """Takes what the watcher and the correlation found. ``advance`` tells how far a camera has been judged.

    ``upsert`` raises ``UnavailableError`` where it is worth asking again.
    """

    def upsert(self, event: Event) -> None: ...

    def advance(self, camera: str, reached: Watermark) -> None: ...


class HeldFootage(Protocol):
    """A piece of a camera's footage that is to be looked at or written down; it may be read only when it is asked."""

    @property
    def covered(self) -> tuple[float, float] | None:
        """Capture times of the first and last picture that are there within what was asked for; None: none."""
        ...

    @property
    def size(self) -> int:
        """Bytes of its pictures as they are held."""
        ...

    def nearest(self, at: float) -> Frame | None:
        """The masked frame whose capture time is nearest to ``at``, with its pixels."""
        ...

    def write(self, path: Path | str) -> None:
        """Writes an MP4 that browsers play."""
        ...


class FrameStore(Protocol):
    """The last frames of each camera, from which evidence is cut."""

    def hold(self, camera: str, start: float, end: float) -> HeldFootage:
        """The footage with ``start <= captured_at <= end``, as far as it is still held.

        Raises:
            KeyError: there is no such camera.
        """
        ...
