"""Encodes frames as an MP4 clip that browsers play."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
from av.video.frame import VideoFrame

from lanewatch.records import Frame

TIME_BASE = Fraction(1, 90_000)

MP4_OPTIONS = {"movflags": "faststart"}  # the index comes first, so playback starts before the download ends


def encode(path: Path | str, frames: Iterable[Frame], rate: float) -> None:
    """Writes frames as H.264 in MP4, each at its own capture time.

    The frames have pixels and come in the order of capture. All are scaled to the size of the first. ``rate`` is
    approximate. Raises ``ValueError`` without frames, ``OSError`` for example on a full disk.
    """
    with av.open(str(path), "w", format="mp4", options=MP4_OPTIONS) as out:
        stream = None
        start = 0.0
        for frame in frames:
            assert frame.image is not None
            image = frame.image[: frame.height // 2 * 2, : frame.width // 2 * 2]
            if stream is None:
                start = frame.captured_at
                nominal = Fraction(rate).limit_denominator(1001)
                stream = out.add_stream("libx264", rate=nominal, options={"preset": "veryfast", "crf": "23"})
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = TIME_BASE
            if image.shape[:2] != (stream.height, stream.width):  # the camera changed its resolution meanwhile
                image = cv2.resize(image, (stream.width, stream.height))  # type: ignore[assignment]
            picture = VideoFrame.from_ndarray(image, format="bgr24")
            picture.time_base = TIME_BASE
            picture.pts = round((frame.captured_at - start) / TIME_BASE)
            out.mux(stream.encode(picture))
        if stream is None:
            raise ValueError("no picture could be decoded")
        out.mux(stream.encode())
