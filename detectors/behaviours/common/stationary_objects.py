"""Objects that appeared or disappeared: stationary regions over time, and the people near them.

Adjacent regions, such as the upper and the lower half of a bag, are one object. Its size is in body lengths of a person
who could have been there when it changed. If there was none, the change is light and not an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import msgspec
import numpy as np
from msgspec.structs import replace
from pydantic import Field

from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackPoint
from detectors.thresholds import Thresholds
from lanewatch import boxes
from lanewatch.records import LABELS, PERSON, UNKNOWN, Box, StillRegion

REACH = 1.0
"""Body lengths from an object within which a person can set it down or take it."""
WALKING_SPEED = 1.0
"""Body lengths a second at which that person may have left since. Walking is 0.8."""
OWNER_WITHIN_S = 6.0
"""Seconds after its appearance within which a person who could have been there must be observed."""
MAX_UNSEEN_S = 4.0
"""Observed seconds for which a region may be missing. While a person is in front of it, it is only occluded."""
ADJACENT = 0.25
"""Body lengths within which two regions are one object."""
MIN_COVERED = 0.5
"""Share of an object's box within its owner's last box from which it is behind, or a part of, the owner."""
MIN_PERSON_SIDE = 0.3
"""The least longer side, in body lengths, of a motion region that may be a person. Leaves and flicker are smaller."""
MAX_OBJECTS = 16
"""Objects at a time, the same limit as the sampler's regions."""

POSSIBLE_PERSONS = frozenset({UNKNOWN, PERSON})
LUGGAGE = frozenset(LABELS.index(name) for name in ("backpack", "handbag", "suitcase"))


class StationaryObjectThresholds(Thresholds):
    """The sizes of objects that are considered."""

    smallest: float = Field(0.01, ge=0.001, le=1, title="Smallest")
    """Area of its box, body lengths squared. Raising it excludes small objects."""
    largest: float = Field(0.35, ge=0.01, le=10, title="Largest")
    """Area of its box, body lengths squared; a larger one is a person or a vehicle. Raising it includes larger
    objects."""

    def accepts_size_of(self, thing: StationaryObject) -> bool:
        """Whether an object is neither too small nor too large."""
        return self.smallest <= thing.size <= self.largest


class StationaryObject(msgspec.Struct, frozen=True):
    """An object that appeared or disappeared. ``number`` identifies it among the present objects.

    Attributes:
        since: When it was first observed at rest.
        added: The largest ``added`` of its regions. Above 0 it stands out now, below 0 it did so before.
        body_length: Of the person who could have been there, pixels; 0 while none is known.
        owner_box: Where that person was seen last, pixels; None while no track is known.
        tracks: That person's track and the tracks that were near it since, the first one first.
        first_point: That track's first point. If no track is known, the object's own position and time.
        unseen_s: Observed seconds since ``last_seen_at``.
        alone_since: Since when no person is near it; None while a person is.
        reported: Whether it has been a candidate.
    """

    number: int
    since: float
    box: Box
    added: float
    body_length: float
    tracks: tuple[int, ...]
    first_point: TrackPoint
    last_seen_at: float
    unseen_s: float = 0.0
    alone_since: float | None = None
    reported: bool = False
    owner_box: Box | None = None

    @property
    def key(self) -> str:
        """Unique at this camera, and the same at every record."""
        return f"{self.number}/{self.since:.3f}"

    @property
    def foot_point(self) -> tuple[float, float]:
        """The middle of its lower edge, pixels."""
        return (self.box[0] + self.box[2]) / 2, self.box[3]

    @property
    def size(self) -> float:
        """Area of its box in body lengths squared; 0 while no body length is known."""
        if not self.body_length:
            return 0.0
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1]) / self.body_length**2

    @property
    def scale(self) -> float:
        """The body length in pixels, or an estimate from its own size."""
        return self.body_length or 2 * _longer_side(self.box)


class StationaryObjects(msgspec.Struct, frozen=True):
    """The memory of a behaviour that evaluates stationary objects."""

    objects: tuple[StationaryObject, ...] = ()


class PossiblePerson(NamedTuple):
    """A track or a motion region that may be a person. ``track`` is -1 for one that is not credible or a region."""

    box: Box
    length: float
    track: int
    first_point: TrackPoint


def update(memory: StationaryObjects, observation: Observation, owner_distance: float) -> StationaryObjects:
    """The objects after a record. Within ``owner_distance``, body lengths, a person attends to an object."""
    if not memory.objects and not observation.detections.scene.still:
        return memory
    now = observation.captured_at
    if not observation.has_frame:  # without motion all objects stay, and no person comes
        return StationaryObjects(tuple(replace(thing, last_seen_at=now) for thing in memory.objects))
    persons, detected = list(_possible_persons(observation)), list(_detected_people(observation))
    objects, regions = [], list(observation.detections.scene.still)
    for thing in memory.objects:
        own = [region for region in regions if boxes.gap(region.box, thing.box) <= ADJACENT * thing.scale]
        regions = [region for region in regions if region not in own]
        if own:
            box, added = boxes.enclosing(region.box for region in own), max(region.added for region in own)
            objects.append(replace(thing, box=box, added=added, last_seen_at=now, unseen_s=0.0))
        elif any(boxes.gap(person.box, thing.box) <= 0 for person in persons):  # occluded
            objects.append(thing)
        elif thing.unseen_s + observation.elapsed_s <= MAX_UNSEEN_S:
            objects.append(replace(thing, unseen_s=thing.unseen_s + observation.elapsed_s))
    number = max((thing.number for thing in memory.objects), default=-1) + 1
    new = regions[: MAX_OBJECTS - len(objects)]
    objects += [_new_object(number + index, region, now) for index, region in enumerate(new)]
    return StationaryObjects(tuple(_attended(thing, persons, detected, now, owner_distance) for thing in objects))


