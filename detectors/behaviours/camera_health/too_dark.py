"""Too dark: the whole picture is dark and has no contrast left. A lane at night where a lamp shines is not."""

from __future__ import annotations

from pydantic import Field

from detectors.behaviours.camera_health import base
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName

DARK = 30.0
"""Mean luma (black is 16 in most videos) below which a picture is dark."""
FLAT = 10.0
"""Standard deviation of luma below which nothing stands out."""
RECOVERED = 1.2
"""Multiple of the brightness or the contrast that must be reached again until it is over."""


class TooDarkThresholds(base.HealthThresholds):
    """When a dark picture is too dark."""

    hold_s: float = base.hold_field(60.0)
    alert_s: float = base.alert_field(3600.0)
    brightness: float = Field(DARK, ge=0, le=128, title="Brightness")
    """Mean luma below which it is dark. Raising it raises more events at night."""


class TooDark(base.CameraHealthBehaviour[TooDarkThresholds]):
    """A picture without light. One event until there is light."""

    kind = "too_dark"
    name = LocalizedName(ko="영상 어두움", en="Too dark")
    onvif = "VideoSource/ImageTooDark"
    survives_restart = True
    Thresholds = TooDarkThresholds

    def read(
        self, memory: base.CameraHealthMemory, observation: Observation, limits: TooDarkThresholds
    ) -> base.ReadResult:
        scene = observation.detections.scene
        dark = scene.brightness < limits.brightness and scene.contrast < FLAT
        recovered = scene.brightness >= RECOVERED * limits.brightness or scene.contrast >= RECOVERED * FLAT
        return memory, base.HealthReading(base.hysteresis(dark, recovered), scene.brightness, limits.brightness)

    def describe(self, value: float) -> tuple[str, str]:
        level = round(value)
        return (
            f"너무 어두워 식별 불가 (밝기 {level}/255)",
            f"too dark to recognise anything (brightness {level} of 255)",
        )
