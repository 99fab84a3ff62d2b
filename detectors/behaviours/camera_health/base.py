"""Camera trouble: what all of its kinds share. A sign must hold before it counts and be gone for a while before it is
over, so that nothing flaps; what is usual at a camera is a slow running mean, apart for each kind of light.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

import msgspec
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackPoint
from detectors.thresholds import Resolver, Thresholds
from lanewatch.config.fields import LocalizedName
from lanewatch.records import UNKNOWN

REACHED = 0.35
"""Score of trouble that has just been noticed: somebody should look at the camera, not run there."""
LASTING = 0.1
"""More for each tenfold of the time that it had to hold, up to twice."""

KNOWN_LOOKS = 15
"""After so many looks, half a minute, a camera's usual values are known."""


def hold_field(
    seconds: float, *, least: float = 0, most: float = 3600, what: str = "Seconds for which it must be so"
) -> Any:
    """The threshold ``hold_s`` with another usual value."""
    told = f"{what}. Raising it raises fewer and later events."
    return Field(seconds, ge=least, le=most, title="Hold", description=told)


def alert_field(seconds: float) -> Any:
    """The threshold ``alert_s`` with another usual value."""
    told = "Seconds after which it becomes an alert. Raising it keeps events at watch for longer."
    return Field(seconds, ge=0, le=86_400, title="Alert after", description=told)


class HealthThresholds(Thresholds):
    """What all camera trouble has."""

    hold_s: float = hold_field(30.0)
    back_s: float = Field(
        10.0,
        ge=0,
        le=3600,
        title="Back",
        description="Seconds for which it must be well again. Raising it joins what comes and goes into one event.",
    )
    alert_s: float = alert_field(600.0)


class HeldCondition(msgspec.Struct, frozen=True):
    """One sign over time; times are capture times, -1 where there is none.

    Attributes:
        since: When it began to show.
        until: When it was last seen so.
        fine_since: When it began to be well again.
        on: It counts.
        value: The number that was judged when it was last seen so, and ``limit`` what it was judged by.
    """

    since: float = -1.0
    until: float = -1.0
    fine_since: float = -1.0
    on: bool = False
    value: float = 0.0
    limit: float = 0.0


class Baseline(msgspec.Struct, frozen=True):
    """A running mean of a few numbers, and of how many looks."""

    values: tuple[float, ...]
    looks: int = 1

    @property
    def known(self) -> bool:
        """Whether enough has been seen to compare with."""
        return self.looks >= KNOWN_LOOKS


class CameraHealthMemory(msgspec.Struct, frozen=True):
    """What one kind of trouble remembers of a camera.

    Attributes:
        held: Its sign.
        baseline: What is usual, by the kind of light.
        at: Capture time of the last look.
        count: What the kind counts for itself.
    """

    held: HeldCondition = HeldCondition()
    baseline: dict[str, Baseline] = {}
    at: float = 0.0
    count: float = 0.0


class HealthReading(NamedTuple):
    """What one look says.

    Attributes:
        bad: It shows; None between the two thresholds, and where nothing can be said: then what is goes on.
        value: The number that was judged, and ``limit`` what it was judged by; for the sentence and the score.
        since: When it began, where the record says so.
    """

    bad: bool | None
    value: float = 0.0
    limit: float = 0.0
    since: float | None = None


def update_held(held: HeldCondition, sign: HealthReading, now: float, limits: HealthThresholds) -> HeldCondition:
    """The sign after a look; the very same where nothing has changed."""
    if held.on:
        if sign.bad is False:
            fine_since = now if held.fine_since < 0 else held.fine_since
            if now - fine_since >= limits.back_s:
                return HeldCondition()
            return held if fine_since == held.fine_since else msgspec.structs.replace(held, fine_since=fine_since)
        if sign.bad is None:
            return msgspec.structs.replace(held, until=now, fine_since=-1.0)
        return HeldCondition(held.since, now, on=True, value=sign.value, limit=sign.limit)
    if not sign.bad:
        return held if held.since < 0 else HeldCondition()
    since = held.since if held.since >= 0 else now
    if sign.since is not None:
        since = sign.since
    return HeldCondition(since, now, on=now - since >= limits.hold_s, value=sign.value, limit=sign.limit)