def mark_reported(memory: StationaryObjects, numbers: frozenset[int]) -> StationaryObjects:
    """The memory with those objects marked as reported; the same object if they are already."""
    if all(thing.reported or thing.number not in numbers for thing in memory.objects):
        return memory
    objects = (replace(thing, reported=thing.reported or thing.number in numbers) for thing in memory.objects)
    return StationaryObjects(tuple(objects))


def detected_class(thing: StationaryObject, observation: Observation) -> str:
    """The detector's class of an object, "" if no detection of luggage touches it."""
    record = observation.detections
    for (left, top, right, bottom), label in zip(record.xyxy.tolist(), record.labels.tolist(), strict=True):
        if label in LUGGAGE and boxes.gap((left, top, right, bottom), thing.box) <= 0:
            return LABELS[label]
    return ""


def _longer_side(box: Box) -> float:
    return max(box[2] - box[0], box[3] - box[1])


def _possible_persons(observation: Observation) -> Iterator[PossiblePerson]:
    for track in observation.objects:
        if track.label in POSSIBLE_PERSONS and (track.seen or track.label == PERSON):
            # The width is the body's length of a lying person and of one seen from above
            length = max(track.height, track.box[2] - track.box[0], 1.0)
            yield PossiblePerson(track.box, length, track.id if track.credible else -1, track.first_point)
    for box in observation.detections.scene.moved:
        yield PossiblePerson(box, _longer_side(box), -1, TrackPoint(box[0], box[3], observation.captured_at))


def _detected_people(observation: Observation) -> Iterator[PossiblePerson]:
    """The boxes of people, of faint ones too, who have no track."""
    record = observation.detections
    for row in np.flatnonzero(record.labels == PERSON):
        left, top, right, bottom = record.xyxy[row].tolist()
        point = TrackPoint((left + right) / 2, bottom, observation.captured_at)
        yield PossiblePerson((left, top, right, bottom), max(bottom - top, right - left, 1.0), -1, point)


def _new_object(number: int, region: StillRegion, now: float) -> StationaryObject:
    left, _, right, bottom = region.box
    position = TrackPoint((left + right) / 2, bottom, region.still_since)
    return StationaryObject(number, region.still_since, region.box, region.added, 0.0, (), position, now)


def _attended(
    thing: StationaryObject,
    persons: list[PossiblePerson],
    detected: list[PossiblePerson],
    now: float,
    owner_distance: float,
) -> StationaryObject:
    """With the owner, if one is found now, and with the people near the object. Motion alone is no owner."""
    if not thing.body_length and now - thing.since <= OWNER_WITHIN_S:
        reach = REACH + WALKING_SPEED * (now - thing.since)
        known = [person for person in persons if person.track >= 0] + detected
        owners = [person for person in known if boxes.gap(person.box, thing.box) <= reach * person.length]
        if owners:  # a track is preferred, then the nearest
            owner = min(owners, key=lambda person: (person.track < 0, boxes.gap(person.box, thing.box) / person.length))
            thing = replace(thing, body_length=owner.length)
            if owner.track >= 0:
                thing = replace(thing, tracks=(owner.track,), first_point=owner.first_point)
    owner_boxes = [person.box for person in persons if thing.tracks and person.track == thing.tracks[0]]
    if owner_boxes:
        thing = replace(thing, owner_box=owner_boxes[0])
    near = [person for person in persons if _is_near(person, thing, owner_distance)]
    if not near and not _is_behind_owner(thing):
        return replace(thing, alone_since=now) if thing.alone_since is None else thing
    new = tuple(person.track for person in near if person.track >= 0 and person.track not in thing.tracks)
    tracks = thing.tracks if thing.reported else (*thing.tracks, *new)[:MAX_OBJECTS]
    return replace(thing, alone_since=None, tracks=tracks)


def was_first_seen_there(thing: StationaryObject, first_point: TrackPoint) -> bool:
    """Whether a person was at the place when first tracked: the object may be what that person hid."""
    left, top, right, bottom = thing.box
    slack = ADJACENT * thing.body_length
    return left - slack <= first_point.x <= right + slack and top - slack <= first_point.y <= bottom + slack


def _is_behind_owner(thing: StationaryObject) -> bool:
    """Whether the owner was seen last in front of it: a detector misses people, and a part of one may rest."""
    if thing.owner_box is None:
        return False
    left, top, right, bottom = thing.box
    return boxes.intersection(thing.owner_box, thing.box) >= MIN_COVERED * (right - left) * (bottom - top)


def _is_near(person: PossiblePerson, thing: StationaryObject, distance: float) -> bool:
    """Whether a person is near an object. The object's own track and moving leaves are excluded by their size."""
    length = person.length
    if person.track < 0:
        if length < MIN_PERSON_SIDE * thing.scale:
            return False
        length = thing.scale
    elif length <= _longer_side(thing.box):
        return False
    return boxes.gap(person.box, thing.box) <= distance * length
