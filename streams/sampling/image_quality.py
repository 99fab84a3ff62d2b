"""Measures the whole picture: light, colour, sharpness, movement of the camera, a frozen picture."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

from lanewatch.config.site import Camera
from lanewatch.records import Float32, Profile, SceneMeasurements, UInt8
from lanewatch.sun import condition, elevation

EVERY_S = 2.0  # of colour and sharpness: they change by the hour, and faults may be noticed within a minute
SHIFT_EVERY_S = 4.0
INFRARED, IN_COLOUR = 1.1, 1.8
"""Mean distance from the picture's own tint, since some infrared pictures are blue or violet, by up to 5. Below the
first, the camera is infrared; above the second, in colour. Such clips of fight-surveillance have .95 and 1.03, llvip's
infrared stills 0.0. Its lamp-lit streets have at least 3.5, the dullest room in colour 1.18."""
LEARNED_S = 20.0  # time until the outlines of a view are learned
VIEW_S = 600.0  # time constant of the outlines: faster than shadows, slower than the report of a turned camera
MIN_RESPONSE = 0.15  # Response of the phase correlation. Below it the shift is unreliable and not reported.
_PLANAR = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"}
_VALUES = ("brightness", "chroma", "contrast", "sharpness", "familiar", "shift", "frozen", "frozen_s")
_SHIFT_SIZE = (160, 90)
_VIEW_SIZE = (80, 45)
_STEEP = 24.0  # gradient by Sobel; noise of one grey level gives 3


class ImageQuality:
    """Measures one camera's pictures: see ``SceneMeasurements``. The expensive values come every ``EVERY_S``."""

    def __init__(self, camera: Camera) -> None:
        self.brightness = 0.0
        self.chroma = 0.0
        self.contrast = 0.0
        self.sharpness = 0.0
        self.familiar: float | None = None
        self.shift = (0.0, 0.0)
        self.frozen = False
        self.frozen_s = 0.0
        self._camera = camera
        self._previous: UInt8 | None = None
        self._changed_at = 0.0
        self._next_at = self._next_shift_at = 0.0
        self._infrared = False
        self._views = {False: _ViewComparison(), True: _ViewComparison()}
        self._window = cv2.createHanningWindow(_SHIFT_SIZE, cv2.CV_32F)

    def update(self, picture: VideoFrame, small: UInt8, background: UInt8, captured_at: float) -> None:
        """Updates the values. ``small`` is the motion gate's picture, (h, w) grey, ``background`` its slow average."""
        self.brightness = float(cv2.mean(small)[0])
        self.frozen = _is_identical(self._previous, small)
        if not self.frozen or captured_at < self._changed_at:
            self._changed_at = captured_at
        self.frozen_s = captured_at - self._changed_at
        self._previous = small
        if not self._next_at - EVERY_S <= captured_at < self._next_at:
            self._next_at = captured_at + EVERY_S
            self.chroma = _chroma(picture)
            self._infrared = self.chroma < (IN_COLOUR if self._infrared else INFRARED)
            self.contrast = float(cv2.meanStdDev(small)[1][0, 0])
            self.sharpness = float(cv2.meanStdDev(cv2.Laplacian(small, cv2.CV_16S))[1][0, 0]) ** 2
            self.familiar = self._views[self._infrared].update(small, captured_at)
        shift_due = not self._next_shift_at - SHIFT_EVERY_S <= captured_at < self._next_shift_at
        if shift_due and background.shape == small.shape:
            self._next_shift_at = captured_at + SHIFT_EVERY_S
            self.shift = self._shift(small, background)

    def scene(self, **others: Any) -> SceneMeasurements:
        """The frame's scene: these values and the ``others`` by field name."""
        return SceneMeasurements(**{name: getattr(self, name) for name in _VALUES}, **others)

    def profile(self, captured_at: float) -> Profile:
        """Infrared by colour, otherwise day or night by the sun at the camera. Dusk counts as night."""
        if self._infrared:
            return "infrared"
        sun_elevation = elevation(self._camera.latitude, self._camera.longitude, captured_at)
        return "day" if condition(sun_elevation) == "day" else "night"

    def _shift(self, small: UInt8, background: UInt8) -> tuple[float, float]:
        now = cv2.resize(small, _SHIFT_SIZE).astype(np.float32)
        before = cv2.resize(background, _SHIFT_SIZE).astype(np.float32)
        (x, y), response = cv2.phaseCorrelate(before, now, self._window)
        return (x / _SHIFT_SIZE[0], y / _SHIFT_SIZE[1]) if response >= MIN_RESPONSE else (0.0, 0.0)


