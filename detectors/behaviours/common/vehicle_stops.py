"""Vehicles that arrived and stopped: since when, and when they left, independent of their tracks.

Stopped vehicles are matched by position, not by track id: they give no motion, change their class, are occluded by the
people who load them, and lose their track. A vehicle whose arrival was not observed counts as parked.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackPoint
from lanewatch.boxes import iou
from lanewatch.records import Box

STILL_WITHIN = 0.5
"""Lengths within which a stopped vehicle is observed. Its box changes with the people in front of it."""
SAME_WITHIN = 0.75
"""Lengths from its position within which a new track, or one of another class, is the same vehicle."""
MIN_STOP_S = 2.0
"""A vehicle that stays for less was only slow."""
LOST_S = 10.0
"""An arriving vehicle that is lost may have stopped there: its lights go out, and a new track begins when it stands."""
ARRIVED = 0.25
"""Lengths from its first point after which a track has arrived that covers only the end of the way, as at the picture's
edge. Boxes of parked vehicles stayed within .15 on simulated lanes."""
MAX_UNSEEN_S = 60.0
"""Observed seconds for which a stopped vehicle may be missing. At night, without lights, it is detected now and then.
Raising it delays the end of a stop if the departure is not observed."""
EXPIRED_S = 3600.0
"""A vehicle at a position where one was last observed so long ago, and then missed, is another one."""
APPEARED_S = 60.0
"""A stationary region of at most this age is an arrival. At the picture's edge a vehicle is not seen moving far."""
MIN_OVERLAP = 0.5
"""Overlap of such a region with the vehicle's box."""
MAX_STOPS = 16
"""Vehicles at a time. A street with so many is full, and the oldest are parked."""


class StoppedVehicle(msgspec.Struct, frozen=True):
    """A vehicle that arrived and is stopped, or has just left.

    Attributes:
        length: The diagonal of its box, pixels.
        since: When it stopped; ``until``: when it was last observed there.
        unseen_s: Observed seconds since it was first missed; None while it is observed.
        left_at: When it left, or was last observed before it was found to have left; None while it is stopped.
        first_point: The first point of its first track.
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
    unseen_s: float | None
    left_at: float | None
    first_point: TrackPoint

    @property
    def stopped_s(self) -> float:
        """Seconds from the stop to the last observation."""
        return self.until - self.since

    def distance(self, x: float, y: float) -> float:
        """The distance of a point from it in its lengths."""
        return math.hypot(x - self.x, y - self.y) / max(self.length, 1.0)

    def is_same_stop(self, other: StoppedVehicle) -> bool:
        """Whether an earlier state is of the same stop of the same vehicle."""
        return self.since == other.since and self.first_point == other.first_point


def update(
    stops: tuple[StoppedVehicle, ...], observation: Observation, labels: frozenset[int]
) -> tuple[StoppedVehicle, ...]:
    """The stopped vehicles after a record. Those that left by it are included once more, with ``left_at``.

    Returns the same tuple if it was empty and no vehicle has stopped.
    """
    vehicles = [
        track for track in observation.objects if track.label in labels and track.seen and observation.has_frame
    ]
    if not stops and not any(_has_arrived(track, observation) for track in vehicles):
        return stops
    present = [stop for stop in stops if stop.left_at is None]
    now = observation.captured_at
    if not observation.has_frame:  # without motion the observed vehicles stay
        return tuple(replace(stop, until=now) if stop.unseen_s is None else stop for stop in present)
    unmatched = {track.id: track for track in vehicles}
    result = []
    for stop in present:
        track = unmatched.get(stop.track)
        if track is None or stop.distance(track.x, track.y) > SAME_WITHIN:
            track = _at_position(stop, unmatched.values()) or track
        if track is None:
            result += _unseen(stop, observation)
        elif stop.distance(track.x, track.y) <= STILL_WITHIN:
            del unmatched[track.id]
            label = track.label if track.score >= stop.score else stop.label
            stop = replace(
                stop, track=track.id, label=label, box=track.box, score=track.score, until=now, unseen_s=None
            )
            result.append(stop)
        elif stop.stopped_s >= MIN_STOP_S:
            result.append(replace(stop, left_at=now))
    result = [replace(stop, left_at=stop.until) if _is_replaced(stop, result) else stop for stop in result]
    result += [_new_stop(track, now) for track in unmatched.values() if _has_arrived(track, observation)]
    return tuple(result[-MAX_STOPS:])


def _is_replaced(stop: StoppedVehicle, stops: list[StoppedVehicle]) -> bool:
    """Whether a vehicle that is not observed any more has left, because another one stands in its place."""
    if stop.unseen_s is None or stop.left_at is not None:
        return False
    later = (other for other in stops if other.since > stop.until and other.stopped_s >= MIN_STOP_S)
    return any(stop.distance(other.x, other.y) <= SAME_WITHIN for other in later)


def _has_arrived(track: TrackedObject, observation: Observation) -> bool:
    """Whether a vehicle moved here, or a stationary region of its size appeared at its position."""
    if (
        track.credible
        or math.hypot(track.x - track.first_point.x, track.y - track.first_point.y) >= ARRIVED * track.height
    ):
        return True
    return any(
        observation.captured_at - region.still_since <= APPEARED_S and iou(region.box, track.box) >= MIN_OVERLAP
        for region in observation.detections.scene.still
    )


def _at_position(stop: StoppedVehicle, vehicles: Iterable[TrackedObject]) -> TrackedObject | None:
    """The nearest track at a stop's position, of similar size, that did not drive in while it was not observed."""
    near = [
        track
        for track in vehicles
        if stop.distance(track.x, track.y) <= SAME_WITHIN
        and 0.5 <= track.height / max(stop.length, 1.0) <= 2.0
        and not _drove_in(stop, track)
    ]
    return min(near, key=lambda track: stop.distance(track.x, track.y), default=None)


def _drove_in(stop: StoppedVehicle, track: TrackedObject) -> bool:
    return (
        track.credible
        and track.first_point.at > stop.until
        and stop.distance(track.first_point.x, track.first_point.y) > SAME_WITHIN
    )


def _new_stop(track: TrackedObject, now: float) -> StoppedVehicle:
    return StoppedVehicle(
        track=track.id,
        label=track.label,
        x=track.x,
        y=track.y,
        length=track.height,
        box=track.box,
        score=track.score,
        since=now,
        until=now,
        unseen_s=None,
        left_at=None,
        first_point=track.first_point,
    )


def _unseen(stop: StoppedVehicle, observation: Observation) -> list[StoppedVehicle]:
    """A stop without a track at this record, which may have ended; none if it was only a slow vehicle."""
    age_s = observation.captured_at - stop.until
    if stop.stopped_s < MIN_STOP_S and age_s > LOST_S:
        return []
    unseen_s = 0.0 if stop.unseen_s is None else stop.unseen_s + observation.elapsed_s
    left = unseen_s > MAX_UNSEEN_S or age_s > EXPIRED_S
    return [replace(stop, unseen_s=unseen_s, left_at=stop.until if left else None)]
