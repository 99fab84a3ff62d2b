"""The two sides of an evaluation, from whatever files: ground truth and alarms."""

from __future__ import annotations

import msgspec

from lanewatch.config.problems import Problem

CONDITIONS = ("day", "dusk", "night", "infrared")


class EvaluationError(ValueError):
    """Ground truth or alarms that cannot be used; the message has a line for each problem, with file, line and fix."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class TruthEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A real event at a camera, by its ground truth.

    Attributes:
        camera: Its id, or the name of KISA's clip without its extension.
        kind: A behaviour's kind, or a class of KISA's list.
        zone: Id of the zone or line; None if unknown, so that an alarm of any zone matches.
        at: Time of the expected alarm: capture time, seconds UTC (in KISA's clips, from the clip's beginning).
        condition: The light; "" if unknown.
        pattern: The variant of the kind, such as "on foot"; "" if unknown.
    """

    camera: str
    kind: str
    zone: str | None
    at: float
    end: float | None = None
    condition: str = ""
    pattern: str = ""
    what: str = ""
    line: int = 0


class TruthLabels(msgspec.Struct, frozen=True, kw_only=True):
    """The labels of one stretch of one camera. An alarm beyond the stretch is neither right nor wrong.

    ``start`` and ``end`` are capture times; no end if the file gives no duration. ``kinds`` are the labelled ones;
    None: all. ``condition`` is the light all through it; "" if unknown.
    """

    file: str
    camera: str
    start: float
    end: float | None
    events: tuple[TruthEvent, ...]
    kinds: frozenset[str] | None = None
    condition: str = ""

    def covers(self, at: float, after_s: float = 0.0) -> bool:
        """Whether a time lies in the stretch, or up to ``after_s`` after it."""
        return self.start <= at and (self.end is None or at <= self.end + after_s)


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """An event of ours, or an alarm in KISA's XML: raised ``at`` a capture time, its subject last seen at its ``end``.

    ``kisa`` is the class of KISA's list, "" if the kind has none.
    """

    camera: str
    kind: str
    zone: str
    at: float
    end: float | None = None
    score: float = 1.0
    condition: str = ""
    kisa: str = ""
    id: str = ""
