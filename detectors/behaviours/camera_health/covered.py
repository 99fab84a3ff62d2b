"""Covered: something is before the lens, and there is nothing more to be made out.

A hand, a bag, paint or a web over the lens take contrast and detail away at once, by day and by night; dusk and fog
take minutes, and what is usual follows them. A picture that falls dark by night is left to ``too_dark``: a lamp went
out.
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
    alert_field,
    hold_field,
    update_baseline,
)
from detectors.behaviours.camera_health.too_dark import DARK
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName

USUAL_S = 300.0
"""Time constant of what is usual: dusk takes half an hour, a hand a second."""
WELL = 1.5
"""Times the share that must be left again before it is over."""


class CoveredThresholds(HealthThresholds):
    """When a picture has lost what there was to see."""

    hold_s: float = hold_field(10.0, what="Seconds for which it must be so; a bus before the lens goes on")
    alert_s: float = alert_field(30.0)
    left: float = Field(
        0.4,
        gt=0,
        lt=0.6,
        title="Left",
        description="Share of the usual contrast, and of the usual detail, below which it counts. Raising it raises "
        "more events, of fog and of great vehicles too.",
    )


class Covered(CameraHealthBehaviour[CoveredThresholds]):
    """A lens that sees nothing any more. One event until it does."""

    kind: ClassVar[str] = "covered"
    name: ClassVar[LocalizedName] = LocalizedName(ko="렌즈 가림", en="Covered lens")
    onvif: ClassVar[str] = "VideoSource/GlobalSceneChange"
    Thresholds: ClassVar[type[thresholds.Thresholds]] = CoveredThresholds

    def sign(
        self, memory: CameraHealthMemory, view: Observation, limits: CoveredThresholds
    ) -> tuple[CameraHealthMemory, HealthReading]:
        """See ``CameraHealthBehaviour.sign``."""
        scene, now, light = view.detections.scene, view.captured_at, view.light
        passed_s, memory = now - memory.at, msgspec.structs.replace(memory, at=now)
        usual = memory.baseline.get(light)
        bad: bool | None = False
        share = 1.0
        if usual is not None and usual.known:
            contrast, detail = usual.values
            share = scene.contrast / max(contrast, 1.0)
            bad = None if share < WELL * limits.left else False
            if share < limits.left and scene.sharpness < limits.left * detail:
                bad = None if light != "day" and scene.brightness < DARK else True
        if bad is False and not memory.held.on:
            learns = update_baseline(usual, (scene.contrast, scene.sharpness), passed_s, USUAL_S)
            memory = msgspec.structs.replace(memory, baseline=memory.baseline | {light: learns})
        return memory, HealthReading(bad, share, limits.left)

    def words(self, value: float, limits: CoveredThresholds) -> tuple[str, str]:
        """See ``CameraHealthBehaviour.words``."""
        percent = round(100 * value)
        return f"렌즈가 가려짐, 평소 명암의 {percent}%만 남음", f"covered, {percent} % of the usual contrast is left"
