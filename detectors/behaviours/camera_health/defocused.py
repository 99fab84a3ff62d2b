"""Defocused: outlines are far softer than they usually are in the same kind of light.

Sharpness is taken beside contrast, so that a dull day is no bad lens; drops, dirt and a lens that somebody turned are.
Fog looks the same and ends by itself. What is wrong from the first day on is usual, and cannot be seen.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
from pydantic import Field

from detectors import thresholds
from detectors.behaviours.camera_health.base import (
    CameraHealthBehaviour,
    CameraHealthMemory,
    HealthReading,
    HealthThresholds,
    hold_field,
    update_baseline,
)
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName

USUAL_S = 3600.0
"""Time constant of what is usual."""
WELL = 1.5
"""Times the share that there must be again before it is over."""
DULL = 0.5
"""Of the usual contrast: with less, the lens is covered, or there is no light."""
STRANGE = 0.2
"""Likeness to what it usually sees below which the camera looks elsewhere, and what was usual says nothing."""


class DefocusedThresholds(HealthThresholds):
    """When a picture is out of focus."""

    hold_s: float = hold_field(60.0)
    left: float = Field(
        0.3,
        gt=0,
        lt=0.6,
        title="Left",
        description="Share of the usual sharpness below which it counts. Raising it raises more events, of fog and "
        "rain too.",
    )


class Defocused(CameraHealthBehaviour[DefocusedThresholds]):
    """A picture whose outlines have gone soft. One event until they are back."""

    kind: ClassVar[str] = "defocused"
    name: ClassVar[LocalizedName] = LocalizedName(ko="초점 이상", en="Out of focus")
    onvif: ClassVar[str] = "VideoSource/ImageTooBlurry"
    Thresholds: ClassVar[type[thresholds.Thresholds]] = DefocusedThresholds

    def sign(
        self, memory: CameraHealthMemory, view: Observation, limits: DefocusedThresholds
    ) -> tuple[CameraHealthMemory, HealthReading]:
        """See ``CameraHealthBehaviour.sign``."""
        scene, now, light = view.detections.scene, view.captured_at, view.light
        passed_s, memory = now - memory.at, msgspec.structs.replace(memory, at=now)
        if scene.familiar is not None and scene.familiar < STRANGE:
            return msgspec.structs.replace(memory, baseline={}), HealthReading(False)
        focus = scene.sharpness / max(scene.contrast, 1.0) ** 2
        usual = memory.baseline.get(light)
        bad: bool | None = False
        share = 1.0
        if usual is not None and usual.known:
            share = focus / max(usual.values[0], 1e-6)
            dull = scene.contrast < DULL * usual.values[1]
            bad = None if dull or share < WELL * limits.left else False
            if share < limits.left and not dull:
                bad = True
        if bad is False and not memory.held.on:
            learns = update_baseline(usual, (focus, scene.contrast), passed_s, USUAL_S)
            memory = msgspec.structs.replace(memory, baseline=memory.baseline | {light: learns})
        return memory, HealthReading(bad, share, limits.left)

    def words(self, value: float, limits: DefocusedThresholds) -> tuple[str, str]:
        """See ``CameraHealthBehaviour.words``."""
        percent = round(100 * value)
        return f"초점이 흐림, 평소 선명도의 {percent}%", f"out of focus, {percent} % of the usual sharpness"
