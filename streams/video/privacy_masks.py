"""Privacy masks: polygons that are blackened before a picture leaves the sampler."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from lanewatch.records import UInt8

Polygon = Sequence[tuple[float, float]]


class PrivacyMasks:
    """Polygons in fractions of the frame, rasterised once for each picture size.

    A pixel that a polygon only touches is masked, too. So are ``margin`` pixels around it, because scaling mixes
    neighbours.
    """

    def __init__(self, polygons: Sequence[Polygon], margin: int = 1) -> None:
        self._polygons = polygons
        self._kernel = np.ones((2 * margin + 1, 2 * margin + 1), np.uint8)
        self._rasterised: dict[tuple[int, ...], tuple[slice, slice, UInt8]] = {}

    def __bool__(self) -> bool:
        return bool(self._polygons)

    def apply(self, picture: UInt8) -> None:
        """Blackens a whole picture, (H, W) or (H, W, 3), in place."""
        if not self._polygons:
            return
        if picture.shape not in self._rasterised:
            self._rasterised[picture.shape] = self._rasterise(picture.shape)
        rows, columns, visible = self._rasterised[picture.shape]
        region = picture[rows, columns]
        cv2.bitwise_and(region, visible, dst=region)

    def _rasterise(self, shape: tuple[int, ...]) -> tuple[slice, slice, UInt8]:
        """Rows and columns of the masks' bounding box, and its pixels: 255 if visible, 0 if masked."""
        height, width = shape[:2]
        masked = np.zeros((height, width), np.uint8)
        for polygon in self._polygons:
            corners = np.asarray(polygon, np.float64) * (width, height)
            cv2.fillPoly(masked, [np.round(corners).astype(np.int32)], 255)
        masked = np.asarray(cv2.dilate(masked, self._kernel), np.uint8)
        left, top, box_width, box_height = cv2.boundingRect(masked)
        rows, columns = slice(top, top + box_height), slice(left, left + box_width)
        visible = np.ascontiguousarray(~masked[rows, columns])
        return rows, columns, cv2.merge([visible] * 3) if len(shape) == 3 else visible  # type: ignore[return-value]
