"""Who is in which zone since when: dwell in capture time, which short absences and changes of identity do not end."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec
import numpy as np

from detectors.behaviours.base import Candidate, Explanation
from detectors.observation.camera_geometry import PixelZone
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackPoint
from detectors.thresholds import DwellThresholds, Resolver
from lanewatch.records import Box
from models.appearance import similarity

REACH = 1.0
"""Body heights from where somebody vanished within which a new track may be the same person."""
HURRY = 0.5
"""Body heights more for each second between, since one who stays does not run."""
AWAY_S = 4.0
"""That goes on for so long, as people are hidden: after a longer time in which nobody looked, such as a sampler's
restart, one who stays is no farther, and one who is farther is somebody else."""
ALIKE = 0.8
"""Lowest similarity of looks for that: the same person has .87 after half a second, two people .50."""
YOUNG_S = 2.0
"""A track older than this is somebody who came, not somebody found again under a new id."""
STEADY_S = 2.0
"""Time over which a visit's confidence is averaged."""


TOLERANCE_S = 1e-3
"""Capture times are float seconds since 1970: 10 s between two of them may be 9.9999998."""

V = TypeVar("V", bound=DwellThresholds)


class ZoneDwell(msgspec.Struct, frozen=True):
    """One stay of one person in one zone.

    Attributes:
        track: The track that it is now.
        tracks: All that it has been, the first one first. Where an earlier one is seen again, the visit is that one's:
            whoever took over was somebody else, whose own visit goes on from its own entry.
        since: When the foot came in, between the two records.
        own_since: When the present track's did.
        until: When it was last seen inside.
        missed_s: Seconds of looking since the first look at which it was missed, None while it is there. (Not since
            ``until``: at a low rate it may have been there for most of a second after it.)
        born: The first track's birth and where its foot was.
        confidence: The detector's score, averaged.
    """

    zone: str
    track: int
    tracks: tuple[int, ...]
    since: float
    own_since: float
    until: float
    missed_s: float | None
    x: float
    y: float
    height: float
    box: Box
    appearance: bytes
    label: int
    score: float
    confidence: float
    born: TrackPoint

    @property
    def dwell_s(self) -> float:
        """How long it has stayed so far, short absences counted in."""
        return self.until - self.since

    @property
    def clarity(self) -> float:
        """How well the present frame shows it: a sure detection of somebody large."""
        return self.score * self.height


class ZoneDwells(msgspec.Struct, frozen=True):
    """The memory of a behaviour that judges stays: who is in which zone since when."""

    visits: tuple[ZoneDwell, ...] = ()


def dwell_candidate(
    visit: ZoneDwell, severity: int, limits: DwellThresholds, cooldown_s: float, account: Callable[[], Explanation]
) -> Candidate:
    """That a stay is suspicious now; one happening for each zone and person."""
    return Candidate(
        key=f"{visit.zone}/{visit.tracks[0]}",
        zone=visit.zone,
        since=visit.since,
        until=visit.until,
        tracks=visit.tracks,
        born=visit.born,
        box=visit.box,
        clarity=visit.clarity,
        severity=severity,
        thresholds=limits,
        explain=account,
        cooldown_s=cooldown_s,
    )


def advance(
    visits: tuple[ZoneDwell, ...], view: Observation, kinds: frozenset[str], graces: Resolver[V]
) -> tuple[ZoneDwell, ...]:
    """The visits to the zones of those kinds after a record; the very same tuple where nothing has changed."""
    if not visits and not view.objects:
        return visits
    here = [one for one in view.objects if one.seen and one.credible]
    result: list[ZoneDwell] = []
    for area in view.geometry.areas_of(kinds):
        if not view.holds(area.zone.schedule):
            continue
        mine = [visit for visit in visits if visit.zone == area.zone.id]
        if view.has_frame:
            inside = {one.id: one for one in here if area.contains(one.x, one.y)}
            if mine or inside:
                result += _look(area, mine, inside, view, graces)
        else:
            result += _wait(mine, view, graces)
    return tuple(result) if result or visits else visits


