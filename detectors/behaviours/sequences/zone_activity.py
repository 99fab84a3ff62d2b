"""What happens at a zone, with a vehicle that stands by it or without one: who goes in and out, and for how long.

People are known by their tracks for as long as those last, which by night and among crops is not long. So presence is
counted for all together, and who vanishes in the zone has not left it: only who is seen outside has.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import msgspec

from detectors.behaviours.common.vehicle_stops import StoppedVehicle
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackPoint
from lanewatch.records import LABELS, Box

BRIDGE_S = 30.0
"""Between two sights of people in the zone the time counts as theirs up to this."""
HIDDEN_S = 120.0
"""Who vanished in the zone for longer is not waited for: crops, a dip of the ground, the far side of the vehicle."""
OUTSIDE_S = 1.0
"""Seconds for which somebody must be seen outside to have left: a foot point jitters at the border."""
GLIMPSE_S = 10.0
"""The bridge between glimpses while a vehicle stands: by night hardly anybody is seen well enough to be followed."""
TOGETHER_S = 2.0
"""Glimpses within this of one another are one go: who stands beside the zone is now and then seen in it."""
VISIT_S = 3.0
"""Who was in the zone for less has only touched it."""
MOVED = 0.5
"""Body heights that somebody must be seen to go between two ways: who stands at one place and is missed there for a
while, as detectors miss those who stand still, has not gone away and come back."""
CAME_S = 5.0
"""Who is near a vehicle within this of its stop came with it: a motorcycle's rider."""
APART_S = 10.0
"""Those who come out of a vehicle and into the zone within this of one another go together; later ones go again."""
REACH, PACE, FARTHEST = 2.0, 0.8, 12.0
"""Body heights, more for each second, and at most: how far from where somebody vanished he may be seen again."""
MOST = 16
"""Of people, stays and visits that are remembered: nobody counts farther."""


class ZonePresence(msgspec.Struct, frozen=True):
    """Somebody who went into the zone and has not been seen to leave it.

    ``out_since`` is since when he is seen outside, None while he is not.
    """

    track: int
    since: float
    until: float
    x: float
    y: float
    height: float
    out_since: float | None = None


class PersonPosition(NamedTuple):
    """Somebody in the zone, by his foot point and height in pixels, with the detector's name for people or without."""

    x: float
    y: float
    height: float
    named: bool

    def apart(self, x: float, y: float) -> float:
        """How far a point is from where he stands, body heights."""
        return math.hypot(self.x - x, self.y - y) / max(self.height, 1.0)


class UntrackedPresence(msgspec.Struct, frozen=True):
    """Those who are, or were last, seen in the zone.

    Attributes:
        since: When they came, without a break.
        named: The detector called one of them a person: rain and insects move there without any.
        way: This go is counted as a way.
        x: Where one of them was seen last,
        y: and how far down.
        from_x: Where he was when the last way was counted,
        from_y: and how far down.
        moved: He has been seen elsewhere since.
    """

    since: float
    named: bool
    way: bool
    x: float
    y: float
    from_x: float
    from_y: float
    moved: bool = False


class Representative(msgspec.Struct, frozen=True):
    """Who or what stands for the happening: what is shown of it."""

    label: int
    score: float
    height: float
    box: Box
    seen_at: float


class ZoneActivity(msgspec.Struct, frozen=True):
    """What has happened so far at one zone.

    Attributes:
        zone: Its id, or "" where a vehicle stands off the lane and by no zone.
        since: When the vehicle stopped, or the first one came in.
        until: When anything of it was last seen.
        born: The birth of the first track of it.
        tracks: Of all who took part.
        stand: The vehicle, None where there is none; it stays here after it has left.
        left_at: When the vehicle left.
        people: Tracks of those who came with the vehicle.
        crowd: How many came out of it.
        ways: When people of the vehicle set out into the zone: where it stands in or at it, nobody sees them leave it.
        untracked: Those who are, or were last, seen there, followed or not.
        inside: Who is in the zone.
        visits: How long each of those was there who have left, seconds.
        present_s: For how long somebody was there, all in all; without a vehicle, in one go.
        present_at: When somebody was last seen there.
        things: Still regions that appeared in the zone.
        steps: When each step was reached.
        raised: Which raisers have been seen.
        lowered: Which lowerers have been seen.
    """

    zone: str
    since: float
    until: float
    born: TrackPoint
    representative: Representative
    tracks: tuple[int, ...]
    stand: StoppedVehicle | None = None
    left_at: float | None = None
    people: tuple[int, ...] = ()
    crowd: int = 0
    ways: tuple[float, ...] = ()
    untracked: UntrackedPresence | None = None
    inside: tuple[ZonePresence, ...] = ()
    visits: tuple[float, ...] = ()
    present_s: float = 0.0
    present_at: float = -math.inf
    things: tuple[TrackPoint, ...] = ()
    steps: tuple[float, ...] = ()
    raised: tuple[int, ...] = ()
    lowered: tuple[int, ...] = ()

    @property
    def trips(self) -> int:
        """How often people of the vehicle have been in the zone and left it, or set out again."""
        return max(len(self.visits), len(self.ways)) if self.stand is not None else 0

    @property
    def means(self) -> str:
        """How they came: the vehicle's class, person where there is none."""
        return "person" if self.stand is None else LABELS[self.stand.label]

    @property
    def stayed_s(self) -> float:
        """For how long somebody was there: 0 while nobody has been there without a break, but seen now and then."""
        return self.present_s if self.ways or self.inside or self.visits else 0.0

    @property
    def standing(self) -> StoppedVehicle | None:
        """The vehicle while it stands."""
        return self.stand if self.left_at is None else None


