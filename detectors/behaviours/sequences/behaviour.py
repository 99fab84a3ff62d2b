"""The behaviour of a sequence that the site file, or this project, describes as steps.

An activity begins at a zone where the first step may begin: a vehicle stops by it, or a person enters on foot. A zone
has one activity at a time. It is one event from its first step on, and its severity rises with the steps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from msgspec.structs import replace
from pydantic import Field

from detectors.behaviours.base import BaseBehaviour, Candidate, Result, cooldown_field
from detectors.behaviours.common import vehicle_stops
from detectors.behaviours.common.vehicle_stops import MIN_STOP_S, StoppedVehicle
from detectors.behaviours.sequences import conditions, explanation, zone_activity
from detectors.behaviours.sequences.conditions import Requirement
from detectors.behaviours.sequences.zone_activity import PersonPosition, Representative, ZoneActivity, ZoneObservation
from detectors.observation.camera_geometry import CameraGeometry, PixelZone
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackPoint
from detectors.thresholds import MovingObjectThresholds, Resolver
from lanewatch import geometry
from lanewatch.boxes import iou
from lanewatch.config.sequences import OFF_LANE, Condition, EventSequence, Mitigation
from lanewatch.records import LABELS, PERSON, UNKNOWN

VEHICLES = frozenset(LABELS.index(name) for name in ("bicycle", "car", "motorcycle", "bus", "truck"))
LANES = frozenset({"lane"})
PARKED_S = 3600.0
"""A vehicle that has stood for longer without a person coming to it is parked."""
ABANDONED_S = 30.0
"""An activity that has not reached its first step ends after so long without observation."""
MIN_PERSON_SCORE = 0.3
"""Detector's score from which an untracked person counts. A track begins at .55, which few people reach at night."""
VEHICLE_SETTLES_S = 5.0
"""A stationary region that appears within this of a vehicle's stop is the vehicle."""
SAME_OBJECT_IOU = 0.3
"""Overlap with the box of a person or vehicle from which a stationary region is that object."""
DEFAULT_VEHICLE_REACH = 1.5
"""Vehicle lengths within which people get out of a vehicle, if the sequence does not begin with one."""


class SequenceThresholds(MovingObjectThresholds):
    """Thresholds of sequences. The requirements of the steps are written in the sequence itself."""

    classes: str = Field("person", title="Classes")
    """Classes that count as people, separated by blanks. Adding unknown, motion without a class, finds people whom the
    detector does not classify, and raises more false events."""
    calm_s: float = Field(120.0, ge=1, le=3600, title="Calm")
    """Seconds without observation after which it is over. Raising it joins successive activities."""
    cooldown_s: float = cooldown_field(60.0, "the same zone")

    def required_s(self, condition: Condition) -> float:
        """How long a condition must last: the threshold of its name, such as ``stay_s``, or the sequence's value."""
        return float(getattr(self, f"{condition.what}_s", condition.for_s))

    def required_times(self, condition: Condition) -> int:
        """How often it must be met: the threshold of its name, such as ``trips``, or the sequence's value."""
        return int(getattr(self, condition.what, condition.times))


class UsedVisit(msgspec.Struct, frozen=True):
    """A registered visit that has taken place. People who come to that zone before its end are not the visitors."""

    zone: str
    until: float


class SequenceMemory(msgspec.Struct, frozen=True):
    """The stopped vehicles, the activity at each zone, and the registered visits that have taken place."""

    stops: tuple[StoppedVehicle, ...] = ()
    activities: tuple[ZoneActivity, ...] = ()
    used_visits: tuple[UsedVisit, ...] = ()


