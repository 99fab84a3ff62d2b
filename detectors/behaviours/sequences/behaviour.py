"""Composites: what the site file's language of sequences means, as a behaviour.

A story begins at a zone where the first step may begin: a vehicle stops by it, or somebody comes in on foot. There is
one story at a zone at a time, and it is one event from its first step on: with each further step it gets graver.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec
from pydantic import Field

from detectors import thresholds
from detectors.behaviours.base import Candidate, Trigger
from detectors.behaviours.common import vehicle_stops
from detectors.behaviours.common.vehicle_stops import STOOD_S, StoppedVehicle
from detectors.behaviours.sequences import conditions, explanation, zone_activity
from detectors.behaviours.sequences.zone_activity import PersonPosition, ZoneActivity, ZoneObservation
from detectors.observation.camera_geometry import CameraGeometry, PixelZone
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackPoint
from detectors.thresholds import MovingObjectThresholds, Resolver
from lanewatch import geometry
from lanewatch.boxes import iou
from lanewatch.config.fields import LocalizedName
from lanewatch.config.sequences import OFF_LANE, Condition, EventSequence, Mitigation
from lanewatch.records import LABELS, PERSON, UNKNOWN

VEHICLES = frozenset(LABELS.index(name) for name in ("bicycle", "car", "motorcycle", "bus", "truck"))
LANES = frozenset({"lane"})
PARKED_S = 3600.0
"""A vehicle that has stood for longer, and nobody came to it, is parked."""
TOUCHED_S = 30.0
"""Before its first step, a story of which nothing is seen for so long is over."""
SURE = 0.3
"""Detector's score of a person who is seen although not followed; a track starts at .55, and by night few get there."""
SETTLES_S = 5.0
"""What appears and stays within this of a vehicle's stop is the vehicle."""
SAME = 0.3
"""Overlap with somebody's or a vehicle's box from which something that stays is him."""


class SequenceThresholds(MovingObjectThresholds):
    """Of composites. What their steps ask for is written in the composite itself."""

    classes: str = Field(
        "person",
        title="Classes",
        description="Who counts as people, separated by blanks. Naming unknown, what moves and has no name, too finds "
        "people of whom the detector is never sure, and raises more false events.",
    )
    calm_s: float = Field(
        120.0,
        ge=1,
        le=3600,
        title="Calm",
        description="Seconds after which it is over when nothing of it is seen any more. Raising it joins what happens "
        "one after another.",
    )
    cooldown_s: float = Field(
        60.0,
        ge=0,
        le=3600,
        title="Cool-down",
        description="Seconds after the end in which it is not raised again at the same zone.",
    )

    def for_s(self, sign: Condition) -> float:
        """How long a sign must last: the threshold of its name, such as ``stay_s``, or what the composite says."""
        return float(getattr(self, f"{sign.what}_s", sign.for_s))

    def times(self, sign: Condition) -> int:
        """How often it must be seen, likewise: ``trips``."""
        return int(getattr(self, sign.what, sign.times))


class UsedVisit(msgspec.Struct, frozen=True):
    """A registered visit that was paid: who comes to that zone after them, up to its end, is somebody else."""

    zone: str
    until: float


class SequenceMemory(msgspec.Struct, frozen=True):
    """What is remembered: the vehicles that stand, what goes on at which zone, and which visits were paid."""

    stands: tuple[StoppedVehicle, ...] = ()
    stories: tuple[ZoneActivity, ...] = ()
    paid: tuple[UsedVisit, ...] = ()


