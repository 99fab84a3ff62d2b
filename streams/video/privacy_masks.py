"""Privacy masks: what must not be seen is made black before a picture leaves the sampler."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lanewatch.records import UInt8

Polygon = Sequence[tuple[float, float]]


class PrivacyMasks:
    """Polygons in fractions of the frame, rasterised once for each size of picture.

    A pixel that a polygon only touches is masked too, and ``margin`` pixels more around it, because scaling mixes
    neighbours.
    """

    def __init__(self, polygons: Sequence[Polygon], margin: int = 1) -> None:
        self._polygons = polygons
        self._brush = np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)
        self._kept: dict[tuple[int, ...], tuple[slice, slice, UInt8]] = {}

    def __bool__(self) -> bool:
        return bool(self._polygons)

    def apply(self, picture: UInt8) -> None:
        """Blackens a whole picture, (H, W) or (H, W, 3), in place."""
        if not self._polygons:
            return
        rows, columns, keep = self._keep(picture.shape)
        part = picture[rows, columns]
        cv2.bitwise_and(part, keep, dst=part)

    def _keep(self, shape: tuple[int, ...]) -> tuple[slice, slice, UInt8]:
        if shape not in self._kept:
            self._kept[shape] = self._rasterise(shape)
        return self._kept[shape]

    def _rasterise(self, shape: tuple[int, ...]) -> tuple[slice, slice, UInt8]:
        height, width = shape[:2]
        drawn = np.zeros((height, width), np.uint8)
        for polygon in self._polygons:
            corners = np.asarray(polygon, np.float64) * (width, height)
            cv2.fillPoly(drawn, [np.round(corners).astype(np.int32)], 255)
        drawn = np.asarray(cv2.dilate(drawn, self._brush), np.uint8)
        left, top, across, down = cv2.boundingRect(drawn)
        rows, columns = slice(top, top + down), slice(left, left + across)
        keep = np.ascontiguousarray(~drawn[rows, columns])
        return rows, columns, cv2.merge([keep] * 3) if len(shape) == 3 else keep  # type: ignore[return-value]
