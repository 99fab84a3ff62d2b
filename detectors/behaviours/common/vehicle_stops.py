"""Vehicles that came and stand: since when, and when they left, whatever becomes of their tracks.

A vehicle that stands moves no pixel, is named a car now and a truck then, is hidden by those who load it, and its
track breaks. So it is its place that it is known by. One that nobody saw come is parked, and no stop.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec

from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackPoint
from lanewatch.boxes import iou
from lanewatch.records import Box

SLACK = 0.5
"""Lengths within which one that stands is seen: its box swells and shrinks with those who stand before it."""
PLACE = 0.75
"""Lengths from it within which a new track, or one of another label, is the same vehicle."""
STOOD_S = 2.0
"""One that stayed for less was only slow."""
LOST_S = 10.0
"""One that came and was lost may have stopped there: lights go out, and the track begins anew when it stands."""
ROLLED = 0.25
"""Lengths from its birth that one has come which is followed only for the end of its way, as at the picture's edge.
The boxes of parked ones were within .15 on simulated lanes."""
HIDDEN_S = 60.0
"""Seconds of looks for which one that stands may not be seen: by night, without its lights, it is seen now and then.
Raising it notices later that one has left which nobody saw drive away."""
UNKNOWN_S = 3600.0
"""What stands where one was last seen so long ago, and then missed, is another."""
APPEARED_S = 60.0
"""What appeared and stays for so long at most is one that came: where the picture ends, nobody sees it move far."""
SAME = 0.5
"""Overlap of such a region with the vehicle's box."""
MOST = 16
"""Of vehicles at a time; the street is full then, and the oldest are parked."""


class StoppedVehicle(msgspec.Struct, frozen=True):
    """One vehicle that came and stands, or has just left.

    Attributes:
        track: The track that it is now.
        since: When it stopped.
        until: When it was last seen there.
        missed_s: Seconds of looking since it was missed, None while it is there.
        length: The diagonal of its box, pixels.
        left_at: When it left, or was last seen before it was taken to have left; None while it stands.
        born: Its first track's birth and where it was then.
    """

    track: int
    label: int
    x: float
    y: float
    length: float
    box: Box
    score: float
    since: float
    until: float
    missed_s: float | None
    left_at: float | None
    born: TrackPoint

    @property
    def stood_s(self) -> float:
        """How long it has stood so far, or did."""
        return self.until - self.since

    def apart(self, x: float, y: float) -> float:
        """How far a point is from where it stands, in its lengths."""
        return math.hypot(x - self.x, y - self.y) / max(self.length, 1.0)

    def is_it(self, other: StoppedVehicle) -> bool:
        """Whether an earlier state is of the same vehicle at the same place."""
        return self.since == other.since and self.born == other.born


def advance(
    stands: tuple[StoppedVehicle, ...], view: Observation, labels: frozenset[int]
) -> tuple[StoppedVehicle, ...]:
    """The vehicles after a record; those that left by it are in the result once more, with ``left_at``.

    The very same tuple where there are none.
    """
    vehicles = [one for one in view.objects if one.label in labels and one.seen] if view.has_frame else []
    if not stands and not any(_came(one, view) for one in vehicles):
        return stands
    standing = [one for one in stands if one.left_at is None]
    if not view.has_frame:
        return tuple(_wait(one, view) for one in standing)
    free = {one.id: one for one in vehicles}
    result = []
    for stand in standing:
        one = free.get(stand.track)
        if one is None or stand.apart(one.x, one.y) > PLACE:
            one = _in_place(stand, free.values()) or one
        if one is None:
            result += _missed(stand, view)
            continue
        if stand.apart(one.x, one.y) <= SLACK:
            del free[one.id]
            result.append(_stays(stand, one, view))
        elif stand.stood_s >= STOOD_S:
            result.append(msgspec.structs.replace(stand, left_at=view.captured_at))
    result = [_followed_by(one, result) for one in result]
    result += [_stops(one, view) for one in free.values() if _came(one, view)]
    return tuple(result[-MOST:])


def _followed_by(stand: StoppedVehicle, stands: list[StoppedVehicle]) -> StoppedVehicle:
    """One that is not seen any more has left when another one stands in its place."""
    if stand.missed_s is None or stand.left_at is not None:
        return stand
    for other in stands:
        if other.since > stand.until and other.stood_s >= STOOD_S and stand.apart(other.x, other.y) <= PLACE:
            return msgspec.structs.replace(stand, left_at=stand.until)
    return stand


def _came(one: TrackedObject, view: Observation) -> bool:
    """Whether a vehicle came: it moved, or the sampler says that something of its size appeared where it stands."""
    if one.credible or math.hypot(one.x - one.born.x, one.y - one.born.y) >= ROLLED * one.height:
        return True
    now = view.captured_at
    return any(
        now - region.still_since <= APPEARED_S and iou(region.box, one.box) >= SAME
        for region in view.detections.scene.still
    )


def _in_place(stand: StoppedVehicle, vehicles: Iterable[TrackedObject]) -> TrackedObject | None:
    near = [
        one
        for one in vehicles
        if stand.apart(one.x, one.y) <= PLACE and _as_large(stand, one) and not _drove_in(stand, one)
    ]
    return min(near, key=lambda one: stand.apart(one.x, one.y), default=None)


def _drove_in(stand: StoppedVehicle, one: TrackedObject) -> bool:
    """Whether it came from elsewhere while the one that stands was not seen."""
    return one.credible and one.born.at > stand.until and stand.apart(one.born.x, one.born.y) > PLACE


def _as_large(stand: StoppedVehicle, one: TrackedObject) -> bool:
    return 0.5 <= one.height / max(stand.length, 1.0) <= 2.0


def _stays(stand: StoppedVehicle, one: TrackedObject, view: Observation) -> StoppedVehicle:
    return msgspec.structs.replace(
        stand,
        track=one.id,
        label=one.label if one.score >= stand.score else stand.label,
        box=one.box,
        score=one.score,
        until=view.captured_at,
        missed_s=None,
    )


def _stops(one: TrackedObject, view: Observation) -> StoppedVehicle:
    now = view.captured_at
    return StoppedVehicle(
        track=one.id,
        label=one.label,
        x=one.x,
        y=one.y,
        length=one.height,
        box=one.box,
        score=one.score,
        since=now,
        until=now,
        missed_s=None,
        left_at=None,
        born=one.born,
    )


def _missed(stand: StoppedVehicle, view: Observation) -> list[StoppedVehicle]:
    if stand.stood_s < STOOD_S and view.captured_at - stand.until > LOST_S:
        return []
    missed_s = 0.0 if stand.missed_s is None else stand.missed_s + view.elapsed_s
    if missed_s <= HIDDEN_S and view.captured_at - stand.until <= UNKNOWN_S:
        return [msgspec.structs.replace(stand, missed_s=missed_s)]
    return [msgspec.structs.replace(stand, missed_s=missed_s, left_at=stand.until)]


def _wait(stand: StoppedVehicle, view: Observation) -> StoppedVehicle:
    """At a still camera's tick nobody goes anywhere."""
    if stand.missed_s is None:
        return msgspec.structs.replace(stand, until=view.captured_at)
    return stand