class SequenceBehaviour:
    """A happening of several steps, as a composite describes it. One event for each time at a zone."""

    kind: ClassVar[str]
    name: ClassVar[LocalizedName]
    onvif: ClassVar[str] = ""
    kisa: ClassVar[str] = ""
    places: ClassVar[frozenset[str]]
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"tracks"})
    composite: ClassVar[EventSequence]
    Thresholds: ClassVar[type[thresholds.Thresholds]] = SequenceThresholds
    Memory: ClassVar[type[msgspec.Struct]] = SequenceMemory

    def __init__(self, limits: Resolver[Any]) -> None:
        self._limits: Resolver[SequenceThresholds] = limits
        first = self.composite.steps[0].conditions
        self._stop = next((sign for sign in first if sign.what == "vehicle_stands"), None)
        self._foot = next((sign for sign in first if sign.what == "on_foot"), None)
        self._areas: dict[tuple[tuple[str, ...], int, int], tuple[PixelZone, ...]] = {}

    def start(self) -> SequenceMemory:
        """Nothing happens anywhere."""
        return SequenceMemory()

    def step(self, memory: SequenceMemory, view: Observation) -> tuple[SequenceMemory, Sequence[Candidate]]:
        """What goes on after a record; a claim for each story that has reached its first step."""
        standing = memory.stands
        if self._stop is not None:
            standing = vehicle_stops.advance(memory.stands, view, VEHICLES)
        paid = tuple(one for one in memory.paid if view.captured_at < one.until) if memory.paid else ()
        if not memory.stories and standing is memory.stands and not self._visitors(view):
            return (memory if len(paid) == len(memory.paid) else msgspec.structs.replace(memory, paid=paid)), ()
        people = [one for one in view.objects if one.seen and one.credible and one.label not in VEHICLES]
        told = [self._go_on(one, standing, people, view) for one in memory.stories]
        before = told = [self._judged(self._lowered(one, view, paid), view) for one in told]
        if self._may_begin(view):
            told = self._begun(before, standing, people, view, paid)
        told = [one for one in told if not self._over(one, view)]
        now = {one.zone: one.since for one in told}
        gone = [one for one in before if now.get(one.zone, one.since) != one.since]  # they have a last word
        claims = [self._claim(one, view) for one in (*gone, *told) if one.steps]
        for one in told:
            paid = self._pays(one, paid, view)
        return SequenceMemory(tuple(one for one in standing if one.left_at is None), tuple(told), paid), claims

    def _visitors(self, view: Observation) -> bool:
        """Whether anybody is where a story may begin on foot: asked at every record, so it must cost nothing."""
        if self._foot is None or not view.has_frame:
            return False
        areas = self._areas_of(self._foot.where, view.geometry)
        for one in view.objects:
            if one.label not in VEHICLES:
                for area in areas:  # any() costs a generator for each of them
                    if area.contains(one.x, one.y):
                        return True
        return False

    def _areas_of(self, where: tuple[str, ...], ground: CameraGeometry) -> tuple[PixelZone, ...]:
        key = (where, ground.width, ground.height)
        found = self._areas.get(key)
        if found is None:
            found = tuple(area for area in ground.areas if area.zone.kind in where or area.zone.id in where)
            self._areas[key] = found
        return found

    def _may_begin(self, view: Observation) -> bool:
        when = self.composite.when
        return not when or any(view.holds(one) for one in when)

    def _begun(
        self,
        told: list[ZoneActivity],
        standing: tuple[StoppedVehicle, ...],
        people: list[TrackedObject],
        view: Observation,
        paid: tuple[UsedVisit, ...],
    ) -> list[ZoneActivity]:
        """With the stories that begin now, and with the vehicles that come to those that go on."""
        known = {one.zone: one for one in told}
        for stand in standing:
            if not STOOD_S <= stand.stood_s <= PARKED_S or stand.left_at is not None:
                continue
            zone = self._by(stand, view)
            one = known.get(zone) if zone is not None else None
            if zone is None or (one is not None and one.standing is not None):
                continue
            if one is None or self._is_done(one, view):
                known[zone] = self._lowered(zone_activity.begin_with_vehicle(stand, zone), view, paid)
            else:
                known[zone] = msgspec.structs.replace(one, stand=stand, left_at=None)
        if self._foot is not None and view.has_frame:
            for area in self._areas_of(self._foot.where, view.geometry):
                if area.zone.id not in known and view.holds(area.zone.schedule):
                    first = next((one for one in people if self._counts(one, area, view)), None)
                    if first is not None:
                        new = zone_activity.begin_on_foot(first, area.zone.id, view.captured_at)
                        known[area.zone.id] = self._go_on(self._lowered(new, view, paid), standing, people, view)
        return list(known.values())

    def _is_done(self, one: ZoneActivity, view: Observation) -> bool:
        """Whether a vehicle that comes now has nothing to do with it: all its steps are reached, or it is harmless;
        who comes after the owner is not he."""
        if one.stand is not None and (one.lowered or len(one.steps) == len(self.composite.steps)):
            return True
        return bool(one.lowered) and not any(_lowers(lowerer, one, view) for lowerer in self.composite.lowerers)

    def _lowered(self, one: ZoneActivity, view: Observation, paid: tuple[UsedVisit, ...]) -> ZoneActivity:
        """With what makes it harmless, seen until its second step."""
        if len(one.steps) >= 2:
            return one
        now = [
            number
            for number, lowerer in enumerate(self.composite.lowerers)
            if _lowers(lowerer, one, view)
            and not (lowerer.what == "registered_visit" and any(other.zone == one.zone for other in paid))
        ]
        return msgspec.structs.replace(one, lowered=tuple(sorted({*one.lowered, *now}))) if now else one

    def _pays(self, one: ZoneActivity, paid: tuple[UsedVisit, ...], view: Observation) -> tuple[UsedVisit, ...]:
        """With the visit that covers a story of two steps: who only stopped has not paid it."""
        if len(one.steps) < 2 or any(other.zone == one.zone for other in paid):
            return paid
        if all(self.composite.lowerers[number].what != "registered_visit" for number in one.lowered):
            return paid
        visit = view.registered(one.zone, one.means)
        return paid if visit is None else (*paid, UsedVisit(one.zone, visit.until.timestamp()))

    def _by(self, stand: StoppedVehicle, view: Observation) -> str | None:
        """The zone that a vehicle stands by; "" off the lane; None where it may stand."""
        assert self._stop is not None
        nearest, least = None, self._stop.near * stand.length
        for area in self._areas_of(self._stop.where, view.geometry):
            apart = geometry.distance_to_polygon(area.corners, stand.x, stand.y)
            if apart <= least and view.holds(area.zone.schedule):
                nearest, least = area.zone.id, apart
        if nearest is None and OFF_LANE in self._stop.where:
            lanes = view.geometry.areas_of(LANES)
            if lanes and not any(area.contains(stand.x, stand.y) for area in lanes):
                return ""
        return nearest

    def _counts(self, one: TrackedObject, area: PixelZone, view: Observation) -> bool:
        if not area.contains(one.x, one.y):
            return False
        return one.label in self._limits.at(view, area.zone.id, one.label).labels

    def _go_on(
        self, one: ZoneActivity, standing: tuple[StoppedVehicle, ...], people: list[TrackedObject], view: Observation
    ) -> ZoneActivity:
        stand = one.standing
        if stand is not None:
            now = next((other for other in standing if other.is_it(stand)), None)
            if now is None or now.left_at is not None:
                one = msgspec.structs.replace(one, left_at=view.captured_at if now is None else now.left_at)
            else:
                face = one.representative
                if now.missed_s is None:
                    face = zone_activity.Representative(now.label, now.score, now.length, now.box, now.until)
                one = msgspec.structs.replace(one, stand=now, until=max(one.until, now.until), representative=face)
        if not view.has_frame:
            return one
        areas = self._grounds(one, view)
        labels = self._limits.at(view, one.zone, one.representative.label).labels
        people = [person for person in people if person.label in labels]
        inside = {p.id: p for p in people if any(area.contains(p.x, p.y) for area in areas)}
        near = 1.5 if self._stop is None else self._stop.near
        one = zone_activity.update(one, ZoneObservation(view, people, inside, near, _glimpses(areas, view)))
        return msgspec.structs.replace(one, things=_things(one, areas, view)) if view.detections.scene.still else one

    def _grounds(self, one: ZoneActivity, view: Observation) -> Sequence[PixelZone]:
        """Where people go in and out: its zone, or all that the first step names for a vehicle that is by none."""
        if one.zone:
            return [area for area in view.geometry.areas if area.zone.id == one.zone]
        return () if self._stop is None else self._areas_of(self._stop.where, view.geometry)

    def _over(self, one: ZoneActivity, view: Observation) -> bool:
        now = view.captured_at
        if one.standing is not None:
            return now - max(one.since, one.present_at) > PARKED_S
        if not one.steps:
            return now - one.until > TOUCHED_S
        return now - one.until > self._limits.at(view, one.zone, one.representative.label).calm_s

    def _judged(self, one: ZoneActivity, view: Observation) -> ZoneActivity:
        """With the steps that are reached by now, and with what makes it graver or harmless."""
        limits = self._limits.at(view, one.zone, one.representative.label)
        reached = list(one.steps)
        for step in self.composite.steps[len(reached) :]:
            late = bool(reached) and view.captured_at - reached[-1] > step.within_s
            if late or not any(self._seen(sign, one, reached, limits, view) for sign in step.conditions):
                break
            reached.append(view.captured_at)
        raised = [
            number
            for number, raiser in enumerate(self.composite.raisers)
            if number in one.raised or self._seen(raiser, one, reached, limits, view)
        ]
        return msgspec.structs.replace(one, steps=tuple(reached), raised=tuple(raised))

    def _seen(
        self, sign: Condition, one: ZoneActivity, reached: list[float], limits: SequenceThresholds, view: Observation
    ) -> bool:
        if sign.where and not _at(sign.where, one.zone, view):
            return False
        return conditions.SEEN[sign.what](one, limits.for_s(sign), limits.times(sign), reached, view.captured_at)

    def _claim(self, one: ZoneActivity, view: Observation) -> Candidate:
        composite = self.composite
        limits = self._limits.at(view, one.zone, one.representative.label)
        gravest = [step.severity for step in composite.steps[: len(one.steps)]]
        gravest += [composite.raisers[number].severity for number in one.raised]
        most = min((composite.lowerers[number].at_most for number in one.lowered), default=3)
        return Candidate(
            key=f"{one.zone}/{round(one.since * 1000)}",
            zone=one.zone,
            since=one.since,
            until=one.until,
            tracks=one.tracks,
            born=one.born,
            box=one.representative.box,
            clarity=one.representative.score * one.representative.height,
            severity=min(max(gravest), most),
            thresholds=limits,
            explain=lambda: explanation.explain(composite, one, view),
            cooldown_s=limits.cooldown_s,
        )


