"""What all camera faults share: hysteresis over time, and baselines of the picture for each kind of light."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, ClassVar, NamedTuple, TypeVar

import msgspec
from msgspec.structs import replace
from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import BaseBehaviour, Candidate, Explanation, Result
from detectors.behaviours.common.explanations import whole_seconds
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackPoint
from detectors.thresholds import Thresholds
from lanewatch.records import UNKNOWN

FAULT_SCORE = 0.35
"""Score of a new fault: an operator should look at the camera, not dispatch."""
LONGER_SCORE = 0.1
"""More for each tenfold of the hold time, up to twice."""

KNOWN_COUNT = 15
"""After so many records, half a minute, a camera's baseline is known."""


def hold_field(
    seconds: float, *, least: float = 0, most: float = 3600, what: str = "Seconds for which the condition must hold"
) -> Any:
    """The threshold ``hold_s`` with another default."""
    description = f"{what}. Raising it raises fewer and later events."
    return Field(seconds, ge=least, le=most, title="Hold", description=description)


def alert_field(seconds: float) -> Any:
    """The threshold ``alert_s`` with another default."""
    description = "Seconds after which it becomes an alert. Raising it keeps events at watch for longer."
    return Field(seconds, ge=0, le=86_400, title="Alert after", description=description)


class HealthThresholds(Thresholds):
    """The thresholds of all camera faults."""

    hold_s: float = hold_field(30.0)
    back_s: float = Field(10.0, ge=0, le=3600, title="Back")
    """Seconds without the condition until the event ends. Raising it joins an intermittent condition into one event."""
    alert_s: float = alert_field(600.0)


class HeldCondition(msgspec.Struct, frozen=True):
    """A condition over time: when it was first and last met, and the measured value and its limit then.

    It is ``active`` if it has held for long enough. Times are capture times, -1 if there is none.
    """

    since: float = -1.0
    until: float = -1.0
    absent_since: float = -1.0
    active: bool = False
    value: float = 0.0
    limit: float = 0.0


class Baseline(msgspec.Struct, frozen=True):
    """A running mean of a few values, and the number of records in it."""

    values: tuple[float, ...]
    count: int = 1

    @property
    def known(self) -> bool:
        """Whether it has enough records for a comparison."""
        return self.count >= KNOWN_COUNT


class CameraHealthMemory(msgspec.Struct, frozen=True):
    """The memory of one kind of fault at a camera.

    ``baselines`` are by the kind of light, or "all". ``lively_s``: seconds in which the picture changed (``frozen``).
    """

    condition: HeldCondition = HeldCondition()
    baselines: dict[str, Baseline] = {}
    updated_at: float = 0.0
    lively_s: float = 0.0


class HealthReading(NamedTuple):
    """The result of one record.

    ``faulty`` is whether the condition is met. It is None between the two limits, and if nothing can be measured: then
    the present state continues. ``since`` is when the condition began, if the record tells. An ``immediate`` condition
    is a fault without the hold time.
    """

    faulty: bool | None
    value: float = 0.0
    limit: float = 0.0
    since: float | None = None
    immediate: bool = False


ReadResult = tuple[CameraHealthMemory, HealthReading]


def hysteresis(met: bool, recovered: bool) -> bool | None:
    """Whether a condition is met; None between its two limits."""
    return True if met else False if recovered else None


def update_condition(
    condition: HeldCondition, reading: HealthReading, now: float, limits: HealthThresholds
) -> HeldCondition:
    """The condition after a reading."""
    if condition.active:
        if reading.faulty is False:
            absent_since = now if condition.absent_since < 0 else condition.absent_since
            ended = now - absent_since >= limits.back_s
            return HeldCondition() if ended else replace(condition, absent_since=absent_since)
        if reading.faulty is None:
            return replace(condition, until=now, absent_since=-1.0)
        return HeldCondition(condition.since, now, active=True, value=reading.value, limit=reading.limit)
    if not reading.faulty:
        return condition if condition.since < 0 else HeldCondition()
    since = reading.since
    if since is None:
        since = condition.since if condition.since >= 0 else now
    active = reading.immediate or now - since >= limits.hold_s
    return HeldCondition(since, now, active=active, value=reading.value, limit=reading.limit)


