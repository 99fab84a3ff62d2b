"""What the picture is like as a whole: light, colour, sharpness, whether it shook or froze."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from av.video.frame import VideoFrame

from lanewatch.config.site import Camera
from lanewatch.records import Float32, Profile, SceneMeasurements, UInt8
from lanewatch.sun import condition, elevation

EVERY_S = 2.0
"""How often colour and sharpness are read: they change by the hour, and camera trouble has a minute to be noticed."""

SHIFT_EVERY_S = 4.0
INFRARED, COLOUR = 1.1, 1.8
"""Mean distance from the picture's own tint below which the camera has gone to infrared, and above which it is back in
colour. Not from grey: some cameras tint their infrared pictures blue or violet, by up to 5 (two clips of
fight-surveillance, .95 and 1.03 by this measure; llvip's infrared stills 0.0, its lamp-lit streets from 3.5, the
dullest room in colour 1.18)."""

KNOWN_S = 20.0
"""After so long the outlines of a view are known."""
VIEW_S = 600.0
"""Time constant of the outlines that are known: the sun's shadows take hours, and whoever turns a camera away has been
seen doing it ten minutes later, when the new view is the usual one."""

SEEN = 0.15
"""Response of the phase correlation below which a shift is a guess; then none is reported."""

_PLANAR = {"yuv420p", "yuvj420p", "yuv422p", "yuvj422p", "yuv444p", "yuvj444p"}
_SHIFT_SIZE = (160, 90)
_VIEW_SIZE = (80, 45)
_STEEP = 24.0  # of a Sobel's sum, where noise of one grey level gives 3


class ImageQuality:
    """Reads one camera's pictures as a whole. The dear values are read every two seconds and kept in between."""

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
        self._last: UInt8 | None = None
        self._differed_at = 0.0
        self._next = self._next_shift = 0.0
        self._infrared = False
        self._views = {False: _ViewComparison(), True: _ViewComparison()}
        self._window = cv2.createHanningWindow(_SHIFT_SIZE, cv2.CV_32F)

    def read(self, picture: VideoFrame, small: UInt8, background: UInt8, captured_at: float) -> None:
        """Updates the values from a picture and the gate's small one; ``background`` is the slow average."""
        self.brightness = float(cv2.mean(small)[0])
        self.frozen = _same(self._last, small)
        if not self.frozen or captured_at < self._differed_at:
            self._differed_at = captured_at
        self.frozen_s = captured_at - self._differed_at
        self._last = small
        if not self._next - EVERY_S <= captured_at < self._next:
            self._next = captured_at + EVERY_S
            self.chroma = _chroma(picture)
            self._infrared = self.chroma < (COLOUR if self._infrared else INFRARED)
            self.contrast = float(cv2.meanStdDev(small)[1][0, 0])
            self.sharpness = float(cv2.meanStdDev(cv2.Laplacian(small, cv2.CV_16S))[1][0, 0]) ** 2
            self.familiar = self._views[self._infrared].look(small, captured_at)
        if not self._next_shift - SHIFT_EVERY_S <= captured_at < self._next_shift and background.shape == small.shape:
            self._next_shift = captured_at + SHIFT_EVERY_S
            self.shift = self._shifted(small, background)

    def scene(self, **seen: Any) -> SceneMeasurements:
        """The record's scene: these values, and what others have ``seen`` by its fields' names."""
        return SceneMeasurements(
            brightness=self.brightness,
            chroma=self.chroma,
            contrast=self.contrast,
            sharpness=self.sharpness,
            familiar=self.familiar,
            shift=self.shift,
            frozen=self.frozen,
            frozen_s=self.frozen_s,
            **seen,
        )

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


class _ViewComparison:
    """The outlines of what a camera sees in one kind of light, as a slow mean of the directions of its edges."""

    def __init__(self) -> None:
        self._mean: Float32 | None = None
        self._begun = self._at = 0.0

    def look(self, small: UInt8, captured_at: float) -> float | None:
        """How like the picture's outlines are to those that are known, -1 to 1; then learns from it."""
        now = _outlines(small)
        if self._mean is None or self._mean.shape != now.shape or captured_at < self._at:
            self._mean, self._begun, self._at = now, captured_at, captured_at
            return None
        known = captured_at - self._begun >= KNOWN_S
        size = float(np.linalg.norm(now)) * float(np.linalg.norm(self._mean))
        alike = float(np.vdot(now, self._mean)) / size if size > 0 else 0.0
        passed_s = captured_at - self._at
        weight = max(1.0 - math.exp(-passed_s / VIEW_S), passed_s / max(captured_at - self._begun, passed_s))
        self._mean += (now - self._mean) * np.float32(weight if not known else 1.0 - math.exp(-passed_s / VIEW_S))
        self._at = captured_at
        return min(max(alike, -1.0), 1.0) if known else None


def _outlines(small: UInt8) -> Float32:
    """(2, h, w): the gradient's direction, as long as it is steeper than noise."""
    thumb = cv2.resize(small, _VIEW_SIZE, interpolation=cv2.INTER_AREA).astype(np.float32)
    both = np.stack((cv2.Sobel(thumb, cv2.CV_32F, 1, 0), cv2.Sobel(thumb, cv2.CV_32F, 0, 1)))
    outlines: Float32 = both / (np.hypot(both[0], both[1]) + _STEEP)
    return outlines


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


def colours(picture: VideoFrame) -> tuple[UInt8, UInt8] | None:
    """The Cb and Cr planes of a decoded picture, without a copy where the format has them; None where it is grey."""
    if picture.format.name == "gray":
        return None
    if picture.format.name not in _PLANAR:
        picture = picture.reformat(format="yuv420p")
    blue, red = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in picture.planes[1:3]
    )
    return blue, red


def _chroma(picture: VideoFrame) -> float:
    planes = colours(picture)
    if planes is None:
        return 0.0
    thin = [plane[::8, ::8].astype(np.float32) for plane in planes]
    return sum(float(np.abs(plane - np.median(plane)).mean()) for plane in thin) / 2
