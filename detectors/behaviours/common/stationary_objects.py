"""Things that came or went while somebody was there: still regions over time, and who was near them when.

The sampler says that a place differs from what it usually looks like, and rests. Here regions next to each other are
one thing (the upper and the lower half of a bag), sizes are measured by the body of whoever could have been there when
it changed, and a place where nobody could have been has changed by itself: light, not a thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
from pydantic import Field

from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackPoint
from detectors.thresholds import Thresholds
from lanewatch.records import LABELS, PERSON, UNKNOWN, Box, StillRegion

REACH = 1.0
"""Body lengths from a thing at which somebody may set it down or take it."""
PACE = 1.0
"""Body lengths a second that he may have got away from it since: a walk is .8."""
OWNED_S = 6.0
"""Seconds after its appearance by which somebody must have been seen who could have been there."""
MISSED_S = 4.0
"""Seconds of looking for which a region may not be seen; as long as somebody stands before it, it is only hidden."""
BESIDE = 0.25
"""Body lengths within which two regions are one thing."""
PART = 0.3
"""Of a body's length, the least side of what moved that counts as somebody: leaves and flickers are smaller."""
MOST = 16
"""Of things at a time, as of the sampler's regions."""

SOMEBODY = frozenset({UNKNOWN, PERSON})
LUGGAGE = frozenset(LABELS.index(name) for name in ("backpack", "handbag", "suitcase"))


class StationaryObjectThresholds(Thresholds):
    """Which things are judged at all."""

    smallest: float = Field(
        0.01,
        ge=0.001,
        le=1,
        title="Smallest",
        description="Of its box, body lengths squared. Raising it leaves out small things.",
    )
    largest: float = Field(
        0.35,
        ge=0.01,
        le=10,
        title="Largest",
        description="Of its box, body lengths squared; more is a person or a vehicle. Raising it takes larger things.",
    )

    def judges(self, thing: StationaryObject) -> bool:
        """Whether a thing is neither too small nor too large."""
        return self.smallest <= thing.size <= self.largest


class StationaryObject(msgspec.Struct, frozen=True):
    """One thing that came or went.

    Attributes:
        number: Tells it from the others of its time.
        since: When it was first seen at rest.
        box: Around all its regions, pixels.
        added: The greatest of them: above 0 it stands out now, below 0 it did so before.
        body: Length in pixels of the body of whoever could have been there; 0 while nobody is known.
        tracks: Who that was, and who has been beside it since, the first one first.
        born: Where and when the first one was first seen; the thing's own place and time where nobody is followed.
        seen_at: When it was last there.
        missed_s: Seconds of looking since.
        alone_since: Since when nobody is near it; None while somebody is.
        told: It has been claimed.
    """

    number: int
    since: float
    box: Box
    added: float
    body: float
    tracks: tuple[int, ...]
    born: TrackPoint
    seen_at: float
    missed_s: float = 0.0
    alone_since: float | None = None
    told: bool = False

    @property
    def key(self) -> str:
        """The same at every record, and no other thing's at this camera."""
        return f"{self.number}/{self.since:.3f}"

    @property
    def foot(self) -> tuple[float, float]:
        """The middle of its lower edge, pixels."""
        return (self.box[0] + self.box[2]) / 2, self.box[3]

    @property
    def size(self) -> float:
        """Of its box, in body lengths squared; 0 while no body is known."""
        if not self.body:
            return 0.0
        return (self.box[2] - self.box[0]) * (self.box[3] - self.box[1]) / self.body**2


class StationaryObjects(msgspec.Struct, frozen=True):
    """The memory of a behaviour that judges things."""

    things: tuple[StationaryObject, ...] = ()


class PersonBox(NamedTuple):
    """Somebody at one record: a box, its longer side, and the track (-1 for what only moved)."""

    box: Box
    length: float
    track: int
    born: TrackPoint


def advance(memory: StationaryObjects, view: Observation, away: float) -> StationaryObjects:
    """The things after a record.

    Args:
        away: body lengths from a thing within which somebody is with it.
    """
    if not memory.things and not view.detections.scene.still:
        return memory
    if not view.has_frame:  # nothing moves: what is there stays, and nobody comes
        return msgspec.structs.replace(
            memory, things=tuple(msgspec.structs.replace(one, seen_at=view.captured_at) for one in memory.things)
        )
    bodies = list(_bodies(view))
    after, rest = [], list(view.detections.scene.still)
    for one in memory.things:
        mine = [region for region in rest if _gap(region.box, one.box) <= BESIDE * _scale(one)]
        rest = [region for region in rest if region not in mine]
        kept = _seen(one, mine, view) if mine else _missed(one, bodies, view)
        if kept is not None:
            after.append(kept)
    number = max((one.number for one in memory.things), default=-1) + 1
    for region in rest[: MOST - len(after)]:
        foot = TrackPoint((region.box[0] + region.box[2]) / 2, region.box[3], region.still_since)
        after.append(
            StationaryObject(number, region.still_since, region.box, region.added, 0.0, (), foot, view.captured_at)
        )
        number += 1
    return StationaryObjects(tuple(_attended(one, bodies, view, away) for one in after))


