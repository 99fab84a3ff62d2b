"""JPEG encoding and decoding of a frame's pixels, for transport between processes."""

from __future__ import annotations

import cv2
import msgspec
import numpy as np

from lanewatch import metrics
from lanewatch.records import Crop, EncodedFrame, Frame, Image

QUALITY = 80
"""Measured on 100 pictures of the demo's clip, 768 x 576, with the bundled detector, against the decoded video.

Of 811 boxes above .4, all but one are found at 80, and all but two at 50. Scores differ by .011 on average at 80 (.008
at 90, .016 at 50, .023 at 30). Overlaps are .969 (.976, .958, .947). A shift by one pixel has a larger effect (.021,
.920). So the quality is chosen for viewers of the evidence: 75 KB a picture; 90 takes 107 KB, 50 takes 45 KB."""


def pack(frame: Frame, quality: int = QUALITY) -> Frame:
    """The frame with its pixels as JPEG. A tick is returned unchanged."""
    if frame.image is None:
        return frame
    crops = tuple((crop.box, _encode(crop.image, quality)) for crop in frame.crops)
    packed = EncodedFrame(_encode(frame.image, quality), crops)
    return msgspec.structs.replace(frame, image=None, crops=(), packed=packed)


def unpack(frame: Frame) -> Frame:
    """The frame with decoded pixels. If its JPEG is invalid, its gap is ``unreadable``, and it is counted."""
    if frame.packed is None:
        return frame
    image = _decode(frame.packed.jpeg)
    if image is None:
        metrics.DROPPED.labels("detect", frame.camera, "unreadable").inc()
        return msgspec.structs.replace(frame, packed=None, gap="unreadable")
    crops = ((box, _decode(jpeg)) for box, jpeg in frame.packed.crops)
    valid = tuple(Crop(box, pixels) for box, pixels in crops if pixels is not None)
    return msgspec.structs.replace(frame, image=image, crops=valid, packed=None)


def _encode(image: Image, quality: int) -> bytes:
    success, data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, quality))
    if not success:
        raise ValueError(f"cannot encode an image of shape {image.shape} as JPEG")
    return data.tobytes()


def _decode(data: bytes) -> Image | None:
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    return None if image is None else np.asarray(image, np.uint8)
