"""Dwell of people in zones, in capture time. Short absences and changes of the track id do not interrupt it.

A person cannot leave a zone without crossing its edge. Who vanishes away from the edge is occluded, or missed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec
import numpy as np
from msgspec.structs import replace

from detectors.behaviours.base import Candidate, Explanation
from detectors.observation.camera_geometry import PixelZone
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackPoint
from detectors.thresholds import DwellThresholds, Resolver
from lanewatch.records import Box
from models.appearance import similarity

REACH = 1.0
"""Body heights from the position of a lost track within which a new track may be the same person."""
REACH_PER_S = 0.5
"""Body heights more for each second between the two tracks. A person who stays does not run."""
REACH_GROWS_S = 4.0
"""The reach grows for so long, the time of an occlusion. After a restart of the sampler, who is farther is another."""
MIN_SIMILARITY = 0.8
"""Lowest similarity of appearance for that: the same person has .87 after half a second, two people .50."""
NEW_TRACK_S = 2.0
"""An older track is a person who came, not a person found again under a new id."""
EDGE = 1.0
"""Body heights from the zone's edge within which a person may leave it unseen, as at the picture's edge."""
CONFIDENCE_MEAN_S = 2.0
"""Time over which a dwell's confidence is averaged."""

V = TypeVar("V", bound=DwellThresholds)


class ZoneDwell(msgspec.Struct, frozen=True):
    """One stay of one person in one zone.

    Attributes:
        tracks: All its tracks, the first one first. If an earlier one is observed again, the dwell is that track's. The
            track that replaced it was another person, whose own dwell continues from its own entry.
        since: When the foot point entered, interpolated between two records.
        start_x: The first foot point inside, pixels; ``start_y`` likewise.
        farthest: The greatest distance from ``first_point`` so far, body heights.
        track_since: When the present track's foot point entered.
        unseen_s: Observed seconds since the first record at which it was missed; None while it is observed. (It is not
            counted from ``until``: at a low rate the person may have been there for most of a second after that.)
    """

    zone: str
    track: int
    tracks: tuple[int, ...]
    since: float
    track_since: float
    until: float
    unseen_s: float | None
    x: float
    y: float
    height: float
    box: Box
    appearance: bytes
    label: int
    score: float
    confidence: float
    first_point: TrackPoint
    start_x: float
    start_y: float
    farthest: float

    @property
    def displacement(self) -> float:
        """Body heights from where it began to where the person is now."""
        return math.hypot(self.x - self.start_x, self.y - self.start_y) / max(self.height, 1.0)

    @property
    def dwell_s(self) -> float:
        """Seconds in the zone so far, short absences included."""
        return self.until - self.since


class ZoneDwells(msgspec.Struct, frozen=True):
    """The memory of a behaviour that evaluates dwell."""

    dwells: tuple[ZoneDwell, ...] = ()


def dwell_candidate(
    dwell: ZoneDwell, severity: int, limits: DwellThresholds, cooldown_s: float, explain: Callable[[], Explanation]
) -> Candidate:
    """A candidate for a stay; one for each zone and person."""
    return Candidate(
        key=f"{dwell.zone}/{dwell.tracks[0]}",
        zone=dwell.zone,
        since=dwell.since,
        until=dwell.until,
        tracks=dwell.tracks,
        first_point=dwell.first_point,
        box=dwell.box,
        clarity=dwell.score * dwell.height,
        severity=severity,
        thresholds=limits,
        explain=explain,
        cooldown_s=cooldown_s,
    )


def update(
    dwells: tuple[ZoneDwell, ...], observation: Observation, kinds: frozenset[str], graces: Resolver[V]
) -> tuple[ZoneDwell, ...]:
    """The stays in the zones of those kinds after a record; the same tuple if there were none and are none."""
    if not dwells and not observation.objects:
        return dwells
    present = [track for track in observation.objects if track.seen and track.credible]
    result: list[ZoneDwell] = []
    for pixel_zone in observation.geometry.zones_of(kinds):
        if not observation.holds(pixel_zone.zone.schedule):
            continue
        own = [dwell for dwell in dwells if dwell.zone == pixel_zone.zone.id]
        if observation.has_frame:
            inside = {track.id: track for track in present if pixel_zone.contains(track.x, track.y)}
            if own or inside:
                result += _update_zone(pixel_zone, own, inside, observation, graces)
        else:
            result += _update_without_frame(pixel_zone, own, observation, graces)
    return tuple(result) if result or dwells else dwells


def _update_zone(
    pixel_zone: PixelZone,
    dwells: list[ZoneDwell],
    inside: dict[int, TrackedObject],
    observation: Observation,
    graces: Resolver[V],
) -> Iterator[ZoneDwell]:
    """The stays in one zone after a frame. ``inside`` is emptied."""
    now = observation.captured_at
    absent = []
    split_off: dict[int, float] = {}
    for dwell in dwells:  # step 1: stays of which a track is inside
        track = next((inside[number] for number in dwell.tracks if number in inside), None)
        if track is None:
            absent.append(dwell)
            continue
        if track.id != dwell.track:
            split_off[dwell.track] = dwell.track_since
        del inside[track.id]
        yield _observed(pixel_zone, track, observation, dwell.track_since, dwell)
    for track in inside.values():  # step 2: other tracks continue a stay, or begin one
        if track.id in split_off:
            yield _observed(pixel_zone, track, observation, split_off[track.id], None)
            continue
        previous = _same_person(track, absent, observation)
        if previous is not None:
            absent.remove(previous)
        yield _observed(pixel_zone, track, observation, _entry_time(pixel_zone, track, now), previous)
    for dwell in absent:  # step 3: the others continue for their grace time
        unseen_s = 0.0 if dwell.unseen_s is None else dwell.unseen_s + observation.elapsed_s
        limits = graces.resolve(observation, dwell.zone, dwell.label)
        outside = any(track.id == dwell.track and track.seen for track in observation.objects)
        if unseen_s <= (limits.exit_grace_s if outside else _longest_unseen_s(dwell, pixel_zone, observation, limits)):
            yield replace(dwell, unseen_s=unseen_s)


