"""Signal lost: the camera sends no pictures, or none that can be decoded.

The sampler sends a tick a second while a camera is silent, so the loss is known in capture time. Pictures that one of
our own stages dropped or failed on are no fault of the camera.
"""

from __future__ import annotations

from pydantic import Field

from detectors.behaviours.camera_health import base
from detectors.observation.observation import Observation
from lanewatch.config.fields import LocalizedName

LOST = frozenset({"lost", "unreadable"})


class SignalLostThresholds(base.HealthThresholds):
    """When silence is a loss."""

    hold_s: float = base.hold_field(10.0, least=1, what="Seconds without a picture")
    back_s: float = Field(5.0, ge=0, le=3600, title="Back")
    """Seconds of pictures until the event ends. Raising it joins an intermittent loss into one event."""
    alert_s: float = base.alert_field(60.0)


class SignalLost(base.CameraHealthBehaviour[SignalLostThresholds]):
    """A camera without pictures. One event until they return."""

    kind = "signal_lost"
    name = LocalizedName(ko="영상 신호 끊김", en="Signal lost")
    onvif = "VideoSource/SignalLoss"
    triggers = frozenset({"blind"})
    survives_restart = True
    Thresholds = SignalLostThresholds

    def read(
        self, memory: base.CameraHealthMemory, observation: Observation, limits: SignalLostThresholds
    ) -> base.ReadResult:
        """The loss began at the last record with a picture, or idle tick."""
        gap, now, since = observation.detections.gap, observation.captured_at, memory.condition.since
        is_lost = since >= 0
        if gap in LOST:
            began_at = since if is_lost else now - min(observation.elapsed_s, limits.hold_s)
            return memory, base.HealthReading(True, now - began_at, limits.hold_s, began_at)
        if gap in (None, "idle"):
            return memory, base.HealthReading(False)
        return memory, base.HealthReading(is_lost or None)

    def describe(self, value: float) -> tuple[str, str]:
        return "영상 신호 끊김", "no video signal"
