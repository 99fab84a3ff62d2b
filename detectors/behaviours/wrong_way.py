"""Wrong way: a vehicle drives along a lane against the direction that the site file gives it.

Three of its own lengths are more than backing out of a parking space; turning round on the lane takes less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import BaseBehaviour, Candidate, Explanation, Result, cooldown_field
from detectors.behaviours.common.explanations import excess
from detectors.observation.camera_geometry import PixelLane
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from detectors.thresholds import MovingObjectThresholds
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Zone

WRONG_WAY_SCORE = 0.45
"""Score at the threshold by day, without the detector's confidence: the site file forbids that direction."""
LONGER_SCORE = 0.05
"""More for each multiple of the threshold, up to three."""
OPPOSITE = 0.5
"""Cosine between a direction and the arrow's opposite from which it is the wrong way: 60 degrees."""
STANDING = 0.15
"""Lengths a second below which a vehicle stands and has no direction."""
MAX_UNSEEN_S = 2.0
"""Seconds for which it may be unobserved and continue."""


class WrongWayThresholds(MovingObjectThresholds):
    """When motion against a lane's direction is the wrong way."""

    classes: str = Field("bicycle motorcycle car bus truck", title="Classes")
    """Classes to evaluate, separated by blanks. Add person for a passage that people may use in one direction only."""
    distance: float = Field(3.0, ge=0.5, le=50, title="Distance")
    """Lengths of its own (a person's height, a vehicle's diagonal) that it must move against the direction. Raising it
    excludes vehicles that back up, and raises later events."""
    alert: bool = Field(True, title="Alert")
    """Whether it is an alert at once instead of watch: it endangers others."""
    cooldown_s: float = cooldown_field(10.0, "the same vehicle in the same lane")


class WrongWayTrack(msgspec.Struct, frozen=True):
    """A track that moves against a lane's direction: since when, and how many of its lengths in all."""

    lane: str
    track: int
    since: float
    until: float
    distance: float


class WrongWayMemory(msgspec.Struct, frozen=True):
    tracks: tuple[WrongWayTrack, ...] = ()


class WrongWay(BaseBehaviour[WrongWayThresholds, WrongWayMemory]):
    """A vehicle drives along a lane the wrong way. One event for each vehicle."""

    kind = "wrong_way"
    name = LocalizedName(ko="역주행", en="Wrong way")
    places = frozenset({"lane"})
    Thresholds = WrongWayThresholds
    Memory = WrongWayMemory

    def step(self, memory: WrongWayMemory, observation: Observation) -> Result[WrongWayMemory]:
        if not observation.geometry.lanes and not memory.tracks:
            return memory, ()
        before = {(entry.lane, entry.track): entry for entry in memory.tracks}
        after: list[WrongWayTrack] = []
        candidates: list[Candidate] = []
        for lane in observation.geometry.lanes:
            zone = lane.zone.zone
            if not observation.holds(zone.schedule):
                continue
            for track in observation.objects:
                entry = self._updated(lane, track, before.get((zone.id, track.id)), observation)
                if entry is not None:
                    after.append(entry)
                    candidates += self._candidates(zone, entry, track, observation)
        present = {track.id for track in observation.objects}
        lost = (entry for entry in before.values() if entry.track not in present)
        after += [entry for entry in lost if observation.captured_at - entry.until <= MAX_UNSEEN_S]
        return (WrongWayMemory(tuple(after)) if after or memory.tracks else memory), candidates

    def _updated(
        self, lane: PixelLane, track: TrackedObject, before: WrongWayTrack | None, observation: Observation
    ) -> WrongWayTrack | None:
        """How far a track has moved against the lane after this record; None if it does not."""
        now = observation.captured_at
        zone = lane.zone.zone.id
        if not track.seen:
            return before if before is not None and now - before.until <= MAX_UNSEEN_S else None
        if not track.credible or not lane.zone.contains(track.x, track.y):
            return None
        speed = math.hypot(track.vx, track.vy)
        against = -(track.vx * lane.along_x + track.vy * lane.along_y)
        if speed < STANDING * track.height:  # a vehicle that waits has not turned round
            return None if before is None else msgspec.structs.replace(before, until=now)
        if against < OPPOSITE * speed or track.label not in self._limits.resolve(observation, zone, track.label).labels:
            return None
        step = (track.before.x - track.x) * lane.along_x + (track.before.y - track.y) * lane.along_y
        distance, since = (0.0, track.before.at) if before is None else (before.distance, before.since)
        return WrongWayTrack(zone, track.id, since, now, distance + max(step, 0.0) / track.height)

    def _candidates(
        self, zone: Zone, entry: WrongWayTrack, track: TrackedObject, observation: Observation
    ) -> Sequence[Candidate]:
        limits = self._limits.resolve(observation, zone.id, track.label)
        if entry.distance < limits.distance:
            return ()
        candidate = Candidate.from_track(
            track,
            zone.id,
            since=entry.since,
            until=entry.until,
            severity=2 if limits.alert else 1,
            thresholds=limits,
            explain=lambda: _explain(zone, entry, track, observation, limits),
            cooldown_s=limits.cooldown_s,
        )
        return (candidate,)


def _explain(
    zone: Zone, entry: WrongWayTrack, track: TrackedObject, observation: Observation, limits: WrongWayThresholds
) -> Explanation:
    distance = entry.distance
    score = WRONG_WAY_SCORE + LONGER_SCORE * excess(distance, limits.distance)
    factors = (
        scoring.make_factor("against", score, lengths=round(distance, 1), threshold=limits.distance),
        *scoring.common_factors(observation.condition, track.label, track.score),
    )
    who_ko, who_en = scoring.subject(track.label)
    when_ko, when_en = scoring.WHEN[observation.condition]
    sentence = {
        "ko": f"{when_ko} '{zone.name.ko}' 구역에서 {who_ko} 역방향으로 이동 "
        f"(자기 길이의 {distance:.1f}배, 기준 {limits.distance:g}배)",
        "en": f"{who_en} going the wrong way along '{zone.name.en}' {when_en} "
        f"({distance:.1f} lengths of its own, threshold {limits.distance:g})",
    }
    return Explanation(factors, sentence)