class ZoneObservation(NamedTuple):
    """What of a record matters to a story.

    Attributes:
        people: Those who are followed.
        inside: Which of them are in the zone.
        near: Vehicle lengths within which people come out of a vehicle.
        glimpses: Who is seen in the zone and is not followed: persons, and what moves there and has no name.
    """

    view: Observation
    people: list[TrackedObject]
    inside: dict[int, TrackedObject]
    near: float
    glimpses: list[PersonPosition]

    @property
    def persons(self) -> bool:
        """The detector saw a person in the zone who is not followed."""
        return any(spot.named for spot in self.glimpses)


def begin_with_vehicle(stand: StoppedVehicle, zone: str) -> ZoneActivity:
    """A vehicle has stopped by a zone."""
    face = Representative(stand.label, stand.score, stand.length, stand.box, stand.until)
    return ZoneActivity(zone, stand.since, stand.until, stand.born, face, (stand.track,), stand)


def begin_on_foot(one: TrackedObject, zone: str, now: float) -> ZoneActivity:
    """Somebody has come into a zone."""
    return ZoneActivity(zone, now, now, one.born, _face(one, now), (one.id,))


def update(story: ZoneActivity, scene: ZoneObservation) -> ZoneActivity:
    """The story after a look at people."""
    now = scene.view.captured_at
    if story.standing is not None and len(story.steps) < 2 and now - story.present_at > HIDDEN_S and story.present_s:
        # who comes to a vehicle that has stood alone for long begins anew
        story = msgspec.structs.replace(story, ways=(), visits=(), present_s=0.0)
    if story.stand is not None:
        story = _people(story, story.stand, scene)
    stays, visits = _stays(story, scene)
    known = {stay.track for stay in stays}
    new = [one for one in scene.inside.values() if one.id not in known and _belongs(story, one, scene)]
    stays += [ZonePresence(one.id, now, now, one.x, one.y, one.height) for one in new]
    here = [stay for stay in stays if stay.until == now]
    tracks = tuple(dict.fromkeys((*story.tracks, *(one.id for one in new))))[:MOST]
    changed = msgspec.structs.replace(
        story, inside=tuple(stays[-MOST:]), visits=(*story.visits, *visits)[-MOST:], tracks=tracks
    )
    if here:
        changed = msgspec.structs.replace(changed, representative=_faced(changed, scene.inside[here[0].track], now))
    glimpsed = scene.persons or (scene.glimpses and changed.standing is not None)
    if not (here or glimpsed):
        return changed
    if changed.standing is not None:
        followed = [PersonPosition(one.x, one.y, one.height, named=True) for one in scene.inside.values()]
        changed = _way(changed, scene.glimpses + followed, bool(here) or scene.persons, now)
    return _present(changed, bool(here), now)


def _way(story: ZoneActivity, spots: list[PersonPosition], named: bool, now: float) -> ZoneActivity:
    """With a way more where people are in the zone for a visit without a break, and not where they were before it."""
    one, ways = story.untracked, story.ways
    if one is None:
        one = UntrackedPresence(now, named, way=False, x=spots[0].x, y=spots[0].y, from_x=spots[0].x, from_y=spots[0].y)
    elif now - story.present_at > TOGETHER_S:
        one = msgspec.structs.replace(one, since=now, named=named, way=False)
    x, y = one.x, one.y
    spot = min(spots, key=lambda spot: spot.apart(x, y))
    moved = one.moved or spot.apart(one.from_x, one.from_y) >= MOVED
    one = msgspec.structs.replace(one, named=one.named or named, x=spot.x, y=spot.y, moved=moved)
    if not one.way and one.named and now - one.since >= VISIT_S and (moved or not ways):
        one, ways = _set_out(msgspec.structs.replace(one, way=True)), (*ways, one.since)[-MOST:]
    return msgspec.structs.replace(story, untracked=one, ways=ways)