class SequenceBehaviour(BaseBehaviour[Any, SequenceMemory]):
    """An activity of several steps. One event for each activity at a zone."""

    sequence: ClassVar[EventSequence]
    Thresholds = SequenceThresholds
    Memory = SequenceMemory

    def __init__(self, limits: Resolver[Any]) -> None:
        super().__init__(limits)
        first = self.sequence.steps[0].conditions
        self._vehicle_start = next((condition for condition in first if condition.what == "vehicle_stands"), None)
        self._foot_start = next((condition for condition in first if condition.what == "on_foot"), None)
        self._pixel_zones: dict[tuple[tuple[str, ...], int, int], tuple[PixelZone, ...]] = {}

    def step(self, memory: SequenceMemory, observation: Observation) -> Result[SequenceMemory]:
        # Step 1: vehicles, registered visits, and whether there is anything to do
        stops = memory.stops
        if self._vehicle_start is not None:
            stops = vehicle_stops.update(memory.stops, observation, VEHICLES)
        used = tuple(visit for visit in memory.used_visits if observation.captured_at < visit.until)
        if not memory.activities and stops is memory.stops and not self._has_visitor(observation):
            return (memory if len(used) == len(memory.used_visits) else replace(memory, used_visits=used)), ()
        # Step 2: continue the activities
        people = [
            track for track in observation.objects if track.seen and track.credible and track.label not in VEHICLES
        ]
        continued = []
        for activity in memory.activities:
            activity = self._continued(activity, stops, people, observation)
            continued.append(self._with_steps(self._with_mitigations(activity, observation, used), observation))
        # Step 3: begin new ones, and end those that are over
        current, when = continued, self.sequence.when
        if not when or any(observation.holds(schedule) for schedule in when):
            current = self._with_new(continued, stops, people, observation, used)
        current = [activity for activity in current if not self._is_over(activity, observation)]
        # Step 4: report them; an activity that was replaced is reported a last time
        begun_at = {activity.zone: activity.since for activity in current}
        replaced = [each for each in continued if begun_at.get(each.zone, each.since) != each.since]
        candidates = [self._candidate(each, observation) for each in (*replaced, *current) if each.step_times]
        for activity in current:
            used = self._with_used_visit(activity, used, observation)
        present = tuple(stop for stop in stops if stop.left_at is None)
        return SequenceMemory(present, tuple(current), used), candidates

    def _has_visitor(self, observation: Observation) -> bool:
        """Whether a track is where an activity may begin on foot. It runs at every record, so it must be cheap."""
        if self._foot_start is None or not observation.has_frame:
            return False
        pixel_zones = self._zones_in(self._foot_start.where, observation.geometry)
        return any(
            pixel_zone.contains(track.x, track.y)
            for track in observation.objects
            if track.label not in VEHICLES
            for pixel_zone in pixel_zones
        )

    def _zones_in(self, where: tuple[str, ...], camera: CameraGeometry) -> tuple[PixelZone, ...]:
        key = (where, camera.width, camera.height)
        pixel_zones = self._pixel_zones.get(key)
        if pixel_zones is None:
            pixel_zones = tuple(
                pixel_zone
                for pixel_zone in camera.zones
                if pixel_zone.zone.kind in where or pixel_zone.zone.id in where
            )
            self._pixel_zones[key] = pixel_zones
        return pixel_zones

    def _with_new(
        self,
        activities: list[ZoneActivity],
        stops: tuple[StoppedVehicle, ...],
        people: list[TrackedObject],
        observation: Observation,
        used: tuple[UsedVisit, ...],
    ) -> list[ZoneActivity]:
        """With the activities that begin now, and with the vehicles that come to those that continue."""
        by_zone = {activity.zone: activity for activity in activities}
        for stop in stops:
            if not MIN_STOP_S <= stop.stopped_s <= PARKED_S or stop.left_at is not None:
                continue
            zone = self._zone_of(stop, observation)
            activity = by_zone.get(zone) if zone is not None else None
            if zone is None or (activity is not None and activity.present_vehicle is not None):
                continue
            if activity is None or self._is_complete(activity, observation):
                new = zone_activity.begin_with_vehicle(stop, zone)
                by_zone[zone] = self._with_mitigations(new, observation, used)
            else:
                by_zone[zone] = replace(activity, vehicle=stop, left_at=None)
        if self._foot_start is not None and observation.has_frame:
            for pixel_zone in self._zones_in(self._foot_start.where, observation.geometry):
                zone = pixel_zone.zone.id
                if zone not in by_zone and observation.holds(pixel_zone.zone.schedule):
                    first = next(
                        (person for person in people if self._is_visitor(person, pixel_zone, observation)), None
                    )
                    if first is not None:
                        new = zone_activity.begin_on_foot(first, zone, observation.captured_at)
                        new = self._with_mitigations(new, observation, used)
                        by_zone[zone] = self._continued(new, stops, people, observation)
        return list(by_zone.values())

    def _is_visitor(self, person: TrackedObject, pixel_zone: PixelZone, observation: Observation) -> bool:
        if not pixel_zone.contains(person.x, person.y):
            return False
        return person.label in self._limits.resolve(observation, pixel_zone.zone.id, person.label).labels

    def _is_complete(self, activity: ZoneActivity, observation: Observation) -> bool:
        """Whether a vehicle that comes now does not belong to it: all steps are reached, or it was harmless."""
        harmless = bool(activity.mitigations)
        if activity.vehicle is not None and (harmless or len(activity.step_times) == len(self.sequence.steps)):
            return True
        return harmless and not any(_mitigates(each, activity, observation) for each in self.sequence.lowerers)

    def _zone_of(self, stop: StoppedVehicle, observation: Observation) -> str | None:
        """The zone that a vehicle stands by; "" off the lane; None where it may stand."""
        assert self._vehicle_start is not None
        nearest, least = None, self._vehicle_start.near * stop.length
        for pixel_zone in self._zones_in(self._vehicle_start.where, observation.geometry):
            distance = geometry.distance_to_polygon(pixel_zone.corners, stop.x, stop.y)
            if distance <= least and observation.holds(pixel_zone.zone.schedule):
                nearest, least = pixel_zone.zone.id, distance
        if nearest is None and OFF_LANE in self._vehicle_start.where:
            lanes = observation.geometry.zones_of(LANES)
            if lanes and not any(pixel_zone.contains(stop.x, stop.y) for pixel_zone in lanes):
                return ""
        return nearest

    def _continued(
        self,
        activity: ZoneActivity,
        stops: tuple[StoppedVehicle, ...],
        people: list[TrackedObject],
        observation: Observation,
    ) -> ZoneActivity:
        """The activity with what its vehicle and its people did at this record."""
        activity = _with_vehicle(activity, stops, observation)
        if not observation.has_frame:
            return activity
        pixel_zones = self._zones_around(activity, observation)
        labels = self._limits.resolve(observation, activity.zone, activity.representative.label).labels
        people = [person for person in people if person.label in labels]
        inside = {p.id: p for p in people if any(pixel_zone.contains(p.x, p.y) for pixel_zone in pixel_zones)}
        reach = DEFAULT_VEHICLE_REACH if self._vehicle_start is None else self._vehicle_start.near
        scene = ZoneObservation(observation, people, inside, reach, _untracked_people(pixel_zones, observation))
        activity = zone_activity.update(activity, scene)
        return _with_changes(activity, pixel_zones, observation) if observation.detections.scene.still else activity

    def _zones_around(self, activity: ZoneActivity, observation: Observation) -> Sequence[PixelZone]:
        """Where people enter and leave: its zone, or all zones of the first step for a vehicle that is by none."""
        if activity.zone:
            return [pixel_zone for pixel_zone in observation.geometry.zones if pixel_zone.zone.id == activity.zone]
        return () if self._vehicle_start is None else self._zones_in(self._vehicle_start.where, observation.geometry)

    def _is_over(self, activity: ZoneActivity, observation: Observation) -> bool:
        now = observation.captured_at
        if activity.present_vehicle is not None:
            return now - max(activity.since, activity.last_present_at) > PARKED_S
        if not activity.step_times:
            return now - activity.until > ABANDONED_S
        limits = self._limits.resolve(observation, activity.zone, activity.representative.label)
        return bool(now - activity.until > limits.calm_s)

    def _with_steps(self, activity: ZoneActivity, observation: Observation) -> ZoneActivity:
        """With the steps and the escalations that are reached by now."""
        limits = self._limits.resolve(observation, activity.zone, activity.representative.label)
        times = list(activity.step_times)
        for step in self.sequence.steps[len(times) :]:
            late = bool(times) and observation.captured_at - times[-1] > step.within_s
            if late or not any(_is_met(each, activity, times, limits, observation) for each in step.conditions):
                break
            times.append(observation.captured_at)
        escalations = tuple(
            number
            for number, escalation in enumerate(self.sequence.raisers)
            if number in activity.escalations or _is_met(escalation, activity, times, limits, observation)
        )
        return replace(activity, step_times=tuple(times), escalations=escalations)

    def _with_mitigations(
        self, activity: ZoneActivity, observation: Observation, used: tuple[UsedVisit, ...]
    ) -> ZoneActivity:
        """With what makes it harmless, up to its second step."""
        if len(activity.step_times) >= 2:
            return activity
        is_used = any(visit.zone == activity.zone for visit in used)
        new = [
            number
            for number, mitigation in enumerate(self.sequence.lowerers)
            if _mitigates(mitigation, activity, observation) and not (mitigation.what == "registered_visit" and is_used)
        ]
        return replace(activity, mitigations=tuple(sorted({*activity.mitigations, *new}))) if new else activity

    def _with_used_visit(
        self, activity: ZoneActivity, used: tuple[UsedVisit, ...], observation: Observation
    ) -> tuple[UsedVisit, ...]:
        """With the registered visit of an activity of two steps. A vehicle that only stopped has not used it."""
        if len(activity.step_times) < 2 or any(visit.zone == activity.zone for visit in used):
            return used
        if all(self.sequence.lowerers[number].what != "registered_visit" for number in activity.mitigations):
            return used
        visit = observation.registered(activity.zone, activity.arrival_class)
        return used if visit is None else (*used, UsedVisit(activity.zone, visit.until.timestamp()))

    def _candidate(self, activity: ZoneActivity, observation: Observation) -> Candidate:
        sequence, representative = self.sequence, activity.representative
        limits = self._limits.resolve(observation, activity.zone, representative.label)
        severities = [step.severity for step in sequence.steps[: len(activity.step_times)]]
        severities += [sequence.raisers[number].severity for number in activity.escalations]
        at_most = min((sequence.lowerers[number].at_most for number in activity.mitigations), default=3)
        return Candidate(
            key=f"{activity.zone}/{round(activity.since * 1000)}",
            zone=activity.zone,
            since=activity.since,
            until=activity.until,
            tracks=activity.tracks,
            first_point=activity.first_point,
            box=representative.box,
            clarity=representative.score * representative.height,
            severity=min(max(severities), at_most),
            thresholds=limits,
            explain=lambda: explanation.explain(sequence, activity, observation),
            cooldown_s=limits.cooldown_s,
        )


