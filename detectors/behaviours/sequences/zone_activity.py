"""The activity at a zone, with or without a stopped vehicle: who enters and leaves, and for how long.

People are identified by their tracks. At night and among crops these do not last long. So presence is counted for all
people together. A person whose track is lost in the zone has not left it; only a person observed outside has.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from detectors.behaviours.common.vehicle_stops import StoppedVehicle
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackPoint
from lanewatch.records import LABELS, Box

MAX_GAP_S = 30.0
"""Between two observations of people in the zone, time up to this counts as presence."""
HIDDEN_S = 120.0
"""A person lost in the zone for longer is removed: crops, a dip of the ground, the far side of the vehicle."""
OUTSIDE_S = 1.0
"""Seconds for which a person must be observed outside to have left: a foot point jitters at the border."""
MAX_UNTRACKED_GAP_S = 10.0
"""The same gap for untracked people while a vehicle stands: at night most people are detected too poorly to track."""
CONTINUOUS_S = 2.0
"""Untracked observations within this are continuous. A person who stands beside the zone is detected now and then."""
MIN_VISIT_S = 3.0
"""A person who was in the zone for less has only touched it."""
MIN_MOTION = 0.5
"""Body heights that a person must move between two trips: who stands still is missed for a while and has not left."""
ARRIVED_WITHIN_S = 5.0
"""A person near a vehicle within this of its stop came with it: a motorcycle's rider."""
SEPARATE_TRIP_S = 10.0
"""People who get out of a vehicle and enter the zone within this of one another make one trip; later ones another."""
REACH, REACH_PER_S, MAX_REACH = 2.0, 0.8, 12.0
"""Body heights, more for each second, and at most: how far from the lost track's position the person may reappear."""
MAX_ENTRIES = 16
"""People, trips and visits that are remembered."""


class ZonePresence(msgspec.Struct, frozen=True):
    """A person who entered the zone and has not been observed to leave it; may be outside since ``outside_since``."""

    track: int
    since: float
    until: float
    x: float
    y: float
    height: float
    outside_since: float | None = None


class PersonPosition(NamedTuple):
    """A foot point in the zone and the body height, pixels; ``is_person`` if the detector classified it as a person."""

    x: float
    y: float
    height: float
    is_person: bool

    def distance(self, x: float, y: float) -> float:
        """The distance of a point from it, body heights."""
        return math.hypot(self.x - x, self.y - y) / max(self.height, 1.0)


class UntrackedPresence(msgspec.Struct, frozen=True):
    """Continuous presence of people in the zone, tracked or not.

    Attributes:
        has_person: Whether the detector classified any as a person. Rain and insects move there without one.
        trip_counted: Whether this presence has been counted as a trip.
        x: The last position of one of them, pixels. ``trip_x`` is that at which the last trip was counted.
        moved: Whether people have been observed elsewhere since that trip.
    """

    since: float
    has_person: bool
    trip_counted: bool
    x: float
    y: float
    trip_x: float
    trip_y: float
    moved: bool = False

    def with_trip(self) -> UntrackedPresence:
        """A trip is counted at the present position. For the next one, people must move elsewhere."""
        return replace(self, trip_x=self.x, trip_y=self.y, moved=False)


class Representative(msgspec.Struct, frozen=True):
    """The person or vehicle that the event shows."""

    label: int
    score: float
    height: float
    box: Box
    seen_at: float


class ZoneActivity(msgspec.Struct, frozen=True):
    """The activity so far at one zone.

    Attributes:
        zone: Its id, or "" for a vehicle that stands off the lane and at no zone.
        since: When the vehicle stopped, or the first person entered.
        until: When any part of it was last observed.
        vehicle: The vehicle, also after it has left at ``left_at``; None without one.
        occupants: Tracks of the people who came with the vehicle; ``occupant_count`` got out of it.
        trip_starts: When people of the vehicle entered the zone. At the vehicle, they are not observed to leave it.
        inside: The tracked people in the zone.
        visits_s: The durations of the visits of people who have left.
        present_s: The duration of presence: in total with a vehicle, without interruption otherwise.
        changes: Stationary regions that appeared in the zone.
        step_times: When each step was reached.
        escalations: Indices of those that were met; ``mitigations`` likewise.
    """

    zone: str
    since: float
    until: float
    first_point: TrackPoint
    representative: Representative
    tracks: tuple[int, ...]
    vehicle: StoppedVehicle | None = None
    left_at: float | None = None
    occupants: tuple[int, ...] = ()
    occupant_count: int = 0
    trip_starts: tuple[float, ...] = ()
    untracked: UntrackedPresence | None = None
    inside: tuple[ZonePresence, ...] = ()
    visits_s: tuple[float, ...] = ()
    present_s: float = 0.0
    last_present_at: float = -math.inf
    changes: tuple[TrackPoint, ...] = ()
    step_times: tuple[float, ...] = ()
    escalations: tuple[int, ...] = ()
    mitigations: tuple[int, ...] = ()

    @property
    def trips(self) -> int:
        """How often people of the vehicle have been in the zone and left it, or entered again."""
        return max(len(self.visits_s), len(self.trip_starts)) if self.vehicle is not None else 0

    @property
    def arrival_class(self) -> str:
        """The vehicle's class; person without a vehicle."""
        return "person" if self.vehicle is None else LABELS[self.vehicle.label]

    @property
    def stayed_s(self) -> float:
        """The duration of presence; 0 while no person was there continuously, but only detected now and then."""
        return self.present_s if self.trip_starts or self.inside or self.visits_s else 0.0

    @property
    def present_vehicle(self) -> StoppedVehicle | None:
        """The vehicle while it stands."""
        return self.vehicle if self.left_at is None else None


