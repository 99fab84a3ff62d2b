"""Which alarm met which truth: KISA's rule for intelligent CCTV, and the scores that follow from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence
from typing import NamedTuple

BEFORE_S = 2.0
AFTER_S = 10.0
"""KISA's certification counts an alarm from 2 s before to 10 s after the instant of the truth."""


class Instant(NamedTuple):
    """Something that happened, or was said to have: what and where it was (``key``), and when (capture time)."""

    key: Hashable
    at: float


class Matching(NamedTuple):
    """Which alarm met which truth, as indices.

    An alarm outside every window is a false positive *and* leaves the truth it meant missed.
    """

    pairs: tuple[tuple[int, int], ...]
    missed: tuple[int, ...]
    false: tuple[int, ...]

    @property
    def precision(self) -> float:
        """Alarms that met a truth, of all alarms; 1 where there was none."""
        alarms = len(self.pairs) + len(self.false)
        return len(self.pairs) / alarms if alarms else 1.0

    @property
    def recall(self) -> float:
        """Truths that were met, of all truths; 1 where there was none."""
        truths = len(self.pairs) + len(self.missed)
        return len(self.pairs) / truths if truths else 1.0

    @property
    def f1(self) -> float:
        """2 TP / (2 TP + FP + FN); 1 where nothing happened and nothing was raised."""
        return f1(len(self.pairs), len(self.false), len(self.missed))


def f1(hits: int, false: int, missed: int) -> float:
    """The harmonic mean of precision and recall; 1 where there was nothing to find and nothing was found."""
    total = 2 * hits + false + missed
    return 2 * hits / total if total else 1.0


def match(
    alarms: Sequence[Instant], truths: Sequence[Instant], *, before_s: float = BEFORE_S, after_s: float = AFTER_S
) -> Matching:
    """Pairs alarms with truths of the same key, one to one, as many as the windows allow.

    Serving the truth whose window closes first with the earliest alarm in it is optimal, since all windows are of
    one length.

    Args:
        alarms: Any order.
        truths: Any order.
        before_s: An alarm counts from so long before the truth; *raising* it forgives haste.
        after_s: to so long after it; *raising* it forgives slowness.
    """
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
