"""Alarms compared with ground truth: counts by kind, camera or light, and the alarms that were excluded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from detectors.evaluation.ground_truth import Alarm, TruthEvent, TruthLabels
from detectors.evaluation.matching import AFTER_S, BEFORE_S, Instant, Matching, f1, match
from detectors.evaluation.observation_time import Light, ObservedSeconds

DIMENSIONS = ("kind", "camera", "condition", "zone", "pattern")
UNKNOWN = "unknown"
_AXES = {"camera": 0, "condition": 1}
"""Dimensions by which the observation time is known, and their index in its keys."""


class Tally(NamedTuple):
    """Counts; ``observed_s`` is the observation time, None if unknown."""

    hits: int = 0
    false: int = 0
    missed: int = 0
    observed_s: float | None = None

    @property
    def f1(self) -> float:
        return f1(self.hits, self.false, self.missed)


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """The evaluated alarms and truths, and the number of excluded alarms by reason. ``matching`` has indices."""

    alarms: tuple[Alarm, ...]
    truths: tuple[TruthEvent, ...]
    matching: Matching
    excluded: dict[str, int]
    seconds: ObservedSeconds

    @property
    def tally(self) -> Tally:
        """The total."""
        matching = self.matching
        return Tally(len(matching.pairs), len(matching.false), len(matching.missed), self._observed_s("", ""))

    def by(self, dimension: str) -> dict[str, Tally]:
        """The counts by one of ``DIMENSIONS``. Pairs are counted under the truth's value."""
        counts: Counter[tuple[str, str]] = Counter()
        for alarm, truth in self.matching.pairs:
            value = _value(self.truths[truth], dimension)
            counts[value if value != UNKNOWN else _value(self.alarms[alarm], dimension), "hits"] += 1
        counts.update((_value(self.alarms[number], dimension), "false") for number in self.matching.false)
        counts.update((_value(self.truths[number], dimension), "missed") for number in self.matching.missed)
        axis = _AXES.get(dimension)
        values = {value for value, _ in counts}
        if axis is not None:  # cameras and lights that were observed without alarms and truths
            values |= {key[axis] for key in self.seconds if key[axis]}
        return {
            value: Tally(
                counts[value, "hits"],
                counts[value, "false"],
                counts[value, "missed"],
                self._observed_s(dimension, value),
            )
            for value in sorted(values)
        }

    def _observed_s(self, dimension: str, value: str) -> float | None:
        if not self.seconds or dimension in ("zone", "pattern"):
            return None
        axis = _AXES.get(dimension)
        return sum(s for key, s in self.seconds.items() if axis is None or (key[axis] or UNKNOWN) == value) or None


KeyFunction = Callable[[Alarm | TruthEvent], object]
MatchingRule = Callable[[Sequence[Alarm], Sequence[TruthEvent], KeyFunction], Matching]
"""Pairs alarms with truths of the same key, by one protocol."""


def window_rule(before_s: float = BEFORE_S, after_s: float = AFTER_S) -> MatchingRule:
    """The rule of a window around the truth's time; see ``matching.match``."""

    def rule(alarms: Sequence[Alarm], truths: Sequence[TruthEvent], key: KeyFunction) -> Matching:
        alarm_instants = [Instant(str(key(alarm)), alarm.at) for alarm in alarms]
        truth_instants = [Instant(str(key(truth)), truth.at) for truth in truths]
        return match(alarm_instants, truth_instants, before_s=before_s, after_s=after_s)

    return rule


def evaluate(
    alarms: Iterable[Alarm],
    labels: Sequence[TruthLabels],
    rule: MatchingRule,
    *,
    light: Light,
    seconds: ObservedSeconds,
    kinds: frozenset[str] | None = None,
) -> Results:
    """Compares alarms with labels, by a protocol's rule. Alarms outside of all labels are excluded, not false.

    ``light`` is for alarms and truths without a condition. Only the ``kinds`` are evaluated; None: all.
    """
    truths = [
        truth if truth.condition else msgspec.structs.replace(truth, condition=light(truth.camera, truth.at))
        for stretch in labels
        for truth in stretch.events
        if kinds is None or truth.kind in kinds
    ]
    excluded: Counter[str] = Counter()
    evaluated = []
    for alarm in alarms:
        reason = _exclusion(alarm, labels, kinds)
        if reason:
            excluded[reason] += 1
        else:
            condition = alarm.condition or light(alarm.camera, alarm.at)
            evaluated.append(msgspec.structs.replace(alarm, condition=condition))
    any_zone = {(truth.camera, truth.kind) for truth in truths if truth.zone is None}

    def key(item: Alarm | TruthEvent) -> object:
        place = (item.camera, item.kind)
        return (*place, None if place in any_zone else item.zone)

    matching, left_out = rule(evaluated, truths, key), dict(excluded)
    return Results(alarms=tuple(evaluated), truths=tuple(truths), matching=matching, excluded=left_out, seconds=seconds)


def _exclusion(alarm: Alarm, labels: Sequence[TruthLabels], kinds: frozenset[str] | None) -> str:
    """Why an alarm is excluded; "" if it is evaluated."""
    if kinds is not None and alarm.kind not in kinds:
        return "alarms of kinds that were not asked for"
    stretches = [stretch for stretch in labels if stretch.camera == alarm.camera]
    if not stretches:
        return "alarms of cameras without labels"
    stretches = [stretch for stretch in stretches if stretch.covers(alarm.at, AFTER_S)]
    if not stretches:
        return "alarms outside of the labelled time"
    if all(stretch.kinds is not None and alarm.kind not in stretch.kinds for stretch in stretches):
        return "alarms of kinds that were not labelled"
    return ""


def _value(item: Alarm | TruthEvent, dimension: str) -> str:
    return str(getattr(item, dimension, None) or UNKNOWN)
