"""Gathering: several people stay close together for a while.

Five people, each within two body heights (3.4 m, what E. T. Hall calls social distance) of one of them, for half a
minute. Distances are in body heights, so that near and far count alike; up and down the picture they count double,
since a camera that looks down by 27 degrees shows a metre away from it half as long as one across. ONVIF and KISA have
no class for it (a crowd's density is something else: it counts heads over an area, and nobody has to stay).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import msgspec
import numpy as np
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackPoint
from detectors.thresholds import MovingObjectThresholds, Resolver
from lanewatch.config.fields import LocalizedName
from lanewatch.records import Box

DEPTH = 2.0
"""How much shorter a way away from the camera looks than one across; 1 / tan of the angle at which it looks down."""
TOGETHER = 0.35
"""Score of a gathering that has just lasted long enough by day, the detector's confidence aside."""
MORE = 0.05
"""More for each person above the number, up to four."""
SCATTERED_S = 5.0
"""Seconds for which it may be too few and go on: people in a group hide each other."""
CROWD = 2
"""Times the number of people from which it is an alert."""


class GatheringThresholds(MovingObjectThresholds):
    """When people who are close are a gathering."""

    classes: str = Field(
        "person", title="Classes", description="Who is counted, separated by blanks. Naming more raises more events."
    )
    people: int = Field(
        5, ge=3, le=100, title="People", description="How many it takes. Raising it leaves small groups out."
    )
    within: float = Field(
        2.0,
        ge=0.5,
        le=20,
        title="Within",
        description="Body heights between one of them and each of the others. Raising it takes people together who "
        "only wait at the same place.",
    )
    together_s: float = Field(
        30.0,
        ge=1,
        le=3600,
        title="For",
        description="Seconds together. Raising it leaves out those who meet in passing.",
    )
    cooldown_s: float = Field(
        60.0, ge=0, le=3600, title="Cool-down", description="Seconds after the end in which it is not raised again."
    )


class Group(msgspec.Struct, frozen=True):
    """People who are together: since when, who, and where their middle was last."""

    first: TrackPoint
    zone: str
    since: float
    until: float
    tracks: tuple[int, ...]
    most: int
    x: float
    y: float
    height: float
    box: Box
    sureness: float


class GatheringMemory(msgspec.Struct, frozen=True):
    """Who is together now."""

    groups: tuple[Group, ...] = ()


class _Cluster(NamedTuple):
    """A cluster at one record."""

    members: list[TrackedObject]
    x: float
    y: float
    height: float


