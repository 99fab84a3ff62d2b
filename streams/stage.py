"""The shapes of the four stages. A stage knows nothing of transport; a runner carries the records between them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol, TypeVar

from lanewatch.records import Detections, Event, Frame, Gap

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


class UnavailableError(Exception):
    """Whatever takes events cannot take one just now, and can be asked again: a full disk, a database that is away."""


class Serve(Protocol):
    """Takes what the watcher found. ``advance`` tells how far a camera's capture time has come, and
    the gap of the record that told so, if it had one.

    ``upsert`` raises ``UnavailableError`` where it is worth asking again.
    """

    def upsert(self, event: Event) -> None: ...

    def advance(self, camera: str, captured_at: float, gap: Gap | None = None) -> None: ...


class FrameStore(Protocol):
    """The last frames of each camera, from which evidence is cut."""

    def read(self, camera: str, start: float, end: float) -> Iterator[Frame]:
        """Masked frames with ``start <= captured_at <= end``, as far as they are still held."""
        ...