def _at(where: tuple[str, ...], zone: str, view: Observation) -> bool:
    if not zone:
        return OFF_LANE in where
    return zone in where or view.geometry.zone(zone).kind in where


def _lowers(lowerer: Mitigation, one: ZoneActivity, view: Observation) -> bool:
    if lowerer.what == "schedule":
        return view.holds(lowerer.schedule)
    if lowerer.what == "registered_visit":
        return view.registered(one.zone, one.means) is not None
    hours = view.geometry.zone(one.zone).owner_hours if one.zone else None
    return view.condition == "day" if hours is None else view.holds(hours)


def _glimpses(areas: Sequence[PixelZone], view: Observation) -> list[PersonPosition]:
    """Persons that the detector saw there and who are not followed, and what moves there and has no name."""
    record = view.detections
    followed = {one.detection for one in view.objects if one.credible and one.label == PERSON}
    return [
        PersonPosition((left + right) / 2, bottom, bottom - top, label == PERSON)
        for row, ((left, top, right, bottom), label, sure) in enumerate(
            zip(record.xyxy.tolist(), record.labels.tolist(), record.scores.tolist(), strict=True)
        )
        if label == UNKNOWN or (label == PERSON and sure >= SURE and row not in followed)
        if any(area.contains((left + right) / 2, bottom) for area in areas)
    ]


def _things(one: ZoneActivity, areas: Sequence[PixelZone], view: Observation) -> tuple[TrackPoint, ...]:
    """What lies in the zone, or is gone from it, since the story began; no vehicle, and nobody who stands still."""
    found = list(one.things)
    begin, end = one.since, math.inf if one.left_at is None else one.left_at
    boxes = [other.box for other in view.objects]
    if one.stand is not None:
        begin = max(begin, one.stand.since + SETTLES_S)
        boxes.append(one.stand.box)
    for region in view.detections.scene.still:
        left, top, right, bottom = region.box
        x, y, size = (left + right) / 2, bottom, max(right - left, bottom - top)
        known = any(abs(x - thing.x) + abs(y - thing.y) <= size for thing in found)
        if known or not begin <= region.still_since < end or not any(area.contains(x, y) for area in areas):
            continue
        if all(iou(region.box, box) < SAME for box in boxes):
            found.append(TrackPoint(x, y, region.still_since))
    return tuple(found[: zone_activity.MOST])