class Gathering:
    """People gather. One event for each group, whoever joins or leaves it."""

    kind: ClassVar[str] = "gathering"
    name: ClassVar[LocalizedName] = LocalizedName(ko="군집", en="Gathering")
    onvif: ClassVar[str] = ""
    kisa: ClassVar[str] = ""
    places: ClassVar[frozenset[str]] = frozenset()
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"tracks"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = GatheringThresholds
    Memory: ClassVar[type[msgspec.Struct]] = GatheringMemory

    def __init__(self, limits: Resolver[GatheringThresholds]) -> None:
        self._limits = limits
        self._least = int(limits.lowest("people"))

    def start(self) -> GatheringMemory:
        """Nobody is together."""
        return GatheringMemory()

    def step(self, memory: GatheringMemory, view: Observation) -> tuple[GatheringMemory, Sequence[Candidate]]:
        """The groups after a record; a claim for each that has been together for long enough."""
        if not memory.groups and len(view.objects) < self._least:
            return memory, ()
        seen = self._clusters(view) if view.has_frame else []
        left = list(memory.groups)
        now: list[Group] = []
        for cluster in seen:
            before = next((one for one in left if _same(one, cluster)), None)
            if before is not None:
                left.remove(before)
            now.append(_group(before, cluster, view))
        for one in left:
            if not view.has_frame:  # a still camera: they are as they were
                now.append(msgspec.structs.replace(one, until=view.captured_at))
            elif view.captured_at - one.until <= SCATTERED_S:
                now.append(one)
        claims = [claim for one in now for claim in self._claim(one, view)]
        return (GatheringMemory(tuple(now)) if now or memory.groups else memory), claims

    def _clusters(self, view: Observation) -> list[_Cluster]:
        """Those around somebody who has enough people near, the largest first; nobody is in two."""
        people, needs, reaches = [], [], []
        for one in view.objects:
            if one.credible:
                limits = self._limits.at(view, view.geometry.at(one.x, one.y), one.label)
                if one.label in limits.labels:
                    people.append(one)
                    needs.append(limits.people)
                    reaches.append(limits.within)
        if len(people) < self._least:
            return []
        place = np.array([(one.x, DEPTH * one.y, one.height) for one in people])
        apart = np.hypot(*(place[:, None, :2] - place[None, :, :2]).transpose(2, 0, 1))
        near = apart <= np.array(reaches)[:, None] * (place[:, None, 2] + place[None, :, 2]) / 2
        found: list[_Cluster] = []
        while True:
            counts = near.sum(1)
            middle = int(np.argmax(np.where(counts >= needs, counts, 0)))
            if counts[middle] < needs[middle]:
                return found
            chosen = np.flatnonzero(near[middle])
            x, y, height = place[chosen].mean(0).tolist()
            found.append(_Cluster([people[row] for row in chosen], x, y / DEPTH, height))
            near[:, chosen] = False

    def _claim(self, group: Group, view: Observation) -> Sequence[Candidate]:
        limits = self._limits.at(view, group.zone, 1)
        if group.most < limits.people or group.until - group.since < limits.together_s - 1e-3:
            return ()
        claim = Candidate(
            key=f"{group.first.x:.0f},{group.first.y:.0f},{group.first.at:.3f}",
            zone=group.zone,
            since=group.since,
            until=group.until,
            tracks=group.tracks,
            born=group.first,
            box=group.box,
            clarity=len(group.tracks) * group.height,
            severity=2 if group.most >= CROWD * limits.people else 1,
            thresholds=limits,
            explain=lambda: _account(group, view, limits),
            cooldown_s=limits.cooldown_s,
        )
        return (claim,)


def _same(group: Group, cluster: _Cluster) -> bool:
    """Whether a cluster is a group that was there: two of them are, or its middle is where the group's was."""
    if sum(one.id in group.tracks for one in cluster.members) >= 2:
        return True
    away = float(np.hypot(cluster.x - group.x, DEPTH * (cluster.y - group.y)))
    return away <= cluster.height


def _group(before: Group | None, cluster: _Cluster, view: Observation) -> Group:
    now = view.captured_at
    boxes = np.array([one.box for one in cluster.members])
    left, top = boxes[:, :2].min(0).tolist()
    right, bottom = boxes[:, 2:].max(0).tolist()
    count = len(cluster.members)
    return Group(
        first=TrackPoint(cluster.x, cluster.y, now) if before is None else before.first,
        zone=view.geometry.at(cluster.x, cluster.y) if before is None else before.zone,
        since=now if before is None else before.since,
        until=now,
        tracks=tuple(one.id for one in cluster.members),
        most=count if before is None else max(before.most, count),
        x=cluster.x,
        y=cluster.y,
        height=cluster.height,
        box=(left, top, right, bottom),
        sureness=sum(one.score for one in cluster.members) / count,
    )


def _account(group: Group, view: Observation, limits: GatheringThresholds) -> Explanation:
    lasted_s = group.until - group.since
    count = group.most
    factors = (
        scoring.make_factor(
            "gathering",
            TOGETHER + MORE * min(max(count - limits.people, 0), 4),
            people=count,
            threshold=limits.people,
            seconds=round(lasted_s, 1),
            threshold_s=limits.together_s,
        ),
        *scoring.common_factors(view.condition, 1, group.sureness),
    )
    when_ko, when_en = scoring.WHEN[view.condition]
    long_ko, long_en = scoring.duration(int(lasted_s + 1e-3))
    limit_ko, limit_en = scoring.duration(limits.together_s)
    sentence = {
        "ko": f"{when_ko} {count}명이 {long_ko} 동안 모여 있음 (기준 {limits.people}명, {limit_ko})",
        "en": f"{count} people together for {long_en} {when_en} (threshold {limits.people} people, {limit_en})",
    }
    return Explanation(factors, sentence)
