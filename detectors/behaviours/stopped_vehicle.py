"""Stopped vehicle: a vehicle came, and stands where none should: off the lanes that are drawn.

The guides to traffic incident detection call a vehicle stopped that has not moved for some seconds outside of the
places made for it; on a village lane that is the verge, the field's edge, the ditch. One that was there before the
camera looked is parked and raises nothing, and neither does one that stands in a lane: it waits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import msgspec
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.behaviours.common import vehicle_stops
from detectors.behaviours.common.vehicle_stops import StoppedVehicle
from detectors.behaviours.common.zone_dwell import TOLERANCE_S
from detectors.observation.observation import Observation
from detectors.thresholds import MovingObjectThresholds, Resolver
from lanewatch.config.fields import LocalizedName
from lanewatch.records import LABELS

LANES = frozenset({"lane"})
VEHICLES = frozenset(LABELS.index(name) for name in ("car", "motorcycle", "bus", "truck"))

STOPPED = 0.25
"""Score of one that has just stood for long enough by day, the detector's confidence aside."""
LONGER = 0.1
"""More for each threshold's length on top, up to three."""


class StoppedVehicleThresholds(MovingObjectThresholds):
    """When standing becomes stopped."""

    classes: str = Field(
        "car motorcycle bus truck",
        title="Classes",
        description="What is judged, separated by blanks. Naming more raises more events.",
    )
    stand_s: float = Field(
        60.0,
        ge=5,
        le=86400,
        title="Standing",
        description="Seconds that it must stand. Raising it raises fewer and later events.",
    )
    alert_at: float = Field(
        10.0,
        ge=1,
        le=1000,
        title="Alert at",
        description="Multiple of the time at which it becomes an alert. Raising it keeps events at watch for longer.",
    )
    longest_s: float = Field(
        3600.0,
        ge=60,
        le=86400,
        title="Longest",
        description="Seconds after which it is parked and the event ends. Raising it keeps events open for longer.",
    )


class StoppedVehicleMemory(msgspec.Struct, frozen=True):
    """What is remembered: the vehicles that stand."""

    stands: tuple[StoppedVehicle, ...] = ()


class StoppedVehicleBehaviour:
    """A vehicle came and stands off the lane. One event for each stop of each vehicle."""

    kind: ClassVar[str] = "stopped_vehicle"
    name: ClassVar[LocalizedName] = LocalizedName(ko="차로 밖 정차", en="Stopped vehicle")
    onvif: ClassVar[str] = ""
    kisa: ClassVar[str] = ""
    places: ClassVar[frozenset[str]] = LANES
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"tracks"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = StoppedVehicleThresholds
    Memory: ClassVar[type[msgspec.Struct]] = StoppedVehicleMemory

    def __init__(self, limits: Resolver[StoppedVehicleThresholds]) -> None:
        self._limits = limits

    def start(self) -> StoppedVehicleMemory:
        """No vehicle stands anywhere."""
        return StoppedVehicleMemory()

    def step(self, memory: StoppedVehicleMemory, view: Observation) -> tuple[StoppedVehicleMemory, Sequence[Candidate]]:
        """The vehicles after a record; a claim for each that has stood off the lane for long enough."""
        now = vehicle_stops.advance(memory.stands, view, VEHICLES)
        if now is memory.stands:
            return memory, ()
        claims = []
        for stand in now:
            if stand.left_at is not None or _in_lane(stand, view):
                continue
            zone = view.geometry.at(stand.x, stand.y)
            limits = self._limits.at(view, zone, stand.label)
            long_enough = limits.stand_s - TOLERANCE_S <= stand.stood_s <= limits.longest_s
            if long_enough and stand.label in limits.labels:
                claims.append(_claim(stand, zone, view, limits))
        return StoppedVehicleMemory(tuple(stand for stand in now if stand.left_at is None)), claims


def _in_lane(stand: StoppedVehicle, view: Observation) -> bool:
    return any(area.contains(stand.x, stand.y) for area in view.geometry.areas_of(LANES))


def _claim(stand: StoppedVehicle, zone: str, view: Observation, limits: StoppedVehicleThresholds) -> Candidate:
    return Candidate(
        key=f"{round(stand.since * 1000)}/{round(stand.x)},{round(stand.y)}",
        zone=zone,
        since=stand.since,
        until=stand.until,
        tracks=(stand.track,),
        born=stand.born,
        box=stand.box,
        clarity=stand.score * stand.length,
        severity=2 if stand.stood_s >= limits.alert_at * limits.stand_s else 1,
        thresholds=limits,
        explain=lambda: _account(stand, zone, view, limits),
    )


def _account(stand: StoppedVehicle, zone: str, view: Observation, limits: StoppedVehicleThresholds) -> Explanation:
    longer = min(max(stand.stood_s / limits.stand_s - 1, 0.0), 3.0)
    factors = (
        scoring.make_factor(
            "standing", STOPPED + LONGER * longer, seconds=round(stand.stood_s, 1), threshold_s=limits.stand_s
        ),
        *scoring.common_factors(view.condition, stand.label, stand.score),
    )
    who_ko, who_en = scoring.subject(stand.label)
    when_ko, when_en = scoring.WHEN[view.condition]
    long_ko, long_en = scoring.duration(math.floor(stand.stood_s + TOLERANCE_S))
    limit_ko, limit_en = scoring.duration(limits.stand_s)
    where_ko, where_en = "차로 밖에", "off the lane"
    if zone:
        name = view.geometry.zone(zone).name
        where_ko, where_en = f"차로 밖 '{name.ko}' 구역에", f"off the lane in '{name.en}'"
    sentence = {
        "ko": f"{when_ko} {where_ko} {who_ko} {long_ko} 동안 서 있음 (기준 {limit_ko})",
        "en": f"{who_en} standing {where_en} for {long_en} {when_en} (threshold {limit_en})",
    }
    return Explanation(factors, sentence)