class ZoneObservation(NamedTuple):
    """The part of a record that concerns one activity. ``people`` are tracked, ``inside`` those in the zone by track.

    ``vehicle_reach``: vehicle lengths within which people get out. ``untracked``: also motion without a class.
    """

    observation: Observation
    people: list[TrackedObject]
    inside: dict[int, TrackedObject]
    vehicle_reach: float
    untracked: list[PersonPosition]

    @property
    def has_untracked_person(self) -> bool:
        """Whether the detector found an untracked person in the zone."""
        return any(position.is_person for position in self.untracked)


def begin_with_vehicle(vehicle: StoppedVehicle, zone: str) -> ZoneActivity:
    """The activity of a vehicle that has stopped at a zone."""
    representative = Representative(vehicle.label, vehicle.score, vehicle.length, vehicle.box, vehicle.until)
    since, until, tracks = vehicle.since, vehicle.until, (vehicle.track,)
    return ZoneActivity(zone, since, until, vehicle.first_point, representative, tracks, vehicle)


def begin_on_foot(person: TrackedObject, zone: str, now: float) -> ZoneActivity:
    """The activity of a person who has entered a zone."""
    return ZoneActivity(zone, now, now, person.first_point, _representative(person, now), (person.id,))


def update(activity: ZoneActivity, scene: ZoneObservation) -> ZoneActivity:
    """The activity after a frame."""
    now = scene.observation.captured_at
    waits = activity.present_vehicle is not None and len(activity.step_times) < 2
    if waits and activity.present_s and now - activity.last_present_at > HIDDEN_S:
        # A person who comes to a vehicle that has stood alone for long begins anew
        activity = replace(activity, trip_starts=(), visits_s=(), present_s=0.0)
    if activity.vehicle is not None:
        activity = _update_occupants(activity, activity.vehicle, scene)
    inside, visits_s = _update_inside(activity, scene)
    known = {presence.track for presence in inside}
    new = [track for track in scene.inside.values() if track.id not in known and _belongs(activity, track)]
    inside += [ZonePresence(track.id, now, now, track.x, track.y, track.height) for track in new]
    present = [presence for presence in inside if presence.until == now]
    activity = replace(
        activity,
        inside=tuple(inside[-MAX_ENTRIES:]),
        visits_s=(*activity.visits_s, *visits_s)[-MAX_ENTRIES:],
        tracks=tuple(dict.fromkeys((*activity.tracks, *(track.id for track in new))))[:MAX_ENTRIES],
    )
    if present and activity.present_vehicle is None:
        activity = replace(activity, representative=_representative(scene.inside[present[0].track], now))
    untracked = scene.has_untracked_person or (scene.untracked and activity.present_vehicle is not None)
    if not (present or untracked):
        return activity
    if activity.present_vehicle is not None:
        tracked = [PersonPosition(track.x, track.y, track.height, True) for track in scene.inside.values()]
        has_person = bool(present) or scene.has_untracked_person
        activity = _count_trips(activity, scene.untracked + tracked, has_person, now)
    return _add_presence(activity, bool(present), now)


def _count_trips(activity: ZoneActivity, positions: list[PersonPosition], has_person: bool, now: float) -> ZoneActivity:
    """Counts a new trip after ``MIN_VISIT_S`` of continuous presence at a new position."""
    presence, starts = activity.untracked, activity.trip_starts
    if presence is None:
        x, y = positions[0].x, positions[0].y
        presence = UntrackedPresence(now, has_person, False, x, y, x, y)
    elif now - activity.last_present_at > CONTINUOUS_S:
        presence = replace(presence, since=now, has_person=has_person, trip_counted=False)
    last_x, last_y = presence.x, presence.y
    nearest = min(positions, key=lambda position: position.distance(last_x, last_y))
    moved = presence.moved or nearest.distance(presence.trip_x, presence.trip_y) >= MIN_MOTION
    has_person = presence.has_person or has_person
    presence = replace(presence, has_person=has_person, x=nearest.x, y=nearest.y, moved=moved)
    long_enough = now - presence.since >= MIN_VISIT_S
    if not presence.trip_counted and has_person and long_enough and (moved or not starts):
        presence = replace(presence, trip_counted=True).with_trip()
        starts = (*starts, presence.since)[-MAX_ENTRIES:]
    return replace(activity, untracked=presence, trip_starts=starts)