def _look(
    area: PixelZone, visits: list[ZoneDwell], inside: dict[int, TrackedObject], view: Observation, graces: Resolver[V]
) -> Iterator[ZoneDwell]:
    """The visits to one zone after a look at it. ``inside`` is emptied."""
    absent = []
    in_place: dict[int, float] = {}
    for visit in visits:
        track = next((track for track in visit.tracks if track in inside), None)
        if track is None:
            absent.append(visit)
            continue
        if track != visit.track:
            in_place[visit.track] = visit.own_since
        yield _stay(visit, inside.pop(track), view)
    for one in inside.values():
        since = in_place.get(one.id)
        before = _same_person(one, absent, view) if since is None else None
        if before is None:
            yield _enter(area, one, view, since)
        else:
            absent.remove(before)
            yield _stay(before, one, view, own_since=_entry(area, one, view.captured_at))
    for visit in absent:
        missed_s = 0.0 if visit.missed_s is None else visit.missed_s + view.elapsed_s
        limits = graces.at(view, visit.zone, visit.label)
        outside = any(one.id == visit.track and one.seen for one in view.objects)
        if missed_s <= (limits.exit_grace_s if outside else limits.occlusion_grace_s):
            yield msgspec.structs.replace(visit, missed_s=missed_s)


def _wait(visits: list[ZoneDwell], view: Observation, graces: Resolver[V]) -> Iterator[ZoneDwell]:
    """At a still camera's tick: who was there at the last look is there still, who was missed comes back no more."""
    for visit in visits:
        if visit.missed_s is None:
            yield msgspec.structs.replace(visit, until=view.captured_at)
        else:
            missed_s = visit.missed_s + view.elapsed_s
            if missed_s <= graces.at(view, visit.zone, visit.label).occlusion_grace_s:
                yield msgspec.structs.replace(visit, missed_s=missed_s)


def _enter(area: PixelZone, one: TrackedObject, view: Observation, since: float | None) -> ZoneDwell:
    entered_at = _entry(area, one, view.captured_at) if since is None else since
    return ZoneDwell(
        zone=area.zone.id,
        track=one.id,
        tracks=(one.id,),
        since=entered_at,
        own_since=entered_at,
        until=view.captured_at,
        missed_s=None,
        x=one.x,
        y=one.y,
        height=one.height,
        box=one.box,
        appearance=view.tracks.appearance[one.row].tobytes(),
        label=one.label,
        score=one.score,
        confidence=one.score,
        born=one.born,
    )


def _stay(visit: ZoneDwell, one: TrackedObject, view: Observation, own_since: float | None = None) -> ZoneDwell:
    share = 1 - math.exp(-view.elapsed_s / STEADY_S)
    return ZoneDwell(
        zone=visit.zone,
        track=one.id,
        tracks=_as_far_as(one.id, visit.tracks),
        since=visit.since,
        own_since=visit.own_since if own_since is None else own_since,
        until=view.captured_at,
        missed_s=None,
        x=one.x,
        y=one.y,
        height=one.height,
        box=one.box,
        appearance=view.tracks.appearance[one.row].tobytes(),
        label=one.label,
        score=one.score,
        confidence=visit.confidence + (one.score - visit.confidence) * share,
        born=visit.born,
    )


def _as_far_as(track: int, tracks: tuple[int, ...]) -> tuple[int, ...]:
    if track == tracks[-1]:
        return tracks
    return tracks[: tracks.index(track) + 1] if track in tracks else (*tracks, track)


def _entry(area: PixelZone, one: TrackedObject, now: float) -> float:
    """When the foot came in, on the straight way from where it was seen before; halving finds it to 1 %."""
    before = one.before
    if area.contains(before.x, before.y):
        return before.at
    outside, inside = 0.0, 1.0
    for _ in range(7):
        middle = (outside + inside) / 2
        if area.contains(before.x + (one.x - before.x) * middle, before.y + (one.y - before.y) * middle):
            inside = middle
        else:
            outside = middle
    return before.at + (now - before.at) * inside


def _same_person(one: TrackedObject, absent: Iterable[ZoneDwell], view: Observation) -> ZoneDwell | None:
    """The visitor that has vanished near where and shortly before this track was born, and looks like it."""
    if view.captured_at - one.born.at > YOUNG_S:
        return None
    look = view.tracks.appearance[one.row]
    best, best_distance = None, math.inf
    for visit in absent:
        apart_s = one.born.at - visit.until
        distance = math.hypot(one.born.x - visit.x, one.born.y - visit.y) / max(visit.height, 1.0)
        if distance >= best_distance or distance > REACH + HURRY * min(max(apart_s, 0.0), AWAY_S):
            continue
        if (
            look.size
            and visit.appearance
            and similarity(look[None], np.frombuffer(visit.appearance, np.uint8)[None])[0, 0] < ALIKE
        ):
            continue
        best, best_distance = visit, distance
    return best
