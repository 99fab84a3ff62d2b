"""Too dark: a picture in which nothing can be made out, since there is no light.

A lane by night is dark and still worth watching where a lamp shines: it is too dark when it is dark all over, and has
no contrast left. Where infrared lamps have failed, this tells.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from detectors import thresholds
from detectors.behaviours.camera_health.base import (
    CameraHealthBehaviour,
    CameraHealthMemory,
    HealthReading,
    HealthThresholds,
    alert_field,
    hold_field,
)
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName

DARK = 30.0
"""Mean luma (black is 16 in most videos) below which a picture is dark."""
FLAT = 10.0
"""Standard deviation of luma below which nothing stands out."""
WELL = 1.2
"""Times the brightness or the contrast that there must be again before it is over."""


class TooDarkThresholds(HealthThresholds):
    """When a dark picture is too dark."""

    hold_s: float = hold_field(60.0)
    alert_s: float = alert_field(3600.0)
    brightness: float = Field(
        DARK,
        ge=0,
        le=128,
        title="Brightness",
        description="Mean luma below which it is dark. Raising it raises more events by night.",
    )


class TooDark(CameraHealthBehaviour[TooDarkThresholds]):
    """A picture without light. One event until there is some."""

    kind: ClassVar[str] = "too_dark"
    name: ClassVar[LocalizedName] = LocalizedName(ko="영상 어두움", en="Too dark")
    onvif: ClassVar[str] = "VideoSource/ImageTooDark"
    Thresholds: ClassVar[type[thresholds.Thresholds]] = TooDarkThresholds

    def sign(
        self, memory: CameraHealthMemory, view: Observation, limits: TooDarkThresholds
    ) -> tuple[CameraHealthMemory, HealthReading]:
        """See ``CameraHealthBehaviour.sign``. Nothing is learned."""
        scene = view.detections.scene
        bad: bool | None = None
        if scene.brightness < limits.brightness and scene.contrast < FLAT:
            bad = True
        elif scene.brightness >= WELL * limits.brightness or scene.contrast >= WELL * FLAT:
            bad = False
        return memory, HealthReading(bad, scene.brightness, limits.brightness)

    def words(self, value: float, limits: TooDarkThresholds) -> tuple[str, str]:
        """See ``CameraHealthBehaviour.words``."""
        level = round(value)
        return f"너무 어두워 식별 불가 (밝기 {level}/255)", f"too dark to make anything out (brightness {level} of 255)"
