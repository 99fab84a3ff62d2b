"""Defocused: outlines are much softer than usual in the same kind of light.

Sharpness is relative to contrast, so a dull day is no fault. A fault from the first day on is part of the baseline.
"""

from __future__ import annotations

from msgspec.structs import replace
from pydantic import Field

from detectors.behaviours.camera_health import base
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName

TIME_CONSTANT_S = 3600.0
"""Of the baseline."""
RECOVERED = 1.5
"""Multiple of the limit that must be reached again until it is over."""
LOW_CONTRAST = 0.5
"""Fraction of the baseline contrast below which the lens is covered, or there is no light."""
OTHER_VIEW = 0.2
"""Similarity to the usual view below which the camera points elsewhere, and the baseline is void."""


class DefocusedThresholds(base.HealthThresholds):
    """When a picture is out of focus."""

    hold_s: float = base.hold_field(60.0)
    left: float = Field(0.3, gt=0, lt=0.6, title="Left")
    """Fraction of the baseline sharpness below which it counts. Raising it raises more events, also of fog and rain."""


class Defocused(base.CameraHealthBehaviour[DefocusedThresholds]):
    """A picture with soft outlines. One event until they are sharp again."""

    kind = "defocused"
    name = LocalizedName(ko="초점 이상", en="Out of focus")
    onvif = "VideoSource/ImageTooBlurry"
    Thresholds = DefocusedThresholds

    def read(
        self, memory: base.CameraHealthMemory, observation: Observation, limits: DefocusedThresholds
    ) -> base.ReadResult:
        scene, now = observation.detections.scene, observation.captured_at
        elapsed_s, memory = now - memory.updated_at, replace(memory, updated_at=now)
        if scene.familiar is not None and scene.familiar < OTHER_VIEW:
            return replace(memory, baselines={}), base.HealthReading(False)
        sharpness = scene.sharpness / max(scene.contrast, 1.0) ** 2
        baseline = memory.baselines.get(observation.light)
        faulty: bool | None = False
        share = 1.0
        if baseline is not None and baseline.known:
            share = sharpness / max(baseline.values[0], 1e-6)
            low_contrast = scene.contrast < LOW_CONTRAST * baseline.values[1]
            recovered = not low_contrast and share >= RECOVERED * limits.left
            faulty = base.hysteresis(share < limits.left and not low_contrast, recovered)
        if faulty is False:
            memory = self._learned(memory, observation, (sharpness, scene.contrast), elapsed_s, TIME_CONSTANT_S)
        return memory, base.HealthReading(faulty, share, limits.left)

    def describe(self, value: float) -> tuple[str, str]:
        percent = round(100 * value)
        return f"초점이 흐림, 평소 선명도의 {percent}%", f"out of focus, {percent} % of the usual sharpness"
