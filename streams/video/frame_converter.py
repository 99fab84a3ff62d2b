"""Converts a decoded picture to a masked BGR image."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from lanewatch.config.site import Camera
from lanewatch.records import Image
from streams.video.privacy_masks import PrivacyMasks


def frame_size(width: int, height: int, max_width: int) -> tuple[int, int]:
    """(width, height) of a frame that is at most ``max_width`` pixels wide; keeps the aspect ratio."""
    if width <= max_width:
        return width, height
    return max_width, max(1, round(height * max_width / width))


class FrameConverter:
    """Converts one camera's pictures to masked BGR images at most ``camera.width`` wide. Not thread-safe."""

    def __init__(self, camera: Camera) -> None:
        self._max_width = camera.width
        self._masks = PrivacyMasks(camera.masks)
        self._reformatter = VideoReformatter()

    def convert(self, picture: VideoFrame, *, native: bool = False) -> Image:
        """(H, W, 3) uint8, masked; ``native`` keeps the camera's own resolution."""
        size = (picture.width, picture.height)
        width, height = size if native else frame_size(*size, self._max_width)
        # At these sizes, swscale's own threads cost more than they save.
        bgr = self._reformatter.reformat(picture, width=width, height=height, format="bgr24", threads=1)
        # A view of the pixels: no copy if the rows are contiguous.
        plane = bgr.planes[0]
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:height]
        image: Image = rows[:, : width * 3].reshape(height, width, 3)
        self._masks.apply(image)
        return image
