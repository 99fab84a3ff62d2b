"""Snapshots as JPEG, and the box that is drawn on them when they are shown."""

from __future__ import annotations

import cv2
import numpy as np

from lanewatch.records import Box, Image

QUALITY = 90
"""JPEG quality of evidence: no visible loss on a face 20 pixels wide, at a third of the size of quality 98."""

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
    decoded = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    if decoded is None:
        raise ValueError("the snapshot is not a readable image")
    image = np.asarray(decoded, np.uint8)
    rows, columns = image.shape[:2]
    scale = np.array([columns / width, rows / height] * 2)
    limit = (columns - 1, rows - 1) * 2
    left, top, right, bottom = (int(value) for value in np.clip(np.round(np.array(box) * scale), 0, limit))
    thickness = max(2, round(columns / 400))
    for colour, extra in ((_SHADOW, 2), (_COLOUR, 0)):
        cv2.rectangle(image, (left, top), (right, bottom), colour, thickness + extra, cv2.LINE_AA)
    return encode(image)
