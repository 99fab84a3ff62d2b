"""Moved: the camera points in another direction than before, and stays so. See docs/behaviours.md."""

from __future__ import annotations

from pydantic import Field

from detectors.behaviours.camera_health import base
from detectors.behaviours.camera_health.too_dark import DARK, FLAT
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName

RECOVERED = 1.7
"""Multiple of the limit that must be reached again until it is over."""


class MovedThresholds(base.HealthThresholds):
    """When a view is another one."""

    hold_s: float = base.hold_field(20.0, most=300)
    alert_s: float = base.alert_field(60.0)
    alike: float = Field(0.3, gt=0, lt=0.6, title="Alike")
    """Similarity of the outlines, up to 1, below which it is another view. Raising it raises more events, also of lamps
    and large vehicles."""


class Moved(base.CameraHealthBehaviour[MovedThresholds]):
    """A camera with another view. One event until the view is back, or the new one is usual."""

    kind = "moved"
    name = LocalizedName(ko="카메라 방향 변경", en="Camera moved")
    onvif = "VideoSource/GlobalSceneChange"
    Thresholds = MovedThresholds

    def read(
        self, memory: base.CameraHealthMemory, observation: Observation, limits: MovedThresholds
    ) -> base.ReadResult:
        """A flat or dark picture gives no reading."""
        scene = observation.detections.scene
        if scene.familiar is None or scene.contrast < FLAT or scene.brightness < DARK / 2:
            return memory, base.HealthReading(None)
        faulty = base.hysteresis(scene.familiar < limits.alike, scene.familiar >= RECOVERED * limits.alike)
        return memory, base.HealthReading(faulty, scene.familiar, limits.alike)

    def describe(self, value: float) -> tuple[str, str]:
        return "평소와 다른 곳을 비춤", "it points away from its usual view"