def _longest_unseen_s(
    dwell: ZoneDwell, pixel_zone: PixelZone, observation: Observation, limits: DwellThresholds
) -> float:
    """How long a person may be unseen: longer where no edge is near."""
    if limits.vanish_grace_s <= limits.occlusion_grace_s:
        return limits.occlusion_grace_s
    left, top, right, bottom = dwell.box
    width, height = observation.geometry.width, observation.geometry.height
    edge = EDGE * dwell.height
    cut = left <= 1 or top <= 1 or right >= width - 1 or bottom >= height - 1
    around = ((-edge, 0.0), (edge, 0.0), (0.0, -edge), (0.0, edge))
    inside = not cut and all(pixel_zone.contains(dwell.x + dx, dwell.y + dy) for dx, dy in around)
    return limits.vanish_grace_s if inside else limits.occlusion_grace_s


def _update_without_frame(
    pixel_zone: PixelZone, dwells: list[ZoneDwell], observation: Observation, graces: Resolver[V]
) -> Iterator[ZoneDwell]:
    """At a tick without motion, people who were observed stay, and people who were missed do not return."""
    for dwell in dwells:
        if dwell.unseen_s is None:
            yield replace(dwell, until=observation.captured_at)
        else:
            unseen_s = dwell.unseen_s + observation.elapsed_s
            limits = graces.resolve(observation, dwell.zone, dwell.label)
            if unseen_s <= _longest_unseen_s(dwell, pixel_zone, observation, limits):
                yield replace(dwell, unseen_s=unseen_s)


def _observed(
    pixel_zone: PixelZone,
    track: TrackedObject,
    observation: Observation,
    track_since: float,
    previous: ZoneDwell | None,
) -> ZoneDwell:
    """A stay whose track is inside; a new one if there is no previous state."""
    tracks: tuple[int, ...] = (track.id,)
    since, confidence, first_point = track_since, track.score, track.first_point
    start = track.before if pixel_zone.contains(track.before.x, track.before.y) else track
    start_x, start_y, farthest = start.x, start.y, 0.0
    if previous is not None:
        tracks, since, first_point = previous.tracks, previous.since, previous.first_point
        start_x, start_y, farthest = previous.start_x, previous.start_y, previous.farthest
        tracks = tracks[: tracks.index(track.id) + 1] if track.id in tracks else (*tracks, track.id)
        weight = 1 - math.exp(-observation.elapsed_s / CONFIDENCE_MEAN_S)
        confidence = previous.confidence + (track.score - previous.confidence) * weight
    return ZoneDwell(
        zone=pixel_zone.zone.id,
        track=track.id,
        tracks=tracks,
        since=since,
        track_since=track_since,
        until=observation.captured_at,
        unseen_s=None,
        x=track.x,
        y=track.y,
        height=track.height,
        box=track.box,
        appearance=observation.tracks.appearance[track.row].tobytes(),
        label=track.label,
        score=track.score,
        confidence=confidence,
        first_point=first_point,
        start_x=start_x,
        start_y=start_y,
        farthest=max(farthest, math.hypot(track.x - first_point.x, track.y - first_point.y) / max(track.height, 1.0)),
    )


def _entry_time(pixel_zone: PixelZone, track: TrackedObject, now: float) -> float:
    """When the foot point entered, on a straight line from its previous position. Bisection finds it to 1 %."""
    before = track.before
    if pixel_zone.contains(before.x, before.y):
        return before.at
    outside, inside = 0.0, 1.0
    for _ in range(7):
        middle = (outside + inside) / 2
        if pixel_zone.contains(before.x + (track.x - before.x) * middle, before.y + (track.y - before.y) * middle):
            inside = middle
        else:
            outside = middle
    return before.at + (now - before.at) * inside


def _same_person(track: TrackedObject, absent: Iterable[ZoneDwell], observation: Observation) -> ZoneDwell | None:
    """The nearest stay that was lost near the new track's first point, with a similar appearance."""
    if observation.captured_at - track.first_point.at > NEW_TRACK_S:
        return None
    appearance = observation.tracks.appearance[track.row].tobytes()
    best, best_distance = None, math.inf
    for dwell in absent:
        between_s = min(max(track.first_point.at - dwell.until, 0.0), REACH_GROWS_S)
        distance = math.hypot(track.first_point.x - dwell.x, track.first_point.y - dwell.y) / max(dwell.height, 1.0)
        if distance >= best_distance or distance > REACH + REACH_PER_S * between_s:
            continue
        if appearance and dwell.appearance and not are_similar(appearance, dwell.appearance):
            continue
        best, best_distance = dwell, distance
    return best


def are_similar(appearance: bytes, other: bytes) -> bool:
    """Whether two appearances may be of the same person; False if one is missing."""
    if len(appearance) != len(other) or not appearance:
        return False
    rows = [np.frombuffer(values, np.uint8)[None] for values in (appearance, other)]
    return bool(similarity(*rows)[0, 0] >= MIN_SIMILARITY)