def update_baseline(usual: Baseline | None, values: tuple[float, ...], passed_s: float, over_s: float) -> Baseline:
    """The mean after another look: a plain one at first, then one over about ``over_s`` seconds."""
    if usual is None:
        return Baseline(values)
    weight = max(1.0 / (usual.looks + 1), 1.0 - math.exp(-passed_s / over_s))
    means = tuple(mean + (value - mean) * weight for mean, value in zip(usual.values, values, strict=True))
    return Baseline(means, min(usual.looks + 1, 1_000_000))


T = TypeVar("T", bound=HealthThresholds)


class CameraHealthBehaviour(ABC, Generic[T]):
    """One kind of camera trouble: a behaviour without ``kind`` and ``name``, which reads its sign in ``sign``."""

    kind: ClassVar[str]
    name: ClassVar[LocalizedName]
    onvif: ClassVar[str] = ""
    kisa: ClassVar[str] = ""
    places: ClassVar[frozenset[str]] = frozenset()
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"picture"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = HealthThresholds
    Memory: ClassVar[type[msgspec.Struct]] = CameraHealthMemory

    def __init__(self, limits: Resolver[T]) -> None:
        self._limits = limits

    def start(self) -> CameraHealthMemory:
        """Nothing is known of the camera."""
        return CameraHealthMemory()

    def step(self, memory: CameraHealthMemory, view: Observation) -> tuple[CameraHealthMemory, Sequence[Candidate]]:
        """The memory after a look, and a claim while the trouble lasts."""
        limits = self._limits.at(view, "", UNKNOWN)
        if view.detections.gap is None and not view.detections.scene.warm:  # a sampler that has just begun
            sign = HealthReading(None)
        else:
            memory, sign = self.sign(memory, view, limits)
        held = update_held(memory.held, sign, view.captured_at, limits)
        if held is not memory.held:
            memory = msgspec.structs.replace(memory, held=held)
        return memory, (self._claim(held, view, limits),) if held.on else ()

    @abstractmethod
    def sign(
        self, memory: CameraHealthMemory, view: Observation, limits: T
    ) -> tuple[CameraHealthMemory, HealthReading]:
        """What a look says, and the memory that has learned from it."""

    @abstractmethod
    def words(self, value: float, limits: T) -> tuple[str, str]:
        """What is wrong, in Korean and English, without the camera's name and for how long."""

    def _claim(self, held: HeldCondition, view: Observation, limits: T) -> Candidate:
        lasted_s = held.until - held.since
        ground = view.geometry

        def account() -> Explanation:
            longer = min(math.log10(max(lasted_s / max(limits.hold_s, 1.0), 1.0)), 2.0)
            detail: dict[str, Any] = {"seconds": round(lasted_s, 1), "threshold_s": limits.hold_s}
            detail |= {"measured": round(held.value, 3), "limit": round(held.limit, 3)}
            night = scoring.make_factor("night", scoring.NIGHT[view.condition], condition=view.condition)
            factors = (scoring.make_factor(self.kind, REACHED + LASTING * longer, **detail), night)
            return Explanation(factors, self._sentence(lasted_s, held.value, view, limits))

        return Candidate(
            key=self.kind,
            zone="",
            since=held.since,
            until=held.until,
            tracks=(),
            born=TrackPoint(0.0, 0.0, held.since),
            box=(0.0, 0.0, float(ground.width), float(ground.height)),
            clarity=1.0,
            severity=2 if lasted_s >= limits.alert_s else 1,
            thresholds=limits,
            explain=account,
            reached=lasted_s >= limits.hold_s,
        )

    def _sentence(self, lasted_s: float, value: float, view: Observation, limits: T) -> dict[str, str]:
        name = view.geometry.camera.name
        wrong_ko, wrong_en = self.words(value, limits)
        for_ko, for_en = scoring.duration(math.floor(lasted_s + 1e-6))
        return {
            "ko": f"'{name.ko}' 카메라: {wrong_ko} ({for_ko} 동안)",
            "en": f"Camera '{name.en}': {wrong_en} (for {for_en})",
        }
