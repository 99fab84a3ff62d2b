"""Stopped vehicle: a vehicle arrived and stands off the drawn lanes.

A vehicle that was there before the observation began is parked, and one that stands in a lane waits: no event.
"""

from __future__ import annotations

import msgspec
from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import TOLERANCE_S, BaseBehaviour, Candidate, Explanation, Result
from detectors.behaviours.common import vehicle_stops
from detectors.behaviours.common.explanations import excess, whole_seconds
from detectors.behaviours.common.vehicle_stops import StoppedVehicle
from detectors.observation.observation import Observation
from detectors.thresholds import MovingObjectThresholds
from lanewatch.config.fields import LocalizedName
from lanewatch.records import LABELS

LANES = frozenset({"lane"})
VEHICLES = frozenset(LABELS.index(name) for name in ("car", "motorcycle", "bus", "truck"))

STANDING_SCORE = 0.25
"""Score at the threshold by day, without the detector's confidence."""
LONGER_SCORE = 0.1
"""More for each multiple of the threshold, up to three."""


class StoppedVehicleThresholds(MovingObjectThresholds):
    """When a standing vehicle is a stopped one."""

    classes: str = Field("car motorcycle bus truck", title="Classes")
    """Classes to evaluate, separated by blanks. More classes raise more events."""
    stand_s: float = Field(60.0, ge=5, le=86400, title="Standing")
    """Seconds that it must stand. Raising it raises fewer and later events."""
    alert_at: float = Field(10.0, ge=1, le=1000, title="Alert at")
    """Multiple of the time at which it becomes an alert. Raising it keeps events at watch for longer."""
    longest_s: float = Field(3600.0, ge=60, le=86400, title="Longest")
    """Seconds after which it is parked and the event ends. Raising it keeps events open for longer."""


class StoppedVehicleMemory(msgspec.Struct, frozen=True):
    stops: tuple[StoppedVehicle, ...] = ()


class StoppedVehicleBehaviour(BaseBehaviour[StoppedVehicleThresholds, StoppedVehicleMemory]):
    """A vehicle arrived and stands off the lane. One event for each stop of each vehicle."""

    kind = "stopped_vehicle"
    name = LocalizedName(ko="차로 밖 정차", en="Stopped vehicle")
    places = LANES
    Thresholds = StoppedVehicleThresholds
    Memory = StoppedVehicleMemory

    def step(self, memory: StoppedVehicleMemory, observation: Observation) -> Result[StoppedVehicleMemory]:
        stops = vehicle_stops.update(memory.stops, observation, VEHICLES)
        if stops is memory.stops:
            return memory, ()
        present = tuple(stop for stop in stops if stop.left_at is None)
        lanes = observation.geometry.zones_of(LANES)
        candidates = []
        for stop in present:
            if any(pixel_zone.contains(stop.x, stop.y) for pixel_zone in lanes):
                continue
            zone = observation.geometry.zone_at(stop.x, stop.y)
            limits = self._limits.resolve(observation, zone, stop.label)
            long_enough = limits.stand_s - TOLERANCE_S <= stop.stopped_s <= limits.longest_s
            if long_enough and stop.label in limits.labels:
                candidates.append(_candidate(stop, zone, observation, limits))
        return StoppedVehicleMemory(present), candidates


def _candidate(
    stop: StoppedVehicle, zone: str, observation: Observation, limits: StoppedVehicleThresholds
) -> Candidate:
    return Candidate(
        key=f"{round(stop.since * 1000)}/{round(stop.x)},{round(stop.y)}",
        zone=zone,
        since=stop.since,
        until=stop.until,
        tracks=(stop.track,),
        first_point=stop.first_point,
        box=stop.box,
        clarity=stop.score * stop.length,
        severity=2 if stop.stopped_s >= limits.alert_at * limits.stand_s else 1,
        thresholds=limits,
        explain=lambda: _explain(stop, zone, observation, limits),
    )


def _explain(
    stop: StoppedVehicle, zone: str, observation: Observation, limits: StoppedVehicleThresholds
) -> Explanation:
    score = STANDING_SCORE + LONGER_SCORE * excess(stop.stopped_s, limits.stand_s)
    factors = (
        scoring.make_factor("standing", score, seconds=round(stop.stopped_s, 1), threshold_s=limits.stand_s),
        *scoring.common_factors(observation.condition, stop.label, stop.score),
    )
    who_ko, who_en = scoring.subject(stop.label)
    when_ko, when_en = scoring.WHEN[observation.condition]
    stop_ko, stop_en = whole_seconds(stop.stopped_s)
    limit_ko, limit_en = scoring.duration(limits.stand_s)
    where_ko, where_en = "차로 밖에", "off the lane"
    if zone:
        name = observation.geometry.zone(zone).name
        where_ko, where_en = f"차로 밖 '{name.ko}' 구역에", f"off the lane in '{name.en}'"
    sentence = {
        "ko": f"{when_ko} {where_ko} {who_ko} {stop_ko} 동안 서 있음 (기준 {limit_ko})",
        "en": f"{who_en} standing {where_en} for {stop_en} {when_en} (threshold {limit_en})",
    }
    return Explanation(factors, sentence)
