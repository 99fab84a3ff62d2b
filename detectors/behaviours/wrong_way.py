"""Wrong way: a vehicle goes along a lane against the direction that the site gives it.

A lane's zone carries an arrow, the way in which it may be taken. Whoever goes against it, within 60 degrees of the
opposite, for three lengths of its own, counts. That is more than backing out of a parking space, and a line that is
crossed by turning round on it is none. People may walk on a lane as they like, unless the site names them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import msgspec
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.observation.camera_geometry import PixelLane
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from detectors.thresholds import MovingObjectThresholds, Resolver
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Zone

AGAINST = 0.45
"""Score of going against a direction by day, the detector's confidence aside: the site says that nobody may."""
FURTHER = 0.05
"""More for each threshold's length on top, up to three."""
OPPOSITE = 0.5
"""Cosine between a way and the opposite of the arrow from which it is against it: 60 degrees."""
STANDS = 0.15
"""Lengths a second below which somebody stands, and goes no way."""
UNSEEN_S = 2.0
"""Seconds for which it may not be seen and still goes on."""


class WrongWayThresholds(MovingObjectThresholds):
    """When going against a lane's direction counts."""

    classes: str = Field(
        "bicycle motorcycle car bus truck",
        title="Classes",
        description="What is judged, separated by blanks. Add person for a passage that people may take one way only.",
    )
    distance: float = Field(
        3.0,
        ge=0.5,
        le=50,
        title="Distance",
        description="Lengths of its own (a person's height, a vehicle's diagonal) that it must go against the "
        "direction. Raising it leaves out who backs up, and raises later.",
    )
    alert: bool = Field(
        True, title="Alert", description="Whether it is an alert at once and not only watched: it endangers others."
    )
    cooldown_s: float = Field(
        10.0,
        ge=0,
        le=3600,
        title="Cool-down",
        description="Seconds after the end in which the same one in the same lane is not raised again.",
    )


class WrongWayTrack(msgspec.Struct, frozen=True):
    """One that goes against a lane's direction: since when, and how many of its lengths in all."""

    lane: str
    track: int
    since: float
    until: float
    gone: float


class WrongWayMemory(msgspec.Struct, frozen=True):
    """Who goes the wrong way now."""

    contraries: tuple[WrongWayTrack, ...] = ()


class WrongWay:
    """Somebody goes along a lane the wrong way. One event each."""

    kind: ClassVar[str] = "wrong_way"
    name: ClassVar[LocalizedName] = LocalizedName(ko="역주행", en="Wrong way")
    onvif: ClassVar[str] = ""
    kisa: ClassVar[str] = ""
    places: ClassVar[frozenset[str]] = frozenset({"lane"})
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"tracks"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = WrongWayThresholds
    Memory: ClassVar[type[msgspec.Struct]] = WrongWayMemory

    def __init__(self, limits: Resolver[WrongWayThresholds]) -> None:
        self._limits = limits

    def start(self) -> WrongWayMemory:
        """Nobody goes the wrong way."""
        return WrongWayMemory()

    def step(self, memory: WrongWayMemory, view: Observation) -> tuple[WrongWayMemory, Sequence[Candidate]]:
        """Who goes the wrong way after a record; a claim for each that has gone far enough."""
        if not view.geometry.lanes and not memory.contraries:
            return memory, ()
        before = {(one.lane, one.track): one for one in memory.contraries}
        now: list[WrongWayTrack] = []
        claims: list[Candidate] = []
        for lane in view.geometry.lanes:
            if not view.holds(lane.area.zone.schedule):
                continue
            for one in view.objects:
                contrary = self._go(lane, one, before.get((lane.area.zone.id, one.id)), view)
                if contrary is not None:
                    now.append(contrary)
                    claims += self._claim(lane, contrary, one, view)
        known = {(one.lane, one.track) for one in now}
        here = {one.id for one in view.objects}
        for place, gone in before.items():
            if place not in known and gone.track not in here and view.captured_at - gone.until <= UNSEEN_S:
                now.append(gone)
        return (WrongWayMemory(tuple(now)) if now or memory.contraries else memory), claims

    def _go(
        self, lane: PixelLane, one: TrackedObject, before: WrongWayTrack | None, view: Observation
    ) -> WrongWayTrack | None:
        """How far somebody has gone against the lane after this record; None for those who don't."""
        if not one.seen:
            return before if before is not None and view.captured_at - before.until <= UNSEEN_S else None
        if not one.credible or not lane.area.contains(one.x, one.y):
            return None
        speed = math.hypot(one.vx, one.vy)
        against = -(one.vx * lane.along_x + one.vy * lane.along_y)
        if speed < STANDS * one.height:  # one that waits has not turned round
            return None if before is None else msgspec.structs.replace(before, until=view.captured_at)
        if against < OPPOSITE * speed or one.label not in self._limits.at(view, lane.area.zone.id, one.label).labels:
            return None
        step = (one.before.x - one.x) * lane.along_x + (one.before.y - one.y) * lane.along_y
        gone, since = (0.0, one.before.at) if before is None else (before.gone, before.since)
        return WrongWayTrack(lane.area.zone.id, one.id, since, view.captured_at, gone + max(step, 0.0) / one.height)

    def _claim(
        self, lane: PixelLane, contrary: WrongWayTrack, one: TrackedObject, view: Observation
    ) -> Sequence[Candidate]:
        limits = self._limits.at(view, contrary.lane, one.label)
        if contrary.gone < limits.distance:
            return ()
        zone = lane.area.zone
        claim = Candidate(
            key=f"{contrary.lane}/{contrary.track}",
            zone=contrary.lane,
            since=contrary.since,
            until=contrary.until,
            tracks=(contrary.track,),
            born=one.born,
            box=one.box,
            clarity=one.score * one.height,
            severity=2 if limits.alert else 1,
            thresholds=limits,
            explain=lambda: _account(zone, contrary, one, view, limits),
            cooldown_s=limits.cooldown_s,
        )
        return (claim,)


def _account(
    zone: Zone, contrary: WrongWayTrack, one: TrackedObject, view: Observation, limits: WrongWayThresholds
) -> Explanation:
    gone = contrary.gone
    further = min(gone / limits.distance - 1, 3.0)
    factors = (
        scoring.make_factor("against", AGAINST + FURTHER * further, lengths=round(gone, 1), threshold=limits.distance),
        *scoring.common_factors(view.condition, one.label, one.score),
    )
    who_ko, who_en = scoring.subject(one.label)
    when_ko, when_en = scoring.WHEN[view.condition]
    sentence = {
        "ko": f"{when_ko} '{zone.name.ko}' 구역에서 {who_ko} 진행 방향을 거슬러 감 "
        f"(제 길이의 {gone:.1f}배, 기준 {limits.distance:g}배)",
        "en": f"{who_en} going the wrong way along '{zone.name.en}' {when_en} "
        f"({gone:.1f} lengths of its own, threshold {limits.distance:g})",
    }
    return Explanation(factors, sentence)
