"""One simulated night with thefts, and its records."""

from __future__ import annotations

import pytest

from lanewatch.records import Detections
from streams.simulator.night import SimulatedNight, simulate_night


@pytest.fixture(scope="session")
def night() -> SimulatedNight:
    return simulate_night(3, 0)


@pytest.fixture(scope="session")
def records(night: SimulatedNight) -> list[Detections]:
    return list(night.records)
