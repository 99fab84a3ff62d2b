"""Signal lost: the camera gives no pictures, or none that can be decoded.

The sampler goes on telling the time while a camera is silent (a tick a second), so that this is known within seconds
and in capture time. Pictures that a stage of our own dropped or failed on are no trouble of the camera's.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from detectors import thresholds
from detectors.behaviours.base import Trigger
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

LOST = frozenset({"lost", "unreadable"})


class SignalLostThresholds(HealthThresholds):
    """When silence is a loss."""

    hold_s: float = hold_field(10.0, least=1, what="Seconds without a picture")
    back_s: float = Field(
        5.0,
        ge=0,
        le=3600,
        title="Back",
        description="Seconds of pictures after which it is over. Raising it joins what comes and goes into one event.",
    )
    alert_s: float = alert_field(60.0)


class SignalLost(CameraHealthBehaviour[SignalLostThresholds]):
    """A camera that gives no pictures. One event until it does again."""

    kind: ClassVar[str] = "signal_lost"
    name: ClassVar[LocalizedName] = LocalizedName(ko="영상 신호 끊김", en="Signal lost")
    onvif: ClassVar[str] = "VideoSource/SignalLoss"
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"blind"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = SignalLostThresholds

    def sign(
        self, memory: CameraHealthMemory, view: Observation, limits: SignalLostThresholds
    ) -> tuple[CameraHealthMemory, HealthReading]:
        """See ``CameraHealthBehaviour.sign``. It began with the last record that had a picture, or an idle tick."""
        gap = view.detections.gap
        if gap in LOST:
            began = (
                memory.held.since if memory.held.since >= 0 else view.captured_at - min(view.elapsed_s, limits.hold_s)
            )
            return memory, HealthReading(True, view.captured_at - began, limits.hold_s, began)
        return memory, HealthReading(False if gap in (None, "idle") else (True if memory.held.since >= 0 else None))

    def words(self, value: float, limits: SignalLostThresholds) -> tuple[str, str]:
        """See ``CameraHealthBehaviour.words``."""
        return "영상 신호 끊김", "no picture comes"