def _with_vehicle(activity: ZoneActivity, stops: tuple[StoppedVehicle, ...], observation: Observation) -> ZoneActivity:
    """The activity with the present state of its vehicle, which may have left."""
    if activity.present_vehicle is None:
        return activity
    vehicle = activity.present_vehicle
    now = next((stop for stop in stops if stop.is_same_stop(vehicle)), None)
    if now is None or now.left_at is not None:
        return replace(activity, left_at=observation.captured_at if now is None else now.left_at)
    representative = activity.representative
    if now.unseen_s is None:
        representative = Representative(now.label, now.score, now.length, now.box, now.until)
    return replace(activity, vehicle=now, until=max(activity.until, now.until), representative=representative)


def _is_met(
    condition: Condition,
    activity: ZoneActivity,
    step_times: list[float],
    limits: SequenceThresholds,
    observation: Observation,
) -> bool:
    if condition.where and not _is_at(condition.where, activity.zone, observation):
        return False
    for_s, times = limits.required_s(condition), limits.required_times(condition)
    needed = Requirement(for_s, times, step_times, observation.captured_at)
    return conditions.CHECKS[condition.what](activity, needed)


def _is_at(where: tuple[str, ...], zone: str, observation: Observation) -> bool:
    if not zone:
        return OFF_LANE in where
    return zone in where or observation.geometry.zone(zone).kind in where


