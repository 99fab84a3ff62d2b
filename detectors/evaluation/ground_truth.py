"""What happened and what was said: the two sides of an evaluation, wherever they were read from."""

from __future__ import annotations

import msgspec

from lanewatch.config.problems import Problem

CONDITIONS = ("day", "dusk", "night", "infrared")


class EvaluationError(ValueError):
    """A truth, or a system's answers, that cannot be used; a line for each problem, with file, line and the mend."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = problems
        super().__init__("\n".join(map(str, problems)))


class TruthEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened before a camera, by its ground truth.

    Attributes:
        camera: id of the camera, or the name of KISA's clip without its ending.
        kind: a behaviour's kind, or a class of KISA's list.
        zone: id of the zone or line; None where the truth does not say, so that an alarm of any zone serves.
        at: when an alarm is asked for, capture time, seconds UTC (in a clip of KISA's: from its beginning).
        end: when it was over; None where the truth does not say.
        condition: the light; "" where the truth does not say.
        pattern: which variant of the kind it is, such as "on foot"; "" where the truth does not say.
        line: of the file that says so.
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
    """What one truth file says of one stretch of one camera; an alarm beyond it is neither right nor wrong.

    Attributes:
        start: of the stretch, and ``end``, capture time; no end where the file gives no duration.
        kinds: those that were looked for; None: all.
        condition: the light all through it; "" where the file does not say.
    """

    file: str
    camera: str
    start: float
    end: float | None
    happenings: tuple[TruthEvent, ...]
    kinds: frozenset[str] | None = None
    condition: str = ""

    def covers(self, at: float, after_s: float = 0.0) -> bool:
        """Whether an instant lies in the stretch, or so long after it."""
        return self.start <= at and (self.end is None or at <= self.end + after_s)


class Alarm(msgspec.Struct, frozen=True, kw_only=True):
    """What a system said: an event of ours, or an alarm in KISA's XML.

    Attributes:
        at: when it was raised, capture time; ``end`` when what it is about was seen last, None where unknown.
        score: 0-1, by which the miss rate's curve is swept.
        kisa: the class of KISA's list, "" where the kind has none.
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