class _ViewComparison:
    """Learns the outlines of a camera's view in one kind of light, as a slow mean of the directions of its edges."""

    def __init__(self) -> None:
        self._mean: Float32 | None = None
        self._started_at = self._updated_at = 0.0

    def update(self, small: UInt8, captured_at: float) -> float | None:
        """Similarity of the picture's outlines to the learned ones, -1 to 1, or None; then learns from the picture."""
        outlines = _outlines(small)
        if self._mean is None or self._mean.shape != outlines.shape or captured_at < self._updated_at:
            self._mean, self._started_at, self._updated_at = outlines, captured_at, captured_at
            return None
        age_s, elapsed_s = captured_at - self._started_at, captured_at - self._updated_at
        learned = age_s >= LEARNED_S
        norm = float(np.linalg.norm(outlines)) * float(np.linalg.norm(self._mean))
        similarity = float(np.vdot(outlines, self._mean)) / norm if norm > 0 else 0.0
        weight = 1.0 - math.exp(-elapsed_s / VIEW_S)
        if not learned:
            weight = max(weight, elapsed_s / max(age_s, elapsed_s))
        self._mean += (outlines - self._mean) * np.float32(weight)
        self._updated_at = captured_at
        return min(max(similarity, -1.0), 1.0) if learned else None


def _outlines(small: UInt8) -> Float32:
    """(2, h, w) float32: the direction of the gradient, near 0 where it is not steeper than noise."""
    thumb = cv2.resize(small, _VIEW_SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
    gradient = np.stack((cv2.Sobel(thumb, cv2.CV_32F, 1, 0), cv2.Sobel(thumb, cv2.CV_32F, 0, 1)))
    outlines: Float32 = gradient / (np.hypot(gradient[0], gradient[1]) + _STEEP)
    return outlines


def luma_plane(picture: VideoFrame) -> UInt8:
    """The (H, W) grey plane of a decoded picture, without a copy if the format has one."""
    if picture.format.name not in _PLANAR | {"nv12", "gray", "nv21"}:
        picture = picture.reformat(format="gray")
    return _pixels(picture.planes[0])


def chroma_planes(picture: VideoFrame) -> tuple[UInt8, UInt8] | None:
    """The Cb and Cr planes of a decoded picture, without a copy if the format has them; None if it is grey."""
    if picture.format.name == "gray":
        return None
    if picture.format.name not in _PLANAR:
        picture = picture.reformat(format="yuv420p")
    return _pixels(picture.planes[1]), _pixels(picture.planes[2])


def _pixels(plane: VideoPlane) -> UInt8:
    rows = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)
    return rows[: plane.height, : plane.width]


def _is_identical(before: UInt8 | None, now: UInt8) -> bool:
    if before is None or before.shape != now.shape or not np.array_equal(before[::32], now[::32]):
        return False
    return np.array_equal(before, now)


def _chroma(picture: VideoFrame) -> float:
    planes = chroma_planes(picture)
    if planes is None:
        return 0.0
    thin = [plane[::8, ::8].astype(np.float32) for plane in planes]
    return sum(float(np.abs(plane - np.median(plane)).mean()) for plane in thin) / 2
