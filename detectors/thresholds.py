"""Which thresholds apply where and when: a behaviour's usual values, and a site's rules by zone, class and schedule."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from detectors.observation.observation import Observation
from lanewatch.config.site import BehaviourConfig, Site, ThresholdRule
from lanewatch.records import LABELS


class Thresholds(BaseModel):
    """What every behaviour's thresholds derive from: unknown names are refused, values don't change."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def numbers(self) -> dict[str, float]:
        """Those that are numbers, by name, as events carry them."""
        return {
            name: float(value)
            for name, value in self.model_dump().items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }


class MovingObjectThresholds(Thresholds):
    """Of behaviours that judge what moves."""

    classes: str = Field(
        "person unknown bicycle motorcycle car bus truck",
        title="Classes",
        description="What is judged, separated by blanks; unknown is what moves and has no name. Naming more raises "
        "more events.",
    )

    @field_validator("classes")
    @classmethod
    def _known(cls, classes: str) -> str:
        for name in classes.split():
            if name not in LABELS:
                raise ValueError(f"no class {name!r}; there are {', '.join(LABELS)}")
        return classes

    @cached_property
    def labels(self) -> frozenset[int]:
        """The classes as indices into ``LABELS``."""
        return frozenset(LABELS.index(name) for name in self.classes.split())


class DwellThresholds(MovingObjectThresholds):
    """Of behaviours that judge stays in a zone."""

    exit_grace_s: float = Field(
        1.0,
        ge=0,
        le=60,
        title="Exit grace",
        description="Seconds that somebody may be seen outside and the stay goes on. Raising it joins stays.",
    )
    occlusion_grace_s: float = Field(
        4.0,
        ge=0,
        le=60,
        title="Occlusion grace",
        description="Seconds that somebody may not be seen at all and the stay goes on. Raising it joins stays, of "
        "different people too where many pass.",
    )


T = TypeVar("T", bound=Thresholds)


class ThresholdError(ValueError):
    """A site gives a behaviour thresholds that it does not take."""


class Resolver(Generic[T]):
    """One behaviour's thresholds at one camera. Of the rules that match, the last one wins, name by name.

    Every combination that the site's rules allow is checked when the resolver is made, so that a fold never meets
    a bad one at three in the morning.

    Raises:
        ThresholdError: a name is unknown or a value out of range; the message names the behaviour and the place.
    """

    def __init__(self, site: Site, camera: str, kind: str, model: type[T]) -> None:
        self._model = model
        watching = site.behaviours.get(kind, BehaviourConfig())
        self._usual = watching.thresholds
        self._rules = tuple(rule for rule in watching.rules if not rule.cameras or camera in rule.cameras)
        self._schedules = tuple(dict.fromkeys(rule.schedule for rule in self._rules if rule.schedule is not None))
        self._made: dict[tuple[str, int, tuple[bool, ...]], T] = {}
        self._check(kind, self._usual, f"behaviours.{kind}.thresholds")
        self._always = model.model_validate(self._usual)
        for number, rule in enumerate(watching.rules):
            self._check(kind, self._usual | rule.thresholds, f"behaviours.{kind}.rules[{number}].thresholds")

    def at(self, view: Observation, zone: str, label: int) -> T:
        """The thresholds for a class in a zone (or at a line) at the view's time."""
        if not self._rules:
            return self._always
        key = (zone, label, tuple([view.holds(name) for name in self._schedules]))
        made = self._made.get(key)
        if made is None:
            held = {name for name, holds in zip(self._schedules, key[2], strict=True) if holds}
            values: dict[str, Any] = dict(self._usual)
            for rule in self._rules:
                if _applies(rule, zone, LABELS[label], held):
                    values |= rule.thresholds
            made = self._made[key] = self._model.model_validate(values)
        return made

    def lowest(self, name: str) -> float:
        """The lowest value of a number that may apply anywhere and ever, so that ``at`` is asked only near it."""
        given = [self._usual, *(rule.thresholds for rule in self._rules)]
        return min([float(getattr(self._always, name)), *(float(one[name]) for one in given if name in one)])

    def _check(self, kind: str, values: dict[str, Any], place: str) -> None:
        try:
            self._model.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, one['loc'])) or kind}: {one['msg']}" for one in error.errors())
            known = ", ".join(self._model.model_fields)
            raise ThresholdError(f"{place}: {problems} (the thresholds of {kind} are {known})") from None


def _applies(rule: ThresholdRule, zone: str, label: str, held: set[str]) -> bool:
    return (
        (not rule.zones or zone in rule.zones)
        and (not rule.classes or label in rule.classes)
        and (rule.schedule is None or rule.schedule in held)
    )
