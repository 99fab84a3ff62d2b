"""The protocols of the stages. A stage does not know the transport; a runner carries records between stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from lanewatch.records import Detections, Event, Frame, Watermark

S = TypeVar("S")


class UnavailableError(Exception):
    """A stage cannot accept an event now, for example because of a full disk. The caller should retry."""


class Sample(Protocol):
    """One camera's frames in the order of capture. Those of a live camera only end by ``close``, from any thread."""

    camera: str
    live: bool

    def __iter__(self) -> Iterator[Frame]: ...

    def close(self) -> None: ...


class Detect(Protocol):
    """Returns one ``Detections`` for each frame, in the same order. Frames may be of any cameras. It has no state."""

    def __call__(self, frames: Sequence[Frame]) -> list[Detections]: ...


class Watch(Protocol[S]):
    """A pure fold over one camera's detections: no wall clock, pixels, input or output. The argument is not changed."""

    def start(self, camera: str) -> S:
        """The state before a camera's first record."""

    def step(self, state: S, detections: Detections) -> tuple[S, list[Event]]:
        """The state after a record, and the events that it causes."""

    def skipped(self, state: S) -> Mapping[str, int]:
        """Number of records that were not evaluated so far, by reason, such as duplicates."""

    def counters(self, state: S) -> Mapping[str, int]:
        """Other counts so far, by name, such as the failures of a behaviour."""


class Correlate(Protocol[S]):
    """A pure fold over the events of all cameras, like ``Watch``. It finds what spans several cameras.

    Events of different cameras come in any order. By the watermarks, the fold can sort them by capture time.
    """

    def start(self) -> S:
        """The state before the first event."""

    def step(self, state: S, event: Event) -> tuple[S, list[Event]]:
        """The state after an event, and new events that are certain now."""

    def advance(self, state: S, reached: Mapping[str, Watermark]) -> tuple[S, list[Event]]:
        """The same after progress of cameras; ``reached`` has their watermarks by camera."""


class Serve(Protocol):
    """Accepts the events of the watch stage and of the correlation."""

    def upsert(self, event: Event) -> None:
        """Stores an event's revision. Raises ``UnavailableError`` if that is not possible now."""

    def advance(self, camera: str, reached: Watermark) -> None:
        """Reports up to which capture time a camera's records have been evaluated."""


class HeldFootage(Protocol):
    """A segment of a camera's footage. It may be read lazily, at the first call."""

    @property
    def covered(self) -> tuple[float, float] | None:
        """Capture times of the first and last available picture in the requested range; None without one."""

    @property
    def size(self) -> int:
        """Bytes of the encoded pictures."""

    def nearest(self, at: float) -> Frame | None:
        """The masked frame whose capture time is nearest to ``at``, with its pixels."""

    def write(self, path: Path | str) -> None:
        """Writes an MP4 that browsers play."""


class FrameStore(Protocol):
    """The recent frames of each camera. Evidence is cut from them."""

    def hold(self, camera: str, start: float, end: float) -> HeldFootage:
        """The available footage with ``start <= captured_at <= end``. Raises ``KeyError`` for an unknown camera."""