def mark_reported(memory: StationaryObjects, told: frozenset[int]) -> StationaryObjects:
    """The memory with those numbers marked as told; the very same one where they are already."""
    if all(one.told or one.number not in told for one in memory.things):
        return memory
    marked = (msgspec.structs.replace(one, told=one.told or one.number in told) for one in memory.things)
    return msgspec.structs.replace(memory, things=tuple(marked))


def detected_class(one: StationaryObject, view: Observation) -> str:
    """What a detector calls a thing, "" where it has no name for it."""
    record = view.detections
    for box, label in zip(record.xyxy.tolist(), record.labels.tolist(), strict=True):
        if label in LUGGAGE and _gap((box[0], box[1], box[2], box[3]), one.box) <= 0:
            return LABELS[label]
    return ""


def _bodies(view: Observation) -> Iterator[PersonBox]:
    for one in view.objects:
        if one.label in SOMEBODY and (one.seen or one.label == PERSON):
            yield PersonBox(one.box, _length(one), one.id, one.born)
    for box in view.detections.scene.moved:
        yield PersonBox(box, max(box[2] - box[0], box[3] - box[1]), -1, TrackPoint(box[0], box[3], view.captured_at))


def _length(one: TrackedObject) -> float:
    """A body's length, also of one who lies or is seen from above."""
    return max(one.height, one.box[2] - one.box[0], 1.0)


def _scale(one: StationaryObject) -> float:
    return one.body or 2 * max(one.box[2] - one.box[0], one.box[3] - one.box[1])


def _seen(one: StationaryObject, regions: list[StillRegion], view: Observation) -> StationaryObject:
    left, top, right, bottom = regions[0].box
    for region in regions[1:]:
        left, top = min(left, region.box[0]), min(top, region.box[1])
        right, bottom = max(right, region.box[2]), max(bottom, region.box[3])
    added = max(region.added for region in regions)
    return msgspec.structs.replace(
        one, box=(left, top, right, bottom), added=added, seen_at=view.captured_at, missed_s=0.0
    )


def _missed(one: StationaryObject, bodies: Iterable[PersonBox], view: Observation) -> StationaryObject | None:
    if any(_gap(body.box, one.box) <= 0 for body in bodies):
        return one
    missed_s = one.missed_s + view.elapsed_s
    return msgspec.structs.replace(one, missed_s=missed_s) if missed_s <= MISSED_S else None


def _attended(one: StationaryObject, bodies: list[PersonBox], view: Observation, away: float) -> StationaryObject:
    now = view.captured_at
    if not one.body and now - one.since <= OWNED_S:
        reach = REACH + PACE * (now - one.since)
        owners = [body for body in bodies if _gap(body.box, one.box) <= reach * body.length]
        if owners:  # somebody followed rather than what only moved, and the nearest
            owner = min(owners, key=lambda body: (body.track < 0, _gap(body.box, one.box) / body.length))
            one = msgspec.structs.replace(one, body=owner.length)
            if owner.track >= 0:
                one = msgspec.structs.replace(one, tracks=(owner.track,), born=owner.born)
    near = [body for body in bodies if _is_with(body, one, away)]
    if not near:
        return msgspec.structs.replace(one, alone_since=now) if one.alone_since is None else one
    new = tuple(body.track for body in near if body.track >= 0 and body.track not in one.tracks)
    tracks = one.tracks if one.told else (*one.tracks, *new)[:MOST]
    return msgspec.structs.replace(one, alone_since=None, tracks=tracks)


def _is_with(body: PersonBox, one: StationaryObject, away: float) -> bool:
    """Whether somebody is near a thing; the thing's own track is nobody, nor is a leaf that moves beside it."""
    length = body.length
    if body.track < 0:
        if length < PART * _scale(one):
            return False
        length = _scale(one)
    elif not body.length > max(one.box[2] - one.box[0], one.box[3] - one.box[1]):
        return False
    return _gap(body.box, one.box) <= away * length


def _gap(a: Box, b: Box) -> float:
    """Pixels between two boxes, 0 where they touch."""
    across = max(a[0] - b[2], b[0] - a[2], 0.0)
    down = max(a[1] - b[3], b[1] - a[3], 0.0)
    return float((across**2 + down**2) ** 0.5)
