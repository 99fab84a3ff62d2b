"""What the picture is like as a whole: light, colour, sharpness, whether it shook or froze."""

from __future__ import annotations

import cv2
import numpy as np
from av.video.frame import VideoFrame

from lanewatch.records import Profile, UInt8
from lanewatch.site import Camera
from lanewatch.sun import condition, elevation

EVERY_S = 2.0
"""How often colour and sharpness are read: they change by the hour, and camera trouble has a minute to be noticed."""

SHIFT_EVERY_S = 4.0
INFRARED, COLOUR = 2.0, 4.0
"""Mean distance from grey below which the camera has gone to infrared, and above which it is back in colour."""

SEEN = 0.15
"""Response of the phase correlation below which a shift is a guess; then none is reported."""

_PLANAR = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"}
_FULL_RANGE = 2
_SHIFT_SIZE = (160, 90)


class Look:
    """Reads one camera's pictures as a whole. The dear values are read every two seconds and kept in between."""

    def __init__(self, camera: Camera) -> None:
        self.brightness = 0.0
        self.chroma = 0.0
        self.sharpness = 0.0
        self.shift = (0.0, 0.0)
        self.frozen = False
        self._camera = camera
        self._last: UInt8 | None = None
        self._next = self._next_shift = 0.0
        self._infrared = False
        self._window = cv2.createHanningWindow(_SHIFT_SIZE, cv2.CV_32F)

    def read(self, picture: VideoFrame, small: UInt8, background: UInt8, captured_at: float) -> None:
        """Updates the values from a picture and the gate's small one; ``background`` is the slow average."""
        self.brightness = float(cv2.mean(small)[0])
        self.frozen = _same(self._last, small)
        self._last = small
        if not self._next - EVERY_S <= captured_at < self._next:
            self._next = captured_at + EVERY_S
            self.chroma = _chroma(picture)
            self._infrared = self.chroma < (COLOUR if self._infrared else INFRARED)
            self.sharpness = float(cv2.meanStdDev(cv2.Laplacian(small, cv2.CV_16S))[1][0, 0]) ** 2
        if not self._next_shift - SHIFT_EVERY_S <= captured_at < self._next_shift and background.shape == small.shape:
            self._next_shift = captured_at + SHIFT_EVERY_S
            self.shift = self._shifted(small, background)

    def profile(self, captured_at: float) -> Profile:
        """Infrared by colour, else day or night by the sun over the camera; dusk counts as night."""
        if self._infrared:
            return "infrared"
        height = elevation(self._camera.latitude, self._camera.longitude, captured_at)
        return "day" if condition(height) == "day" else "night"

    def _shifted(self, small: UInt8, background: UInt8) -> tuple[float, float]:
        now = cv2.resize(small, _SHIFT_SIZE).astype(np.float32)
        before = cv2.resize(background, _SHIFT_SIZE).astype(np.float32)
        (x, y), response = cv2.phaseCorrelate(before, now, self._window)
        return (x / _SHIFT_SIZE[0], y / _SHIFT_SIZE[1]) if response >= SEEN else (0.0, 0.0)


def luma(picture: VideoFrame) -> UInt8:
    """The (H, W) grey plane of a decoded picture, without a copy where the format has one."""
    if picture.format.name not in _PLANAR and picture.format.name not in {"nv12", "gray", "nv21"}:
        picture = picture.reformat(format="gray")
    plane = picture.planes[0]
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    visible: UInt8 = rows[: picture.height, : picture.width]
    return visible


def _same(before: UInt8 | None, now: UInt8) -> bool:
    if before is None or before.shape != now.shape or not np.array_equal(before[::32], now[::32]):
        return False
    return np.array_equal(before, now)


def _chroma(picture: VideoFrame) -> float:
    if picture.format.name == "gray":
        return 0.0
    if picture.format.name not in _PLANAR:
        picture = picture.reformat(format="yuv420p")
    total = 0.0
    for plane in picture.planes[1:3]:
        rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
        total += float(np.abs(rows[: plane.height : 8, : plane.width : 8].astype(np.int16) - 128).mean())
    return total / 2
