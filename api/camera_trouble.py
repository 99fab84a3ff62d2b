"""The kinds of events that are trouble of a camera, and not what people do before it."""

from __future__ import annotations

from functools import cache

from detectors.behaviours.camera_health.base import CameraHealthBehaviour
from detectors.behaviours.registry import installed
from detectors.correlation import outage


@cache
def camera_trouble_kinds() -> frozenset[str]:
    """Camera faults, those of plug-ins included, and outages.

    Raises:
        BehaviourError: A plug-in can't be loaded.
    """
    faults = {kind for kind, behaviour in installed().items() if issubclass(behaviour, CameraHealthBehaviour)}
    return frozenset(faults | {outage.KIND})
