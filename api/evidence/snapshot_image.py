"""Snapshots as JPEG, and the box that is drawn on them when they are shown."""

from __future__ import annotations

import cv2
import numpy as np

from lanewatch.records import Box, Image

QUALITY = 90
"""JPEG quality of evidence: no visible loss on a face 20 pixels wide, at a third of the size of quality 98."""

THUMBNAIL_WIDTH = 480
"""Pixels. The console enlarges a thumbnail of 164 pixels by up to 2.5 around its box."""

_COLOUR = (60, 170, 255)  # BGR of the console's amber, visible on grey concrete and green leaves
_SHADOW = (20, 20, 20)


def encode(image: Image) -> bytes:
    """An (H, W, 3) BGR image as JPEG.

    Raises:
        ValueError: The image can't be encoded.
    """
    encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not encoded:
        raise ValueError(f"an image of shape {image.shape} cannot be encoded as JPEG")
    return data.tobytes()


def draw_box(jpeg: bytes, box: Box, width: int, height: int) -> bytes:
    """The JPEG with a box drawn on it; unchanged if the box is empty.

    The box is xyxy in pixels of the frame, ``width`` x ``height``. The JPEG may be a scaled copy of the frame.

    Raises:
        ValueError: The bytes are not an image.
    """
    if width <= 0 or height <= 0 or box[2] <= box[0] or box[3] <= box[1]:
        return jpeg
    image = _decode(jpeg)
    rows, columns = image.shape[:2]
    scale = np.array([columns / width, rows / height] * 2)
    limit = (columns - 1, rows - 1) * 2
    left, top, right, bottom = (int(value) for value in np.clip(np.round(np.array(box) * scale), 0, limit))
    thickness = max(2, round(columns / 400))
    for colour, extra in ((_SHADOW, 2), (_COLOUR, 0)):
        cv2.rectangle(image, (left, top), (right, bottom), colour, thickness + extra, cv2.LINE_AA)
    return encode(image)


def shrink(jpeg: bytes, width: int = THUMBNAIL_WIDTH) -> bytes:
    """The JPEG with at most ``width`` columns; unchanged if it has no more.

    Raises:
        ValueError: The bytes are not an image.
    """
    image = _decode(jpeg)
    rows, columns = image.shape[:2]
    if columns <= width:
        return jpeg
    size = (width, max(1, round(rows * width / columns)))
    return encode(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8))


def _decode(jpeg: bytes) -> Image:
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError("the snapshot is not a readable image")
    return np.asarray(decoded, np.uint8)
