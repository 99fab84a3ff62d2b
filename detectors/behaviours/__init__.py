"""What is watched for, one module each. Others bring theirs by the entry points' group ``lanewatch.behaviours``."""

from __future__ import annotations

from typing import Any

from detectors.behaviour import Behaviour
from detectors.behaviours.abandoned import Abandoned
from detectors.behaviours.climbing import Climbing
from detectors.behaviours.clock_drift import ClockDrift
from detectors.behaviours.covered import Covered
from detectors.behaviours.crossing import Crossing
from detectors.behaviours.defocused import Defocused
from detectors.behaviours.fall import Fall
from detectors.behaviours.fight import Fight
from detectors.behaviours.fire import Fire
from detectors.behaviours.frozen import Frozen
from detectors.behaviours.gathering import Gathering
from detectors.behaviours.intrusion import Intrusion
from detectors.behaviours.loitering import Loitering
from detectors.behaviours.moved import Moved
from detectors.behaviours.removed import Removed
from detectors.behaviours.running import Running
from detectors.behaviours.signal_lost import SignalLost
from detectors.behaviours.stopped import StoppedVehicle
from detectors.behaviours.theft import ProduceTheft
from detectors.behaviours.too_dark import TooDark
from detectors.behaviours.wrong_way import WrongWay

BUILT_IN: tuple[type[Behaviour[Any]], ...] = (
    Abandoned,
    Climbing,
    ClockDrift,
    Covered,
    Crossing,
    Defocused,
    Fight,
    Fall,
    Fire,
    Frozen,
    Gathering,
    Intrusion,
    Loitering,
    Moved,
    ProduceTheft,
    Removed,
    Running,
    SignalLost,
    StoppedVehicle,
    TooDark,
    WrongWay,
)
