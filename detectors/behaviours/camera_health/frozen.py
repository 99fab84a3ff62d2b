"""Frozen: the camera goes on sending, and always the same picture.

A sensor has noise, so that two pictures of the stillest scene differ. What has no noise (a drawn scene, an encoder that
leaves out what hardly changed) may stand still to the bit for a while and be well: a picture counts as frozen only when
it has stood for longer than is usual for that camera, and only once it has been seen to change for a minute in all.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
from pydantic import Field

from detectors import thresholds
from detectors.behaviours.camera_health.base import (
    Baseline,
    CameraHealthBehaviour,
    CameraHealthMemory,
    HealthReading,
    HealthThresholds,
    hold_field,
)
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName

LIVELY_S = 60.0
"""For so long in all a camera must have been seen to change before it can be told from a drawn scene."""
LONGEST_S = 600.0
"""The longest stand that counts as usual: a camera that froze for a night may be noticed again."""
_STEP_S = 10.0  # the most between two looks that counts as having changed


class FrozenThresholds(HealthThresholds):
    """When a still picture is a frozen one."""

    hold_s: float = hold_field(30.0, least=5, what="Seconds for which the picture is the same to the bit")
    times: float = Field(
        3.0,
        ge=1,
        le=100,
        title="Times",
        description="How many times as long as it ever stood before. Raising it spares cameras without noise.",
    )


class Frozen(CameraHealthBehaviour[FrozenThresholds]):
    """A picture that stands still to the bit. One event until it changes."""

    kind: ClassVar[str] = "frozen"
    name: ClassVar[LocalizedName] = LocalizedName(ko="화면 멈춤", en="Frozen picture")
    Thresholds: ClassVar[type[thresholds.Thresholds]] = FrozenThresholds

    def sign(
        self, memory: CameraHealthMemory, view: Observation, limits: FrozenThresholds
    ) -> tuple[CameraHealthMemory, HealthReading]:
        """See ``CameraHealthBehaviour.sign``. ``usual`` holds the longest stand and the last one; ``count`` the lively seconds."""
        stands_s, now = view.detections.scene.frozen_s, view.captured_at
        longest_s, last_s = memory.baseline["all"].values if "all" in memory.baseline else (0.0, 0.0)
        if stands_s < last_s:  # it has changed in between
            longest_s = min(max(longest_s, last_s), LONGEST_S)
        passed_s = now - memory.at
        lively_s = memory.count
        if stands_s < passed_s <= _STEP_S:
            lively_s = min(lively_s + passed_s, LIVELY_S)
        usual = {"all": Baseline((longest_s, stands_s))}
        memory = msgspec.structs.replace(memory, baseline=usual, at=now, count=lively_s)
        needed_s = max(limits.hold_s, limits.times * longest_s)
        if stands_s == 0:
            return memory, HealthReading(False, stands_s, needed_s)
        bad = lively_s >= LIVELY_S and stands_s >= needed_s
        return memory, HealthReading(bad or None, stands_s, needed_s, now - stands_s if bad else None)

    def words(self, value: float, limits: FrozenThresholds) -> tuple[str, str]:
        """See ``CameraHealthBehaviour.words``."""
        return "화면이 멈춰 같은 영상만 전송", "the same picture comes again and again"
