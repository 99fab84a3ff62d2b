"""From a decoded picture to the masked image that may leave."""

from __future__ import annotations

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from lanewatch.config.site import Camera
from lanewatch.records import Image
from streams.video.privacy_masks import PrivacyMasks


def frame_size(width: int, height: int, most: int) -> tuple[int, int]:
    """(width, height) of a frame at most ``most`` pixels wide, aspect kept."""
    if width <= most:
        return width, height
    return most, max(1, round(height * most / width))


class FrameConverter:
    """Turns one camera's pictures into masked BGR images at most ``camera.width`` wide. Not thread-safe."""

    def __init__(self, camera: Camera) -> None:
        self._most = camera.width
        self._masks = PrivacyMasks(camera.masks)
        self._reformatter = VideoReformatter()

    def image(self, picture: VideoFrame, *, native: bool = False) -> Image:
        """(H, W, 3) uint8, masked; ``native`` keeps the camera's own resolution."""
        size = (picture.width, picture.height)
        width, height = size if native else frame_size(*size, self._most)
        # swscale's own threads cost more than they bring at these sizes.
        painted = self._reformatter.reformat(picture, width=width, height=height, format="bgr24", threads=1)
        image = _pixels(painted)
        self._masks.apply(image)
        return image


def _pixels(painted: VideoFrame) -> Image:
    """A BGR picture's pixels as an array of its own, without a copy where its rows lie next to each other."""
    plane = painted.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: painted.height]
    image: Image = rows[:, : painted.width * 3].reshape(painted.height, painted.width, 3)
    return image
