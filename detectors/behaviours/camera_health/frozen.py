"""Frozen: the camera keeps sending the same picture. A sensor has noise, so two pictures of a still scene differ."""

from __future__ import annotations

from msgspec.structs import replace
from pydantic import Field

from detectors.behaviours.camera_health import base
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName

MIN_LIVELY_S = 60.0
"""Seconds in which a camera must have changed, in all, to be distinguished from a rendered scene."""
MAX_USUAL_S = 600.0
"""The longest still period that counts as usual, so a camera that froze for a night is noticed again."""
MAX_STEP_S = 10.0
"""The longest time between two records that counts as changed."""


class FrozenThresholds(base.HealthThresholds):
    """When a still picture is frozen."""

    hold_s: float = base.hold_field(30.0, least=5, what="Seconds for which the picture is bit-identical")
    times: float = Field(3.0, ge=1, le=100, title="Times")
    """Multiple of the longest still period so far. Raising it tolerates cameras without noise."""


class Frozen(base.CameraHealthBehaviour[FrozenThresholds]):
    """A bit-identical picture. One event until it changes."""

    kind = "frozen"
    name = LocalizedName(ko="화면 멈춤", en="Frozen picture")
    Thresholds = FrozenThresholds

    def read(
        self, memory: base.CameraHealthMemory, observation: Observation, limits: FrozenThresholds
    ) -> base.ReadResult:
        """The baseline holds the longest and the last still period."""
        still_s, now = observation.detections.scene.frozen_s, observation.captured_at
        longest_s, last_s = memory.baselines["all"].values if "all" in memory.baselines else (0.0, 0.0)
        if still_s < last_s:  # it has changed in between
            longest_s = min(max(longest_s, last_s), MAX_USUAL_S)
        elapsed_s = now - memory.updated_at
        lively_s = memory.lively_s
        if still_s < elapsed_s <= MAX_STEP_S:
            lively_s = min(lively_s + elapsed_s, MIN_LIVELY_S)
        baselines = {"all": base.Baseline((longest_s, still_s))}
        memory = replace(memory, baselines=baselines, updated_at=now, lively_s=lively_s)
        needed_s = max(limits.hold_s, limits.times * longest_s)
        if still_s == 0:
            return memory, base.HealthReading(False, still_s, needed_s)
        faulty = lively_s >= MIN_LIVELY_S and still_s >= needed_s
        return memory, base.HealthReading(faulty or None, still_s, needed_s, now - still_s if faulty else None)

    def describe(self, value: float) -> tuple[str, str]:
        return "화면이 멈춰 같은 영상만 전송", "the same picture is sent again and again"
