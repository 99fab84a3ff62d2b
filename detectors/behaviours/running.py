"""Running: a person moves faster than people walk, for a while. See docs/behaviours.md.

Speed is in body heights a second: a walker (1.4 m/s) has .8, a jogger 1.8, a runner 2.5. The severity is watch:
research sets (CAVIAR, UCF-Crime) stage running as a sign of theft and assault, but no standard defines it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import TOLERANCE_S, BaseBehaviour, Candidate, Explanation, Result, cooldown_field
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from detectors.thresholds import MovingObjectThresholds, Resolver
from lanewatch.config.fields import LocalizedName
from lanewatch.records import Box

RUN_SCORE = 0.35
"""Score at the threshold by day, without the detector's confidence."""
FASTER_SCORE = 0.1
"""More for each body height a second above the threshold, up to two."""
MIN_MEAN_SPEED = 0.7
"""Share of the threshold that the straight distance since the start, per second, must reach."""
CONTINUE_SPEED = 0.7
"""Share of the threshold below which a run is over: speeds of filtered points vary by a fifth."""
MAX_UNSEEN_S = 1.0
"""Seconds for which a runner may be unobserved and still runs; runners leave the picture soon."""


class RunningThresholds(MovingObjectThresholds):
    """When fast motion is running."""

    classes: str = Field("person", title="Classes")
    """Classes to evaluate, separated by blanks. Vehicles and bicycles are excluded because they are fast. More classes
    raise more events."""
    speed: float = Field(1.7, ge=1, le=10, title="Speed")
    """Body heights a second as seen in the picture (walking .8, running 2.5). Raising it excludes joggers. If the
    camera looks along a lane, distances along it look short: lower it there by a rule."""
    run_s: float = Field(1.5, ge=0.5, le=60, title="For")
    """Seconds at that speed. Raising it excludes people who hurry over a road."""
    cooldown_s: float = cooldown_field(10.0, "the same person")


class Runner(msgspec.Struct, frozen=True):
    """A fast person: the start of the run in time and place, and the last observation."""

    track: int
    zone: str
    since: float
    x: float
    y: float
    until: float
    fastest: float
    box: Box


class RunningMemory(msgspec.Struct, frozen=True):
    runners: tuple[Runner, ...] = ()


class Running(BaseBehaviour[RunningThresholds, RunningMemory]):
    """A person runs. One event for each run of each person."""

    kind = "running"
    name = LocalizedName(ko="뛰기", en="Running")
    Thresholds = RunningThresholds
    Memory = RunningMemory

    def __init__(self, limits: Resolver[RunningThresholds]) -> None:
        super().__init__(limits)
        self._min_speed_squared = (CONTINUE_SPEED * limits.lowest("speed")) ** 2

    def step(self, memory: RunningMemory, observation: Observation) -> Result[RunningMemory]:
        least = self._min_speed_squared
        fast = [o for o in observation.objects if o.vx * o.vx + o.vy * o.vy >= least * o.height * o.height]
        if not fast and not memory.runners:
            return memory, ()
        before = {runner.track: runner for runner in memory.runners}
        runners: list[Runner] = []
        candidates: list[Candidate] = []
        for track in observation.objects:
            runner = self._updated(before.pop(track.id, None), track, observation)
            if runner is not None:
                runners.append(runner)
                candidates += self._candidates(runner, track, observation)
        runners += [runner for runner in before.values() if observation.captured_at - runner.until <= MAX_UNSEEN_S]
        return (RunningMemory(tuple(runners)) if runners or memory.runners else memory), candidates

    def _updated(self, before: Runner | None, track: TrackedObject, observation: Observation) -> Runner | None:
        """The track's run after this record; None if it does not run."""
        now = observation.captured_at
        if not track.seen:
            return before if before is not None and now - before.until <= MAX_UNSEEN_S else None
        zone = before.zone if before is not None else observation.geometry.zone_at(track.x, track.y)
        limits = self._limits.resolve(observation, zone, track.label)
        if not track.credible or track.label not in limits.labels:
            return None
        if track.speed < limits.speed * (1.0 if before is None else CONTINUE_SPEED):
            return None
        if before is None:
            return Runner(track.id, zone, now, track.x, track.y, now, track.speed, track.box)
        return msgspec.structs.replace(before, until=now, fastest=max(before.fastest, track.speed), box=track.box)

    def _candidates(self, runner: Runner, track: TrackedObject, observation: Observation) -> Sequence[Candidate]:
        limits = self._limits.resolve(observation, runner.zone, track.label)
        run_s = runner.until - runner.since
        if run_s < limits.run_s - TOLERANCE_S:
            return ()
        mean_speed = math.hypot(track.x - runner.x, track.y - runner.y) / track.height / run_s
        if mean_speed < MIN_MEAN_SPEED * limits.speed:
            return ()
        candidate = Candidate(
            key=str(runner.track),
            zone=runner.zone,
            since=runner.since,
            until=runner.until,
            tracks=(track.id,),
            first_point=track.first_point,
            box=runner.box,
            clarity=track.score * track.height,
            severity=1,
            thresholds=limits,
            explain=lambda: _explain(runner, track, observation, limits),
            thresholds_met=runner.fastest >= limits.speed,
            cooldown_s=limits.cooldown_s,
        )
        return (candidate,)


def _explain(runner: Runner, track: TrackedObject, observation: Observation, limits: RunningThresholds) -> Explanation:
    run_s = runner.until - runner.since
    fastest = runner.fastest
    score = RUN_SCORE + FASTER_SCORE * min(max(fastest - limits.speed, 0.0), 2.0)
    factors = (
        scoring.make_factor("speed", score, speed=round(fastest, 2), threshold=limits.speed, seconds=run_s),
        *scoring.common_factors(observation.condition, track.label, track.score),
    )
    who_ko, who_en = scoring.subject(track.label)
    when_ko, when_en = scoring.WHEN[observation.condition]
    sentence = {
        "ko": f"{when_ko} {who_ko} {run_s:.1f}초 동안 뜀 (최고 초당 키의 {fastest:.1f}배, 기준 {limits.speed:g}배)",
        "en": f"{who_en} running for {run_s:.1f} s {when_en} (up to {fastest:.1f} body heights/s, "
        f"threshold {limits.speed:g})",
    }
    return Explanation(factors, sentence)
