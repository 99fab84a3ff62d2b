"""Pairing alarms with truths by KISA's rule for intelligent CCTV, and precision, recall and F1."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

BEFORE_S = 2.0
AFTER_S = 10.0
"""KISA's certification counts an alarm from 2 s before to 10 s after the instant of the truth."""


class Instant(NamedTuple):
    """A truth or an alarm: its kind and place (``key``), and its time (capture time)."""

    key: Hashable
    at: float


class Matching(NamedTuple):
    """Pairs of an alarm and a truth, missed truths and false alarms, as indices.

    An alarm outside every window is a false positive *and* leaves its truth missed.
    """

    pairs: tuple[tuple[int, int], ...]
    missed: tuple[int, ...]
    false: tuple[int, ...]

    @property
    def precision(self) -> float:
        """Share of the alarms that are true; 1 without alarms."""
        alarms = len(self.pairs) + len(self.false)
        return len(self.pairs) / alarms if alarms else 1.0

    @property
    def recall(self) -> float:
        """Share of the truths that were found; 1 without truths."""
        truths = len(self.pairs) + len(self.missed)
        return len(self.pairs) / truths if truths else 1.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 without truths and alarms."""
        return f1(len(self.pairs), len(self.false), len(self.missed))


def f1(hits: int, false: int, missed: int) -> float:
    """The harmonic mean of precision and recall; 1 without truths and alarms."""
    total = 2 * hits + false + missed
    return 2 * hits / total if total else 1.0


def match(
    alarms: Sequence[Instant], truths: Sequence[Instant], *, before_s: float = BEFORE_S, after_s: float = AFTER_S
) -> Matching:
    """Pairs alarms with truths of the same key, one to one, as many as the windows allow.

    An alarm counts from ``before_s`` before the truth until ``after_s`` after it. Each truth, in order of time, gets
    the earliest alarm in its window. This is optimal, since all windows have one length.

    Raises:
        TypeError: these are events or texts instead of instants.
    """
    for name, items, example in (("alarms", alarms, "alarms(events)"), ("truths", truths, "truths(file)")):
        wrong = next((item for item in items if not isinstance(item, Instant)), None)
        if wrong is not None:
            kind = type(wrong).__name__
            raise TypeError(f"match needs {name} as instants, such as lanewatch.{example}; this has a {kind}")
    waiting: dict[Hashable, list[int]] = defaultdict(list)
    for index in sorted(range(len(alarms)), key=lambda i: alarms[i].at):
        waiting[alarms[index].key].append(index)
    pairs, missed = [], []
    for index in sorted(range(len(truths)), key=lambda i: truths[i].at):
        truth = truths[index]
        queue = waiting[truth.key]
        chosen = next((a for a in queue if -before_s <= alarms[a].at - truth.at <= after_s), None)
        if chosen is None:
            missed.append(index)
        else:
            queue.remove(chosen)
            pairs.append((chosen, index))
    false = sorted(index for queue in waiting.values() for index in queue)
    return Matching(tuple(pairs), tuple(missed), tuple(false))
