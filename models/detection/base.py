"""What an object detector is: pictures in, boxes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from lanewatch.records import LABELS, Float32, Image, Int64, UInt8

# Two boxes of one thing, or two things? By the intersection over the union, within a kind of thing: a car and a truck
# on one spot are one vehicle. People on pets09-s2l1, average precision: .904 at .40, .915 at .55, .917 at .60, which
# leaves more second boxes at low scores; dropping a box that lies within another one as well: .913 at best.
OVERLAP: Final = 0.55
_KINDS: Final = (
    ("unknown",),
    ("person",),
    ("bicycle", "motorcycle"),
    ("car", "bus", "truck"),
    ("cat", "dog"),
    ("backpack", "handbag", "suitcase"),
)
_KIND_OF: Final = np.array([next(i for i, kind in enumerate(_KINDS) if label in kind) for label in LABELS], np.int64)


class ModelMissingError(LookupError):
    """There is no such detector here; the message says how to get it, also on a closed network."""


@dataclass(frozen=True, eq=False, slots=True)
class Boxes:
    """What was seen in one picture.

    Attributes:
        xyxy: (N, 4) float32, pixels of the picture.
        scores: (N,) float32 in [0, 1].
        labels: (N,) uint8, indices into ``records.LABELS``.
    """

    xyxy: Float32
    scores: Float32
    labels: UInt8

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: NDArray[Any] | slice) -> Boxes:
        return Boxes(self.xyxy[rows], self.scores[rows], self.labels[rows])

    @classmethod
    def empty(cls) -> Boxes:
        """Nothing seen."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.uint8))

    @classmethod
    def join(cls, parts: Sequence[Boxes]) -> Boxes:
        """All boxes of several."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([part.xyxy for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.labels for part in parts]),
        )

    def inside(self, width: float, height: float) -> Boxes:
        """Cut to the picture; those that are not finite, or of which less than a pixel's width is left, are dropped."""
        finite = np.isfinite(self.xyxy).all(axis=1) & np.isfinite(self.scores)
        part = self if finite.all() else self[finite]
        xyxy = part.xyxy.clip(0, np.array((width, height, width, height), np.float32))
        held = ((xyxy[:, 2:] - xyxy[:, :2]) >= 1).all(axis=1)
        return Boxes(xyxy[held], part.scores[held], part.labels[held])

    def distinct(self, overlap: float = OVERLAP) -> Boxes:
        """One box for each thing, best first: greedy non-maximum suppression within each kind of thing.

        Args:
            overlap: intersection over union above which the lower score goes. *Raising* it keeps people apart who
                stand before one another, and keeps more second boxes of the same one.
        """
        if not len(self):
            return self
        rectangles = self.xyxy.astype(np.float64)
        rectangles[:, 2:] -= rectangles[:, :2]
        kept = cv2.dnn.NMSBoxesBatched(
            rectangles.tolist(), self.scores.tolist(), _KIND_OF[self.labels].tolist(), 0.0, overlap
        )
        rows: Int64 = np.asarray(kept, np.int64).reshape(-1)
        return self[rows[np.argsort(-self.scores[rows], kind="stable")]]


class ObjectDetector(Protocol):
    """Pictures in, boxes out, in the same order; may be called from several threads at once."""

    @property
    def name(self) -> str:
        """Which network it is; records carry it."""
        ...

    def __call__(self, images: Sequence[Image]) -> list[Boxes]:
        """What is in each picture, whatever their sizes; a batch of N gives what N single calls give."""
        ...


@runtime_checkable
class StreamingDetector(ObjectDetector, Protocol):
    """A detector that hands out each picture's boxes as soon as it and those before it are done."""

    def stream(self, images: Sequence[Image]) -> Iterator[Boxes]:
        """As calling it, in the same order, while the later pictures are still being looked at."""
        ...