def _set_out(one: UntrackedPresence) -> UntrackedPresence:
    """A way is counted here: for the next one somebody must have gone elsewhere."""
    return msgspec.structs.replace(one, from_x=one.x, from_y=one.y, moved=False)


def _faced(story: ZoneActivity, one: TrackedObject, now: float) -> Representative:
    return story.representative if story.standing is not None else _face(one, now)


def _present(story: ZoneActivity, followed: bool, now: float) -> ZoneActivity:
    bridge_s = BRIDGE_S if followed or story.standing is None else GLIMPSE_S
    passed_s = now - story.present_at
    before_s = story.present_s if story.stand is not None or passed_s <= BRIDGE_S else 0.0
    present_s = before_s + (passed_s if passed_s <= bridge_s else 0.0)
    until = now if followed or story.standing is not None else story.until
    return msgspec.structs.replace(story, present_s=present_s, present_at=now, until=until)


def _people(story: ZoneActivity, stand: StoppedVehicle, scene: ZoneObservation) -> ZoneActivity:
    """Those who came with the vehicle: born near it while it stands, or near it when it stopped."""
    now = scene.view.captured_at
    more, crowd, ways, glimpsed = [], story.crowd, story.ways, story.untracked
    for one in scene.people:
        if one.id in story.people or one.id in more or stand.apart(one.x, one.y) > 4 * scene.near:
            continue
        out = one.born.at >= stand.since - CAME_S and stand.apart(one.born.x, one.born.y) <= scene.near
        if out or (now - stand.since <= CAME_S and stand.apart(one.x, one.y) <= scene.near):
            more.append(one.id)
            crowd += 1
            again = not ways or (now - ways[-1] >= APART_S and _elsewhere(glimpsed, one))
            if out and one.id in scene.inside and again:
                ways = (*ways, now)[-MOST:]
                glimpsed = None if glimpsed is None else _set_out(glimpsed)
    if not more:
        return story
    people = (*story.people, *more)[-MOST:]
    return msgspec.structs.replace(story, people=people, crowd=crowd, ways=ways, untracked=glimpsed)


def _elsewhere(glimpsed: UntrackedPresence | None, one: TrackedObject) -> bool:
    """Whether one who comes out of the vehicle is not the one who has been standing in the zone."""
    if glimpsed is None or glimpsed.moved:
        return True
    return PersonPosition(one.x, one.y, one.height, named=True).apart(glimpsed.from_x, glimpsed.from_y) >= MOVED


def _belongs(story: ZoneActivity, one: TrackedObject, scene: ZoneObservation) -> bool:
    """Whether one in the zone has to do with it: without a vehicle everybody, else who came with it, or was first
    seen in the zone after somebody came with it."""
    if story.stand is None or one.id in story.people:
        return True
    return bool(story.people) and one.born.at >= story.stand.since and one.before == one.born


def _stays(story: ZoneActivity, scene: ZoneObservation) -> tuple[list[ZonePresence], list[float]]:
    """Who is in the zone still, and the visits of those who have left it."""
    now = scene.view.captured_at
    outside = {one.id: one for one in scene.people if one.id not in scene.inside}
    taken = {stay.track for stay in story.inside}
    stays, visits = [], []
    for stay in story.inside:
        one = scene.inside.get(stay.track)
        if one is None and stay.track not in outside:
            one = _again(stay, scene.inside, taken, now)
        if one is not None:
            taken.add(one.id)
            stays.append(ZonePresence(one.id, stay.since, now, one.x, one.y, one.height))
            continue
        gone = outside.get(stay.track)
        if gone is None:
            gone = _again(stay, outside, taken, now)
            left = gone is not None
        else:
            since = stay.out_since if stay.out_since is not None else now
            stay = msgspec.structs.replace(stay, out_since=since)
            left = now - since >= OUTSIDE_S
        if left:
            if stay.until - stay.since >= VISIT_S:
                visits.append(stay.until - stay.since)
        elif now - stay.until <= HIDDEN_S:
            stays.append(stay)
    return stays, visits


def _again(stay: ZonePresence, people: dict[int, TrackedObject], taken: set[int], now: float) -> TrackedObject | None:
    """One who was born after somebody vanished, where that one can have come in the time."""
    reach = min(REACH + PACE * (now - stay.until), FARTHEST) * max(stay.height, 1.0)
    for one in people.values():
        if (
            one.id not in taken
            and one.born.at >= stay.until
            and math.hypot(one.born.x - stay.x, one.born.y - stay.y) <= reach
        ):
            return one
    return None


def _face(one: TrackedObject, now: float) -> Representative:
    return Representative(one.label, one.score, one.height, one.box, now)
