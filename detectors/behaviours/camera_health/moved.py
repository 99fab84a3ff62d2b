"""Moved: the camera looks elsewhere than it did, and goes on looking there.

The sampler says how like the outlines are to those of the last ten minutes in the same kind of light. Shadows, lamps
and crowds change a part of them; a camera that was turned, pushed or stolen changes all. After some ten minutes the new
view is the usual one and the event closes: zones and lines must be drawn anew by then.
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
from detectors.behaviours.camera_health.too_dark import DARK, FLAT
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName

WELL = 1.7
"""Times the likeness that there must be again before it is over."""


class MovedThresholds(HealthThresholds):
    """When a view is another."""

    hold_s: float = hold_field(20.0, most=300)
    alert_s: float = alert_field(60.0)
    alike: float = Field(
        0.3,
        gt=0,
        lt=0.6,
        title="Alike",
        description="Likeness of the outlines, up to 1, below which it is another view. Raising it raises more events, "
        "of lamps and great vehicles too.",
    )


class Moved(CameraHealthBehaviour[MovedThresholds]):
    """A camera that looks elsewhere. One event until it looks back, or the new view is the usual one."""

    kind: ClassVar[str] = "moved"
    name: ClassVar[LocalizedName] = LocalizedName(ko="카메라 방향 변경", en="Camera moved")
    onvif: ClassVar[str] = "VideoSource/GlobalSceneChange"
    Thresholds: ClassVar[type[thresholds.Thresholds]] = MovedThresholds

    def sign(
        self, memory: CameraHealthMemory, view: Observation, limits: MovedThresholds
    ) -> tuple[CameraHealthMemory, HealthReading]:
        """See ``CameraHealthBehaviour.sign``. Where nothing can be made out, nothing is said."""
        scene = view.detections.scene
        if scene.familiar is None or scene.contrast < FLAT or scene.brightness < DARK / 2:
            return memory, HealthReading(None)
        bad = True if scene.familiar < limits.alike else None
        return memory, HealthReading(
            bad if scene.familiar < WELL * limits.alike else False, scene.familiar, limits.alike
        )

    def words(self, value: float, limits: MovedThresholds) -> tuple[str, str]:
        """See ``CameraHealthBehaviour.words``."""
        return "평소와 다른 곳을 비춤", "it looks elsewhere than it usually does"
