"""Clock drift: the camera's own clock is not ours, so that what it saw is told at the wrong time.

A camera that tells the time (by RTCP) is believed, since its own time is truer than arrival; if it is wrong, so are
all of its events and recordings, and they fit no other camera's. The sampler notes the difference; the way over the
network is in it, some tenths of a second. Recordings have no clock of their own.
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
    update_baseline,
)
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName

MEAN_S = 20.0
"""Over so long the difference is taken: one late packet is no clock."""
BELIEVED_S = 120.0
"""A mean that is older says nothing of now."""


class ClockDriftThresholds(HealthThresholds):
    """When a clock is off."""

    hold_s: float = hold_field(60.0)
    off_s: float = Field(
        3.0,
        ge=0.5,
        le=86_400,
        title="Off",
        description="Seconds between the camera's clock and ours. Raising it raises fewer events.",
    )


class ClockDrift(CameraHealthBehaviour[ClockDriftThresholds]):
    """A camera whose clock is off. One event until it is set."""

    kind: ClassVar[str] = "clock_drift"
    name: ClassVar[LocalizedName] = LocalizedName(ko="카메라 시각 오차", en="Clock drift")
    onvif: ClassVar[str] = "Monitoring/OperatingTime/LastClockSynchronization"
    Thresholds: ClassVar[type[thresholds.Thresholds]] = ClockDriftThresholds

    def sign(
        self, memory: CameraHealthMemory, view: Observation, limits: ClockDriftThresholds
    ) -> tuple[CameraHealthMemory, HealthReading]:
        """See ``CameraHealthBehaviour.sign``."""
        told, now = view.detections.scene.clock_s, view.captured_at
        if told is None:
            return memory, HealthReading(None)
        passed_s = now - memory.at
        known: Baseline | None = memory.baseline.get("all") if 0 <= passed_s < BELIEVED_S else None
        mean = update_baseline(known, (told,), passed_s, MEAN_S)
        memory = msgspec.structs.replace(memory, baseline={"all": mean}, at=now)
        off_s = mean.values[0]
        bad = True if abs(off_s) >= limits.off_s else None
        return memory, HealthReading(False if abs(off_s) < limits.off_s / 2 else bad, off_s, limits.off_s)

    def words(self, value: float, limits: ClockDriftThresholds) -> tuple[str, str]:
        """See ``CameraHealthBehaviour.words``."""
        off = f"{abs(value):.1f}"
        ahead_ko, ahead_en = ("빠름", "ahead") if value > 0 else ("느림", "behind")
        return f"시각이 {off}초 {ahead_ko}", f"its clock is {off} s {ahead_en}"
