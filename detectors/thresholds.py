"""The thresholds for a zone, class and time: a behaviour's defaults, and a site's rules."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from detectors.observation.observation import Observation
from lanewatch.config.site import BehaviourConfig, Site, ThresholdRule
from lanewatch.records import LABELS


def _with_joined_lines(schema: dict[str, Any]) -> None:
    """Makes one line of each description of a JSON Schema: they are docstrings of several lines."""
    for threshold in schema["properties"].values():
        if "description" in threshold:
            threshold["description"] = " ".join(threshold["description"].split())


class Thresholds(BaseModel):
    """The base of every behaviour's thresholds. Unknown names are refused, and values are immutable.

    The docstring below a threshold is its description in the site file's JSON Schema.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, json_schema_extra=_with_joined_lines
    )

    def numbers(self) -> dict[str, float]:
        """The numeric thresholds by name, as events carry them."""
        values = self.model_dump().items()
        return {name: float(value) for name, value in values if type(value) in (int, float)}


class MovingObjectThresholds(Thresholds):
    """Of behaviours that evaluate moving objects."""

    classes: str = Field("person unknown bicycle motorcycle car bus truck", title="Classes")
    """The classes that are evaluated, separated by blanks; unknown is motion without a class. Adding classes raises
    more events."""

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
    """Of behaviours that evaluate stays in a zone."""

    exit_grace_s: float = Field(1.0, ge=0, le=60, title="Exit grace")
    """Seconds for which a person may be seen outside without ending the stay. Raising it joins stays."""
    occlusion_grace_s: float = Field(4.0, ge=0, le=60, title="Occlusion grace")
    """Seconds for which a person may be unseen without ending the stay. Raising it joins stays, in crowds also those of
    different people."""
    vanish_grace_s: float = Field(20.0, ge=0, le=300, title="Vanish grace")
    """Seconds for which a person may be unseen who vanished away from the zone's edge, if it is longer than the
    occlusion grace. Raising it joins stays."""


T = TypeVar("T", bound=Thresholds)


class ThresholdError(ValueError):
    """A site gives a behaviour thresholds that it does not have."""


class Resolver(Generic[T]):
    """One behaviour's thresholds at one camera. Of the rules that match, the last one wins, name by name.

    All combinations of the site's rules are checked at creation, so that the watch stage never meets an invalid one.

    Raises:
        ThresholdError: a name is unknown or a value out of range; the message names the behaviour and the rule.
    """

    def __init__(self, site: Site, camera: str, kind: str, model: type[T]) -> None:
        self._model = model
        config = site.behaviours.get(kind, BehaviourConfig())
        self._defaults = config.thresholds
        self._rules = tuple(rule for rule in config.rules if not rule.cameras or camera in rule.cameras)
        self._schedules = tuple(dict.fromkeys(rule.schedule for rule in self._rules if rule.schedule is not None))
        self._resolved: dict[tuple[str, int, tuple[bool, ...]], T] = {}
        self._check(kind, self._defaults, f"behaviours.{kind}.thresholds")
        self._without_rules = model.model_validate(self._defaults)
        for number, rule in enumerate(config.rules):
            self._check(kind, self._defaults | rule.thresholds, f"behaviours.{kind}.rules[{number}].thresholds")

    def resolve(self, observation: Observation, zone: str, label: int) -> T:
        """The thresholds for a class in a zone (or at a line) at the time of an observation."""
        if not self._rules:
            return self._without_rules
        key = (zone, label, tuple([observation.holds(name) for name in self._schedules]))
        thresholds = self._resolved.get(key)
        if thresholds is None:
            active = {name for name, holds in zip(self._schedules, key[2], strict=True) if holds}
            values: dict[str, Any] = dict(self._defaults)
            for rule in self._rules:
                if _applies(rule, zone, LABELS[label], active):
                    values |= rule.thresholds
            thresholds = self._resolved[key] = self._model.model_validate(values)
        return thresholds

    def lowest(self, name: str) -> float:
        """The lowest value of a threshold in any zone at any time, so that ``resolve`` is called only near it."""
        values = [float(rule.thresholds[name]) for rule in self._rules if name in rule.thresholds]
        return min([float(getattr(self._without_rules, name)), *values])

    def _check(self, kind: str, values: dict[str, Any], location: str) -> None:
        try:
            self._model.model_validate(values)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, item['loc'])) or kind}: {item['msg']}" for item in error.errors())
            known = ", ".join(self._model.model_fields)
            raise ThresholdError(f"{location}: {problems} (the thresholds of {kind} are {known})") from None


def _applies(rule: ThresholdRule, zone: str, label: str, active: set[str]) -> bool:
    return (
        (not rule.zones or zone in rule.zones)
        and (not rule.classes or label in rule.classes)
        and (rule.schedule is None or rule.schedule in active)
    )
