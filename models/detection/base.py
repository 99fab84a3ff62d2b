"""The protocol of object detectors: pictures in, boxes out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, runtime_checkable

import cv2
import numpy as np
from numpy.typing import NDArray

from lanewatch.records import LABELS, Float32, Image, Int64, UInt8

OVERLAP: Final = 0.55
"""Intersection over union above which two boxes of one group are one object. A car and a truck at one position are one
vehicle. People on pets09-s2l1, average precision: .904 at .40, .915 at .55, and .917 at .60, which leaves more second
boxes at low scores. Also dropping boxes that lie inside others: .913 at best."""
_GROUPS: Final = (
    ("unknown",),
    ("person",),
    ("bicycle", "motorcycle"),
    ("car", "bus", "truck"),
    ("cat", "dog"),
    ("backpack", "handbag", "suitcase"),
)
_GROUP_OF: Final = np.array(
    [next(i for i, group in enumerate(_GROUPS) if label in group) for label in LABELS], np.int64
)


class ModelMissingError(LookupError):
    """A model is not on this machine; the message explains how to get it, also on a closed network."""


@dataclass(frozen=True, eq=False, slots=True)
class Boxes:
    """The detections of one picture."""

    xyxy: Float32  # (N, 4) float32, pixels of the picture
    scores: Float32  # (N,) float32 in [0, 1]
    labels: UInt8  # (N,) uint8, indices into `records.LABELS`

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, rows: NDArray[Any] | slice) -> Boxes:
        return Boxes(self.xyxy[rows], self.scores[rows], self.labels[rows])

    @classmethod
    def empty(cls) -> Boxes:
        """No boxes."""
        return cls(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.uint8))

    @classmethod
    def join(cls, parts: Sequence[Boxes]) -> Boxes:
        """The boxes of all parts."""
        if not parts:
            return cls.empty()
        return cls(
            np.concatenate([part.xyxy for part in parts]),
            np.concatenate([part.scores for part in parts]),
            np.concatenate([part.labels for part in parts]),
        )

    def inside(self, width: float, height: float) -> Boxes:
        """Boxes clipped to the picture, without those that are not finite or have a side below a pixel."""
        finite = np.isfinite(self.xyxy).all(axis=1) & np.isfinite(self.scores)
        part = self if finite.all() else self[finite]
        xyxy = part.xyxy.clip(0, np.array((width, height, width, height), np.float32))
        visible = ((xyxy[:, 2:] - xyxy[:, :2]) >= 1).all(axis=1)
        return Boxes(xyxy[visible], part.scores[visible], part.labels[visible])

    def distinct(self, overlap: float = OVERLAP) -> Boxes:
        """One box for each object, best first: greedy non-maximum suppression within each group of classes.

        *Raising* ``overlap`` separates people who stand in front of one another, and leaves more second boxes.
        """
        if not len(self):
            return self
        rectangles = self.xyxy.astype(np.float64)
        rectangles[:, 2:] -= rectangles[:, :2]
        selected = cv2.dnn.NMSBoxesBatched(
            rectangles.tolist(), self.scores.tolist(), _GROUP_OF[self.labels].tolist(), 0.0, overlap
        )
        rows: Int64 = np.asarray(selected, np.int64).reshape(-1)
        return self[rows[np.argsort(-self.scores[rows], kind="stable")]]


class ObjectDetector(Protocol):
    """Pictures in, boxes out, in the same order. Thread-safe."""

    @property
    def name(self) -> str:
        """The network's name, which records carry."""
        ...

    def __call__(self, images: Sequence[Image]) -> list[Boxes]:
        """The boxes of each picture, of any sizes; a batch gives the same result as single calls."""
        ...


@runtime_checkable
class StreamingDetector(ObjectDetector, Protocol):
    """A detector that yields each picture's boxes as soon as it and those before it are done."""

    def stream(self, images: Sequence[Image]) -> Iterator[Boxes]:
        """Like a call, in the same order, while later pictures are still in work."""
        ...
