"""Alarms against the truth: who met whom, counted by kind, camera or light, with what could not be judged set aside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import msgspec

from detectors.evaluation.ground_truth import Alarm, TruthEvent, TruthLabels
from detectors.evaluation.matching import AFTER_S, BEFORE_S, Instant, Matching, f1
from detectors.evaluation.observation_time import Light, Seconds

DIMENSIONS = ("kind", "camera", "condition", "zone", "pattern")
UNKNOWN = "unknown"


class Tally(NamedTuple):
    """What was counted; ``watched_s`` is None where it is not known for how long was watched."""

    hits: int = 0
    false: int = 0
    missed: int = 0
    watched_s: float | None = None

    @property
    def f1(self) -> float:
        return f1(self.hits, self.false, self.missed)


class Results(msgspec.Struct, frozen=True, kw_only=True):
    """All that was judged, and how many were set aside, by reason. ``matching`` indexes alarms and truths."""

    alarms: tuple[Alarm, ...]
    truths: tuple[TruthEvent, ...]
    matching: Matching
    aside: dict[str, int]
    seconds: Seconds

    @property
    def tally(self) -> Tally:
        """All together."""
        met = self.matching
        return Tally(len(met.pairs), len(met.false), len(met.missed), self._watched("", ""))

    def by(self, dimension: str) -> dict[str, Tally]:
        """The same apart by one of ``DIMENSIONS``. What met is counted by what the truth says of it."""
        said: Counter[tuple[str, str]] = Counter()
        for alarm, truth in self.matching.pairs:
            name = _named(self.truths[truth], dimension)
            said[name if name != UNKNOWN else _named(self.alarms[alarm], dimension), "hits"] += 1
        said.update((_named(self.alarms[number], dimension), "false") for number in self.matching.false)
        said.update((_named(self.truths[number], dimension), "missed") for number in self.matching.missed)
        names = {name for name, _ in said} | self._places(dimension)
        return {
            name: Tally(said[name, "hits"], said[name, "false"], said[name, "missed"], self._watched(dimension, name))
            for name in sorted(names)
        }

    def _places(self, dimension: str) -> set[str]:
        """Cameras and lights at which there was nothing but time."""
        axis = {"camera": 0, "condition": 1}.get(dimension)
        return set() if axis is None else {place[axis] for place in self.seconds if place[axis]}

    def _watched(self, dimension: str, name: str) -> float | None:
        if not self.seconds or dimension in ("zone", "pattern"):
            return None
        axis = {"camera": 0, "condition": 1}.get(dimension)
        return sum(s for place, s in self.seconds.items() if axis is None or (place[axis] or UNKNOWN) == name) or None


Match = Callable[[Sequence[Alarm], Sequence[TruthEvent], Callable[[Alarm | TruthEvent], object]], Matching]
"""Pairs alarms with truths of the same key, as one protocol has it."""


def window_rule(before_s: float = BEFORE_S, after_s: float = AFTER_S) -> Match:
    """The rule of a window around the truth's instant; as for ``matching.match``."""
    from detectors.evaluation.matching import match

    def pair(
        alarms: Sequence[Alarm], truths: Sequence[TruthEvent], key: Callable[[Alarm | TruthEvent], object]
    ) -> Matching:
        said = [Instant(str(key(one)), one.at) for one in alarms]
        done = [Instant(str(key(one)), one.at) for one in truths]
        return match(said, done, before_s=before_s, after_s=after_s)

    return pair


def evaluate(
    alarms: Iterable[Alarm],
    labels: Sequence[TruthLabels],
    rule: Match,
    *,
    light: Light,
    seconds: Seconds,
    after_s: float = AFTER_S,
    kinds: frozenset[str] | None = None,
) -> Results:
    """Judges alarms by labels. Alarms of which no label speaks are set aside, not false.

    Args:
        alarms: any order.
        labels: of any number of stretches of any cameras.
        rule: the protocol's.
        light: for alarms and truths that don't say.
        seconds: camera time.
        after_s: alarms so long after a stretch's end are still judged.
        kinds: only these; None: all.
    """
    truths = [
        one if one.condition else msgspec.structs.replace(one, condition=light(one.camera, one.at))
        for stretch in labels
        for one in stretch.happenings
        if kinds is None or one.kind in kinds
    ]
    aside: Counter[str] = Counter()
    judged = []
    for alarm in alarms:
        reason = _beyond(alarm, labels, after_s, kinds)
        if reason:
            aside[reason] += 1
        else:
            condition = alarm.condition or light(alarm.camera, alarm.at)
            judged.append(msgspec.structs.replace(alarm, condition=condition))
    anywhere = {(one.camera, one.kind) for one in truths if one.zone is None}

    def key(one: Alarm | TruthEvent) -> object:
        place = (one.camera, one.kind)
        return (*place, None if place in anywhere else one.zone)

    matching = rule(judged, truths, key)
    return Results(alarms=tuple(judged), truths=tuple(truths), matching=matching, aside=dict(aside), seconds=seconds)


def _beyond(alarm: Alarm, labels: Sequence[TruthLabels], after_s: float, kinds: frozenset[str] | None) -> str:
    """Why an alarm is not judged, "" where it is."""
    if kinds is not None and alarm.kind not in kinds:
        return "alarms of kinds that were not asked for"
    own = [one for one in labels if one.camera == alarm.camera]
    if not own:
        return "alarms of cameras without labels"
    own = [one for one in own if one.covers(alarm.at, after_s)]
    if not own:
        return "alarms outside of the labelled time"
    if all(one.kinds is not None and alarm.kind not in one.kinds for one in own):
        return "alarms of kinds that were not labelled"
    return ""


def _named(one: Alarm | TruthEvent, dimension: str) -> str:
    return str(getattr(one, dimension, None) or UNKNOWN)
