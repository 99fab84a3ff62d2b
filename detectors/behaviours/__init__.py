"""What is watched for, one module each. Others bring theirs by the entry points' group ``lanewatch.behaviours``."""

from __future__ import annotations

from typing import Any

from detectors.behaviour import Behaviour
from detectors.behaviours.crossing import Crossing
from detectors.behaviours.intrusion import Intrusion
from detectors.behaviours.loitering import Loitering

BUILT_IN: tuple[type[Behaviour[Any]], ...] = (Loitering, Intrusion, Crossing)
