"""Gathering: several people stay close together for a while. See docs/behaviours.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import TOLERANCE_S, BaseBehaviour, Candidate, Explanation, Result, cooldown_field
from detectors.behaviours.common.explanations import whole_seconds
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackPoint
from detectors.thresholds import MovingObjectThresholds, Resolver
from lanewatch import boxes
from lanewatch.config.fields import LocalizedName
from lanewatch.records import PERSON, Box

DEPTH = 2.0
"""By how much a distance along the line of sight looks shorter than one across: 1 / tan of the downward angle."""
GATHERING_SCORE = 0.35
"""Score at the threshold by day, without the detector's confidence."""
PERSON_SCORE = 0.05
"""More for each person above the number, up to four."""
SCATTERED_S = 5.0
"""Seconds for which the group may be too small and continue: people in a group occlude each other."""
CROWD = 2
"""Multiple of the number of people from which it is an alert."""


class GatheringThresholds(MovingObjectThresholds):
    """When people close together are a gathering."""

    classes: str = Field("person", title="Classes")
    """Classes to count, separated by blanks. More classes raise more events."""
    people: int = Field(5, ge=3, le=100, title="People")
    """Number of people. Raising it excludes small groups."""
    within: float = Field(2.0, ge=0.5, le=20, title="Within")
    """Body heights between one of them and each of the others. Raising it includes people who only wait at the same
    place."""
    together_s: float = Field(30.0, ge=1, le=3600, title="For")
    """Seconds together. Raising it excludes people who meet in passing."""
    cooldown_s: float = cooldown_field(60.0)


class Group(msgspec.Struct, frozen=True):
    """People who are together: since when, their tracks, and the last position of their middle.

    ``most`` is the largest number of people so far, ``confidence`` the mean of the detector's scores.
    """

    first_point: TrackPoint
    zone: str
    since: float
    until: float
    tracks: tuple[int, ...]
    most: int
    x: float
    y: float
    height: float
    box: Box
    confidence: float


class GatheringMemory(msgspec.Struct, frozen=True):
    groups: tuple[Group, ...] = ()


class Cluster(NamedTuple):
    """People close together at one record, and their mean position and body height, pixels."""

    members: list[TrackedObject]
    x: float
    y: float
    height: float