def update_baseline(
    baseline: Baseline | None, values: tuple[float, ...], elapsed_s: float, time_constant_s: float
) -> Baseline:
    """The mean after another record: a plain mean at first, then one over about ``time_constant_s``."""
    if baseline is None:
        return Baseline(values)
    weight = max(1.0 / (baseline.count + 1), 1.0 - math.exp(-elapsed_s / time_constant_s))
    means = tuple(mean + (value - mean) * weight for mean, value in zip(baseline.values, values, strict=True))
    return Baseline(means, min(baseline.count + 1, 1_000_000))


T = TypeVar("T", bound=HealthThresholds)


class CameraHealthBehaviour(BaseBehaviour[T, CameraHealthMemory]):
    """A camera fault. A subclass declares ``kind``, ``name`` and ``Thresholds``, and measures its condition."""

    triggers = frozenset({"picture"})
    Memory = CameraHealthMemory
    survives_restart: ClassVar[bool] = False
    """Whether a record tells that a fault goes on, without a baseline. Then a new process continues its event."""

    def step(self, memory: CameraHealthMemory, observation: Observation) -> Result[CameraHealthMemory]:
        limits = self._limits.resolve(observation, "", UNKNOWN)
        if observation.has_frame and not observation.detections.scene.warm:  # a sampler that has just started
            reading = HealthReading(None)
        else:
            memory, reading = self.read(memory, observation, limits)
        condition = update_condition(memory.condition, reading, observation.captured_at, limits)
        if condition is not memory.condition:
            memory = replace(memory, condition=condition)
        return memory, (self._candidate(condition, observation, limits),) if condition.active else ()

    @abstractmethod
    def read(self, memory: CameraHealthMemory, observation: Observation, limits: T) -> ReadResult:
        """The memory with what was learned from a record, and its reading."""

    @abstractmethod
    def describe(self, value: float) -> tuple[str, str]:
        """The fault in Korean and English, without the camera's name and the duration."""

    def _learned(
        self,
        memory: CameraHealthMemory,
        observation: Observation,
        values: tuple[float, ...],
        elapsed_s: float,
        time_constant_s: float,
    ) -> CameraHealthMemory:
        """With the record's values in the baseline of its light, unless a fault is active."""
        if memory.condition.active:
            return memory
        light = observation.light
        baseline = update_baseline(memory.baselines.get(light), values, elapsed_s, time_constant_s)
        return replace(memory, baselines=memory.baselines | {light: baseline})

    def _candidate(self, condition: HeldCondition, observation: Observation, limits: T) -> Candidate:
        camera = observation.geometry
        lasted_s = condition.until - condition.since
        return Candidate(
            key=self.kind,
            zone="",
            since=condition.since,
            until=condition.until,
            tracks=(),
            first_point=TrackPoint(0.0, 0.0, condition.since),
            box=(0.0, 0.0, float(camera.width), float(camera.height)),
            clarity=1.0,
            severity=2 if lasted_s >= limits.alert_s else 1,
            thresholds=limits,
            explain=lambda: self._explain(condition, observation, limits),
            thresholds_met=lasted_s >= limits.hold_s,
        )

    def _explain(self, condition: HeldCondition, observation: Observation, limits: T) -> Explanation:
        lasted_s = condition.until - condition.since
        tenfolds = min(math.log10(max(lasted_s / max(limits.hold_s, 1.0), 1.0)), 2.0)
        factor = scoring.make_factor(
            self.kind,
            FAULT_SCORE + LONGER_SCORE * tenfolds,
            seconds=round(lasted_s, 1),
            threshold_s=limits.hold_s,
            measured=round(condition.value, 3),
            limit=round(condition.limit, 3),
        )
        name = observation.geometry.camera.name
        fault_ko, fault_en = self.describe(condition.value)
        lasted_ko, lasted_en = whole_seconds(lasted_s)
        sentence = {
            "ko": f"'{name.ko}' 카메라: {fault_ko} ({lasted_ko} 동안)",
            "en": f"Camera '{name.en}': {fault_en} (for {lasted_en})",
        }
        return Explanation((factor,), sentence)