def _add_presence(activity: ZoneActivity, tracked: bool, now: float) -> ZoneActivity:
    max_gap_s = MAX_GAP_S if tracked or activity.present_vehicle is None else MAX_UNTRACKED_GAP_S
    gap_s = now - activity.last_present_at
    before_s = activity.present_s if activity.vehicle is not None or gap_s <= MAX_GAP_S else 0.0
    present_s = before_s + (gap_s if gap_s <= max_gap_s else 0.0)
    until = now if tracked or activity.present_vehicle is not None else activity.until
    return replace(activity, present_s=present_s, last_present_at=now, until=until)


def _update_occupants(activity: ZoneActivity, vehicle: StoppedVehicle, scene: ZoneObservation) -> ZoneActivity:
    """Adds people who came with the vehicle: first observed near it while it stands, or near it when it stopped."""
    now, reach = scene.observation.captured_at, scene.vehicle_reach
    new, starts, untracked = [], activity.trip_starts, activity.untracked
    for person in scene.people:
        if person.id in activity.occupants or person.id in new or vehicle.distance(person.x, person.y) > 4 * reach:
            continue
        began_near = vehicle.distance(person.first_point.x, person.first_point.y) <= reach
        got_out = began_near and person.first_point.at >= vehicle.since - ARRIVED_WITHIN_S
        arrived = now - vehicle.since <= ARRIVED_WITHIN_S and vehicle.distance(person.x, person.y) <= reach
        if not (got_out or arrived):
            continue
        new.append(person.id)
        separate = not starts or (now - starts[-1] >= SEPARATE_TRIP_S and _is_elsewhere(person, untracked))
        if got_out and person.id in scene.inside and separate:
            starts = (*starts, now)[-MAX_ENTRIES:]
            untracked = None if untracked is None else untracked.with_trip()
    if not new:
        return activity
    return replace(
        activity,
        occupants=(*activity.occupants, *new)[-MAX_ENTRIES:],
        occupant_count=activity.occupant_count + len(new),
        trip_starts=starts,
        untracked=untracked,
    )


def _is_elsewhere(person: TrackedObject, presence: UntrackedPresence | None) -> bool:
    """Whether a person who gets out of the vehicle is not the one who has been standing in the zone."""
    if presence is None or presence.moved:
        return True
    position = PersonPosition(person.x, person.y, person.height, True)
    return position.distance(presence.trip_x, presence.trip_y) >= MIN_MOTION


def _belongs(activity: ZoneActivity, track: TrackedObject) -> bool:
    """Whether a person in the zone takes part. With a vehicle, its occupants and those first seen after them do."""
    if activity.vehicle is None or track.id in activity.occupants:
        return True
    return (
        bool(activity.occupants)
        and track.first_point.at >= activity.vehicle.since
        and track.before == track.first_point
    )


def _update_inside(activity: ZoneActivity, scene: ZoneObservation) -> tuple[list[ZonePresence], list[float]]:
    """The people who are still in the zone, and the durations of the visits of those who have left it."""
    now = scene.observation.captured_at
    outside = {track.id: track for track in scene.people if track.id not in scene.inside}
    matched = {presence.track for presence in activity.inside}
    inside, visits_s = [], []
    for presence in activity.inside:
        track = scene.inside.get(presence.track)
        if track is None and presence.track not in outside:
            track = _reappeared(presence, scene.inside, matched, now)
        if track is not None:
            matched.add(track.id)
            inside.append(ZonePresence(track.id, presence.since, now, track.x, track.y, track.height))
            continue
        if presence.track in outside:
            since = now if presence.outside_since is None else presence.outside_since
            presence = replace(presence, outside_since=since)
            left = now - since >= OUTSIDE_S
        else:
            left = _reappeared(presence, outside, matched, now) is not None
        if left:
            if presence.until - presence.since >= MIN_VISIT_S:
                visits_s.append(presence.until - presence.since)
        elif now - presence.until <= HIDDEN_S:
            inside.append(presence)
    return inside, visits_s


def _reappeared(
    presence: ZonePresence, people: dict[int, TrackedObject], matched: set[int], now: float
) -> TrackedObject | None:
    """A new track that began after the person was lost, within reach of the last position."""
    reach = min(REACH + REACH_PER_S * (now - presence.until), MAX_REACH) * max(presence.height, 1.0)
    for track in people.values():
        near = math.hypot(track.first_point.x - presence.x, track.first_point.y - presence.y) <= reach
        if track.id not in matched and track.first_point.at >= presence.until and near:
            return track
    return None


def _representative(track: TrackedObject, now: float) -> Representative:
    return Representative(track.label, track.score, track.height, track.box, now)