def _mitigates(mitigation: Mitigation, activity: ZoneActivity, observation: Observation) -> bool:
    if mitigation.what == "schedule":
        return observation.holds(mitigation.schedule)
    if mitigation.what == "registered_visit":
        return observation.registered(activity.zone, activity.arrival_class) is not None
    hours = observation.geometry.zone(activity.zone).owner_hours if activity.zone else None
    return observation.condition == "day" if hours is None else observation.holds(hours)


def _untracked_people(pixel_zones: Sequence[PixelZone], observation: Observation) -> list[PersonPosition]:
    """Persons in the zones that are detected and not tracked, and motion without a class."""
    record = observation.detections
    tracked = {track.detection for track in observation.objects if track.credible and track.label == PERSON}
    rows = zip(record.xyxy.tolist(), record.labels.tolist(), record.scores.tolist(), strict=True)
    return [
        PersonPosition((left + right) / 2, bottom, bottom - top, label == PERSON)
        for row, ((left, top, right, bottom), label, score) in enumerate(rows)
        if label == UNKNOWN or (label == PERSON and score >= MIN_PERSON_SCORE and row not in tracked)
        if any(pixel_zone.contains((left + right) / 2, bottom) for pixel_zone in pixel_zones)
    ]


def _with_changes(activity: ZoneActivity, pixel_zones: Sequence[PixelZone], observation: Observation) -> ZoneActivity:
    """With the objects that appeared in the zone, or are gone from it, since it began: no vehicles, no people."""
    changes = list(activity.changes)
    begin, end = activity.since, math.inf if activity.left_at is None else activity.left_at
    boxes = [track.box for track in observation.objects]
    if activity.vehicle is not None:
        begin = max(begin, activity.vehicle.since + VEHICLE_SETTLES_S)
        boxes.append(activity.vehicle.box)
    for region in observation.detections.scene.still:
        left, top, right, bottom = region.box
        x, y, size = (left + right) / 2, bottom, max(right - left, bottom - top)
        known = any(abs(x - change.x) + abs(y - change.y) <= size for change in changes)
        if (
            known
            or not begin <= region.still_since < end
            or not any(pixel_zone.contains(x, y) for pixel_zone in pixel_zones)
        ):
            continue
        if all(iou(region.box, box) < SAME_OBJECT_IOU for box in boxes):
            changes.append(TrackPoint(x, y, region.still_since))
    return replace(activity, changes=tuple(changes[: zone_activity.MAX_ENTRIES]))
