"""Clock drift: the camera's own clock differs from ours, so the times of its events and recordings are wrong.

The difference to the time that a camera sends (by RTCP) includes the network delay of some tenths of a second.
"""

from __future__ import annotations

from msgspec.structs import replace
from pydantic import Field

from detectors import scoring
from detectors.behaviours.camera_health import base
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName
from lanewatch.records import MAX_CLOCK_ERROR_S

MEAN_S = 20.0
"""The difference is averaged over so long: a single late packet is no drift."""
MAX_AGE_S = 120.0
"""An older mean is discarded."""


class ClockDriftThresholds(base.HealthThresholds):
    """When a clock is wrong."""

    hold_s: float = base.hold_field(60.0)
    off_s: float = Field(3.0, ge=0.5, le=86_400, title="Off")
    """Seconds between the camera's clock and ours. Raising it raises fewer events."""


class ClockDrift(base.CameraHealthBehaviour[ClockDriftThresholds]):
    """A camera with a wrong clock. One event until it is set."""

    kind = "clock_drift"
    name = LocalizedName(ko="카메라 시각 오차", en="Clock drift")
    onvif = "Monitoring/OperatingTime/LastClockSynchronization"
    survives_restart = True
    Thresholds = ClockDriftThresholds

    def read(
        self, memory: base.CameraHealthMemory, observation: Observation, limits: ClockDriftThresholds
    ) -> base.ReadResult:
        clock_s, now = observation.detections.scene.clock_s, observation.captured_at
        if clock_s is None:
            return memory, base.HealthReading(None)
        elapsed_s = now - memory.updated_at
        known = memory.baselines.get("all") if 0 <= elapsed_s < MAX_AGE_S else None
        mean = base.update_baseline(known, (clock_s,), elapsed_s, MEAN_S)
        memory = replace(memory, baselines={"all": mean}, updated_at=now)
        off_s = mean.values[0]
        faulty = base.hysteresis(abs(off_s) >= limits.off_s, abs(off_s) < limits.off_s / 2)
        unused = abs(clock_s) >= MAX_CLOCK_ERROR_S
        return memory, base.HealthReading(faulty or unused, off_s, limits.off_s, immediate=unused)

    def describe(self, value: float) -> tuple[str, str]:
        ahead_ko, ahead_en = ("빠름", "ahead") if value > 0 else ("느림", "behind")
        if abs(value) < MAX_CLOCK_ERROR_S:
            return f"시각이 {abs(value):.1f}초 {ahead_ko}", f"its clock is {abs(value):.1f} s {ahead_en}"
        off_ko, off_en = scoring.duration(60 * round(abs(value) / 60))
        return (
            f"시각이 {off_ko} {ahead_ko}: 영상 도착 시각을 사용함",
            f"its clock is {off_en} {ahead_en}; the time of arrival is used instead",
        )
