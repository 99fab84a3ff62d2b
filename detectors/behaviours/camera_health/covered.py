"""Covered: an object is in front of the lens, and nothing can be recognised.

The baseline follows dusk and fog. A picture that falls dark at night is left to ``too_dark``: a lamp went out.
"""

from __future__ import annotations

from msgspec.structs import replace
from pydantic import Field

from detectors.behaviours.camera_health import base
from detectors.behaviours.camera_health.too_dark import DARK
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName

TIME_CONSTANT_S = 300.0
"""Of the baseline: dusk takes half an hour, a hand a second."""
RECOVERED = 1.5
"""Multiple of the limit that must be reached again until it is over."""


class CoveredThresholds(base.HealthThresholds):
    """When a picture has lost its contrast and detail."""

    hold_s: float = base.hold_field(
        10.0, what="Seconds for which the condition must hold; a bus in front of the lens drives on"
    )
    alert_s: float = base.alert_field(30.0)
    left: float = Field(0.4, gt=0, lt=0.6, title="Left")
    """Fraction of the baseline contrast, and of the baseline detail, below which it counts. Raising it raises more
    events, also of fog and large vehicles."""


class Covered(base.CameraHealthBehaviour[CoveredThresholds]):
    """A covered lens. One event until it is free."""

    kind = "covered"
    name = LocalizedName(ko="렌즈 가림", en="Covered lens")
    onvif = "VideoSource/GlobalSceneChange"
    Thresholds = CoveredThresholds

    def read(
        self, memory: base.CameraHealthMemory, observation: Observation, limits: CoveredThresholds
    ) -> base.ReadResult:
        scene, now, light = observation.detections.scene, observation.captured_at, observation.light
        elapsed_s, memory = now - memory.updated_at, replace(memory, updated_at=now)
        baseline = memory.baselines.get(light)
        faulty: bool | None = False
        share = 1.0
        if baseline is not None and baseline.known:
            contrast, detail = baseline.values
            share = scene.contrast / max(contrast, 1.0)
            without_light = light != "day" and scene.brightness < DARK
            covered = share < limits.left and scene.sharpness < limits.left * detail and not without_light
            faulty = base.hysteresis(covered, share >= RECOVERED * limits.left)
        if faulty is False:
            values = (scene.contrast, scene.sharpness)
            memory = self._learned(memory, observation, values, elapsed_s, TIME_CONSTANT_S)
        return memory, base.HealthReading(faulty, share, limits.left)

    def describe(self, value: float) -> tuple[str, str]:
        percent = round(100 * value)
        return f"렌즈가 가려짐, 평소 명암의 {percent}%만 남음", f"covered, {percent} % of the usual contrast is left"
