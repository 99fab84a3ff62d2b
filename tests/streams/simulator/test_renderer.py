"""Stationary regions are where vehicles stand."""

from __future__ import annotations

from lanewatch.records import Detections
from streams.simulator.night import SimulatedNight


def test_stationary_regions_are_where_the_vehicles_stand(night: SimulatedNight, records: list[Detections]) -> None:
    regions = {region.still_since for record in records for region in record.scene.still}
    stops = sorted(period.start for act in night.acts for period in act.stationary)
    assert regions
    assert regions <= set(stops)
