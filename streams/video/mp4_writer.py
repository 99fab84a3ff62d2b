"""A clip that browsers play, encoded from pictures."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import cv2
from av.video.frame import VideoFrame

from lanewatch.records import Frame

TIME_BASE = Fraction(1, 90_000)


def encode(path: Path | str, frames: Iterable[Frame], rate: float) -> None:
    """Writes frames as H.264 in an MP4 that plays from its first byte on, each shown at its own capture time.

    Args:
        path: of the file.
        frames: with pixels, in the order of capture; all are brought to the size of the first.
        rate: frames a second, about.

    Raises:
        ValueError: there is none.
        OSError: the file cannot be written, such as on a full disk.
    """
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as out:
        stream = None
        begin = 0.0
        for frame in frames:
            assert frame.image is not None
            image = frame.image[: frame.height // 2 * 2, : frame.width // 2 * 2]
            if stream is None:
                begin = frame.captured_at
                about = Fraction(rate).limit_denominator(1001)
                stream = out.add_stream("libx264", rate=about, options={"preset": "veryfast", "crf": "23"})
                stream.height, stream.width = image.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = TIME_BASE
            if image.shape[:2] != (stream.height, stream.width):  # the camera changed its resolution on the way
                image = cv2.resize(image, (stream.width, stream.height))  # type: ignore[assignment]
            picture = VideoFrame.from_ndarray(image, format="bgr24")
            picture.time_base = TIME_BASE
            picture.pts = round((frame.captured_at - begin) / TIME_BASE)
            out.mux(stream.encode(picture))
        if stream is None:
            raise ValueError("no picture could be decoded")
        out.mux(stream.encode())
