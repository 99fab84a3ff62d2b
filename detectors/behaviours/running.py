"""Running: somebody moves faster than people walk, and goes on doing so.

Speed is in body heights a second, so that near and far count alike: a walker (1.4 m/s) does .8, a jogger 1.8, one who
runs 2.5. It is the tracker's filtered speed, and the way that was really made in the meantime must bear it out, so
that a box that jumps to and fro is no run. There is no standard's definition; research sets (CAVIAR, UCF-Crime) stage
running as a sign of theft and assault, which is why it is watched and not alarmed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import msgspec
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from detectors.thresholds import MovingObjectThresholds, Resolver
from lanewatch.config.fields import LocalizedName
from lanewatch.records import Box

FAST = 0.35
"""Score of one who is just fast enough by day, the detector's confidence aside."""
FASTER = 0.1
"""More for each body height a second on top, up to two."""
LONE_STEP = 0.7
"""Share of the speed that the straight way since the beginning must bear out."""
SLOWED = 0.7
"""Share of the speed below which a run is over: speeds of filtered points waver by a fifth."""
UNSEEN_S = 1.0
"""Seconds for which a runner may not be seen and still runs; he is out of the picture soon."""


class RunningThresholds(MovingObjectThresholds):
    """When moving fast is running."""

    classes: str = Field(
        "person",
        title="Classes",
        description="What is judged, separated by blanks. Vehicles and bicycles are left out: they are fast. Naming "
        "more raises more events.",
    )
    speed: float = Field(
        1.7,
        ge=1,
        le=10,
        title="Speed",
        description="Body heights a second as seen in the picture (walking .8, running 2.5). Raising it leaves joggers "
        "out. Where the camera looks along a lane, ways towards it look short: lower it there by a rule.",
    )
    run_s: float = Field(
        1.5,
        ge=0.5,
        le=60,
        title="For",
        description="Seconds of going so fast. Raising it leaves out who hurries over a road.",
    )
    cooldown_s: float = Field(
        10.0,
        ge=0,
        le=3600,
        title="Cool-down",
        description="Seconds after the end in which the same person is not raised again.",
    )


class Runner(msgspec.Struct, frozen=True):
    """One who is fast: since when, from where, and how it was when he was seen last."""

    track: int
    zone: str
    since: float
    x: float
    y: float
    until: float
    fastest: float
    box: Box


class RunningMemory(msgspec.Struct, frozen=True):
    """Who is fast now."""

    runners: tuple[Runner, ...] = ()


class Running:
    """Somebody runs. One event for each run of each person."""

    kind: ClassVar[str] = "running"
    name: ClassVar[LocalizedName] = LocalizedName(ko="뛰기", en="Running")
    onvif: ClassVar[str] = ""
    kisa: ClassVar[str] = ""
    places: ClassVar[frozenset[str]] = frozenset()
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"tracks"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = RunningThresholds
    Memory: ClassVar[type[msgspec.Struct]] = RunningMemory

    def __init__(self, limits: Resolver[RunningThresholds]) -> None:
        self._limits = limits
        self._least = (SLOWED * limits.lowest("speed")) ** 2

    def start(self) -> RunningMemory:
        """Nobody runs."""
        return RunningMemory()

    def step(self, memory: RunningMemory, view: Observation) -> tuple[RunningMemory, Sequence[Candidate]]:
        """Who is fast after a record; a claim for each that is so for long enough."""
        least = self._least
        fast = [one for one in view.objects if one.vx * one.vx + one.vy * one.vy >= least * one.height * one.height]
        if not fast and not memory.runners:
            return memory, ()
        before = {one.track: one for one in memory.runners}
        now: list[Runner] = []
        claims: list[Candidate] = []
        for one in view.objects:
            runner = self._go(before.pop(one.id, None), one, view)
            if runner is not None:
                now.append(runner)
                claims += self._claim(runner, one, view)
        now += [one for one in before.values() if view.captured_at - one.until <= UNSEEN_S]
        return (RunningMemory(tuple(now)) if now or memory.runners else memory), claims

    def _go(self, before: Runner | None, one: TrackedObject, view: Observation) -> Runner | None:
        if not one.seen:
            return before if before is not None and view.captured_at - before.until <= UNSEEN_S else None
        zone = before.zone if before is not None else view.geometry.at(one.x, one.y)
        limits = self._limits.at(view, zone, one.label)
        if not one.credible or one.label not in limits.labels:
            return None
        if one.speed < limits.speed * (1.0 if before is None else SLOWED):
            return None
        now = view.captured_at
        if before is None:
            return Runner(one.id, zone, now, one.x, one.y, now, one.speed, one.box)
        fastest = max(before.fastest, one.speed)
        return msgspec.structs.replace(before, until=now, fastest=fastest, box=one.box)

    def _claim(self, runner: Runner, one: TrackedObject, view: Observation) -> Sequence[Candidate]:
        limits = self._limits.at(view, runner.zone, one.label)
        ran_s = runner.until - runner.since
        if ran_s < limits.run_s - 1e-3:
            return ()
        pace = math.hypot(one.x - runner.x, one.y - runner.y) / one.height / ran_s
        if pace < LONE_STEP * limits.speed:
            return ()
        claim = Candidate(
            key=str(runner.track),
            zone=runner.zone,
            since=runner.since,
            until=runner.until,
            tracks=(runner.track,),
            born=one.born,
            box=runner.box,
            clarity=one.score * one.height,
            severity=1,
            thresholds=limits,
            explain=lambda: _account(runner, one, view, limits),
            reached=runner.fastest >= limits.speed,
            cooldown_s=limits.cooldown_s,
        )
        return (claim,)


def _account(runner: Runner, one: TrackedObject, view: Observation, limits: RunningThresholds) -> Explanation:
    ran_s = runner.until - runner.since
    fastest = runner.fastest
    faster = min(max(fastest - limits.speed, 0.0), 2.0)
    factors = (
        scoring.make_factor(
            "speed", FAST + FASTER * faster, speed=round(fastest, 2), threshold=limits.speed, seconds=ran_s
        ),
        *scoring.common_factors(view.condition, one.label, one.score),
    )
    who_ko, who_en = scoring.subject(one.label)
    when_ko, when_en = scoring.WHEN[view.condition]
    sentence = {
        "ko": f"{when_ko} {who_ko} {ran_s:.1f}초 동안 뜀 (최고 초당 키의 {fastest:.1f}배, 기준 {limits.speed:g}배)",
        "en": f"{who_en} running for {ran_s:.1f} s {when_en} (up to {fastest:.1f} body heights/s, "
        f"threshold {limits.speed:g})",
    }
    return Explanation(factors, sentence)