class Gathering(BaseBehaviour[GatheringThresholds, GatheringMemory]):
    """People gather. One event for each group, also if people join or leave."""

    kind = "gathering"
    name = LocalizedName(ko="군집", en="Gathering")
    Thresholds = GatheringThresholds
    Memory = GatheringMemory

    def __init__(self, limits: Resolver[GatheringThresholds]) -> None:
        super().__init__(limits)
        self._fewest = int(limits.lowest("people"))

    def step(self, memory: GatheringMemory, observation: Observation) -> Result[GatheringMemory]:
        if not memory.groups and len(observation.objects) < self._fewest:
            return memory, ()
        now = observation.captured_at
        unmatched = list(memory.groups)
        groups: list[Group] = []
        for cluster in self._clusters(observation) if observation.has_frame else []:
            before = next((group for group in unmatched if _is_same(group, cluster)), None)
            if before is not None:
                unmatched.remove(before)
            groups.append(_updated(before, cluster, observation))
        for group in unmatched:
            if not observation.has_frame:  # without motion the people stay
                groups.append(msgspec.structs.replace(group, until=now))
            elif now - group.until <= SCATTERED_S:
                groups.append(group)
        candidates = [candidate for group in groups for candidate in self._candidates(group, observation)]
        return (GatheringMemory(tuple(groups)) if groups or memory.groups else memory), candidates

    def _clusters(self, observation: Observation) -> list[Cluster]:
        """The people around each person with enough people near, largest cluster first; a person is in one cluster."""
        people, required, reaches = [], [], []
        for track in observation.objects:
            if track.credible:
                limits = self._limits.resolve(observation, observation.geometry.zone_at(track.x, track.y), track.label)
                if track.label in limits.labels:
                    people.append(track)
                    required.append(limits.people)
                    reaches.append(limits.within)
        if len(people) < self._fewest:
            return []
        position = np.array([(track.x, DEPTH * track.y, track.height) for track in people])
        distance = np.hypot(*(position[:, None, :2] - position[None, :, :2]).transpose(2, 0, 1))
        near = distance <= np.array(reaches)[:, None] * (position[:, None, 2] + position[None, :, 2]) / 2
        clusters: list[Cluster] = []
        while True:
            counts = near.sum(1)
            center = int(np.argmax(np.where(counts >= required, counts, 0)))
            if counts[center] < required[center]:
                return clusters
            rows = np.flatnonzero(near[center])
            x, y, height = position[rows].mean(0).tolist()
            clusters.append(Cluster([people[row] for row in rows], x, y / DEPTH, height))
            near[:, rows] = False

    def _candidates(self, group: Group, observation: Observation) -> Sequence[Candidate]:
        limits = self._limits.resolve(observation, group.zone, PERSON)
        if group.most < limits.people or group.until - group.since < limits.together_s - TOLERANCE_S:
            return ()
        candidate = Candidate(
            key=f"{group.first_point.x:.0f},{group.first_point.y:.0f},{group.first_point.at:.3f}",
            zone=group.zone,
            since=group.since,
            until=group.until,
            tracks=group.tracks,
            first_point=group.first_point,
            box=group.box,
            clarity=len(group.tracks) * group.height,
            severity=2 if group.most >= CROWD * limits.people else 1,
            thresholds=limits,
            explain=lambda: _explain(group, observation, limits),
            cooldown_s=limits.cooldown_s,
        )
        return (candidate,)


def _is_same(group: Group, cluster: Cluster) -> bool:
    """Whether a cluster is an earlier group: two of its people are, or its middle is at the group's position."""
    if sum(track.id in group.tracks for track in cluster.members) >= 2:
        return True
    return math.hypot(cluster.x - group.x, DEPTH * (cluster.y - group.y)) <= cluster.height


def _updated(before: Group | None, cluster: Cluster, observation: Observation) -> Group:
    now = observation.captured_at
    count = len(cluster.members)
    return Group(
        first_point=TrackPoint(cluster.x, cluster.y, now) if before is None else before.first_point,
        zone=observation.geometry.zone_at(cluster.x, cluster.y) if before is None else before.zone,
        since=now if before is None else before.since,
        until=now,
        tracks=tuple(track.id for track in cluster.members),
        most=count if before is None else max(before.most, count),
        x=cluster.x,
        y=cluster.y,
        height=cluster.height,
        box=boxes.enclosing(track.box for track in cluster.members),
        confidence=sum(track.score for track in cluster.members) / count,
    )


def _explain(group: Group, observation: Observation, limits: GatheringThresholds) -> Explanation:
    lasted_s = group.until - group.since
    count = group.most
    score = GATHERING_SCORE + PERSON_SCORE * min(max(count - limits.people, 0), 4)
    measured = {"people": count, "threshold": limits.people, "seconds": round(lasted_s, 1)}
    factors = (
        scoring.make_factor("gathering", score, **measured, threshold_s=limits.together_s),
        *scoring.common_factors(observation.condition, PERSON, group.confidence),
    )
    when_ko, when_en = scoring.WHEN[observation.condition]
    lasted_ko, lasted_en = whole_seconds(lasted_s)
    limit_ko, limit_en = scoring.duration(limits.together_s)
    sentence = {
        "ko": f"{when_ko} {count}명이 {lasted_ko} 동안 모여 있음 (기준 {limits.people}명, {limit_ko})",
        "en": f"{count} people together for {lasted_en} {when_en} (threshold {limits.people} people, {limit_en})",
    }
    return Explanation(factors, sentence)
