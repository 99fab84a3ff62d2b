"""What happens in a recording, in a YAML file that people write: ``camera``, ``start`` and ``happenings``."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml.comments import CommentedMap

from detectors.evaluation.ground_truth import CONDITIONS, EvaluationError, TruthEvent, TruthLabels
from detectors.evaluation.matching import Instant
from lanewatch.config import yaml_lines
from lanewatch.config.problems import Problem, suggestion
from lanewatch.config.yaml_lines import YamlError, line_of

_FILE = frozenset({"camera", "start", "duration_s", "condition", "kinds", "happenings"})
_HAPPENING = frozenset({"kind", "zone", "at_s", "end_s", "condition", "pattern", "what"})
_FORM = "a truth file has camera, start and happenings with kind, zone, at_s"


def truths(file: Path) -> list[Instant]:
    """The instants of a truth file, with camera, kind and zone as their key.

    Raises:
        EvaluationError: as ``read``.
    """
    return [Instant((one.camera, one.kind, one.zone or ""), one.at) for one in read(file).happenings]


def read(file: Path) -> TruthLabels:
    """A truth file. Times in it are seconds from ``start``, an instant in ISO 8601, UTC unless it says otherwise.

    Raises:
        EvaluationError: with a line for each problem in it.
        OSError: it cannot be read.
    """
    return _Reader(file).labels()


def check_labels(labels: Iterable[TruthLabels], kinds: Collection[str]) -> None:
    """Sees to it that all labels are about kinds that there are, and that nothing is labelled twice.

    Raises:
        EvaluationError: with a line for each label that is not so.
    """
    problems = []
    first: dict[tuple[str, str, str | None, float], str] = {}
    for one in labels:
        problems += [
            Problem(one.file, 1, "kinds", f"unknown kind {kind}", suggestion(kind, kinds, none=""))
            for kind in sorted(one.kinds or ())
            if kind not in kinds
        ]
        for it in one.happenings:
            if it.kind not in kinds:
                advice = suggestion(it.kind, kinds, none="")
                problems.append(Problem(one.file, it.line, "", f"unknown kind {it.kind}", advice))
            place = (it.camera, it.kind, it.zone, it.at)
            if place in first:
                what = f"{it.kind} is labelled twice at the same instant, first in {first[place]}"
                problems.append(Problem(one.file, it.line, "", what, "remove one, or give each its own instant"))
            first.setdefault(place, f"{one.file}:{it.line}")
    if problems:
        raise EvaluationError(*problems)


class _Reader:
    """One file, and what is wrong with it so far."""

    def __init__(self, file: Path) -> None:
        self._file = str(file)
        self._problems: list[Problem] = []
        try:
            self._content = yaml_lines.parse(file.read_bytes())
        except YamlError as error:
            empty = error.what == "the file is empty"
            fix = _FORM if empty else error.fix.replace("the example in docs/site.md", "docs/evaluation.md")
            raise EvaluationError(Problem(self._file, error.line, "", error.what, fix)) from None

    def labels(self) -> TruthLabels:
        content = self._content
        if not isinstance(content, CommentedMap):
            self._wrong(1, "this is no truth file", _FORM)
            raise EvaluationError(*self._problems)
        self._unknown(content, _FILE)
        camera = self._text(content, "camera", wanted=True)
        start = self._instant(content)
        length = self._number(content, "duration_s")
        if length is not None and length <= 0:
            self._wrong(line_of(content, "duration_s"), "`duration_s` is not above 0", "give the recording's length")
        light = self._condition(content, "")
        happenings = self._happenings(content, camera, start, light)
        kinds = content.get("kinds")
        if kinds is not None and not (isinstance(kinds, list) and all(isinstance(one, str) for one in kinds)):
            self._wrong(line_of(content, "kinds"), "`kinds` must be a list of kinds", "put them in [ ]")
        if self._problems:
            raise EvaluationError(*self._problems)
        return TruthLabels(
            file=self._file,
            camera=camera,
            start=start,
            end=None if length is None else start + length,
            happenings=tuple(happenings),
            kinds=None if kinds is None else frozenset(kinds),
            condition=light,
        )

    def _happenings(self, content: CommentedMap, camera: str, start: float, light: str) -> list[TruthEvent]:
        items = content.get("happenings")
        if not isinstance(items, list):
            line = line_of(content, "happenings") if "happenings" in content else 1
            self._wrong(line, "`happenings` is no list", "write `happenings: []` where nothing happens")
            return []
        return [
            one
            for index, item in enumerate(items)
            if (one := self._happening(item, line_of(items, index), camera, start, light)) is not None
        ]

    def _happening(self, item: Any, line: int, camera: str, start: float, light: str) -> TruthEvent | None:
        if not isinstance(item, CommentedMap):
            self._wrong(line, "this is no happening", "write it like {kind: loitering, zone: junction, at_s: 12.0}")
            return None
        self._unknown(item, _HAPPENING)
        at = self._number(item, "at_s", wanted=True)
        end = self._number(item, "end_s")
        if at is not None and end is not None and end < at:
            self._wrong(line, f"it ends ({end:g} s) before it begins ({at:g} s)", "exchange at_s and end_s")
        return TruthEvent(
            camera=camera,
            kind=self._text(item, "kind", wanted=True),
            zone=self._text(item, "zone") if item.get("zone") is not None else None,
            at=start + (at or 0.0),
            end=None if end is None else start + end,
            condition=self._condition(item, light),
            pattern=self._text(item, "pattern"),
            what=self._text(item, "what"),
            line=line,
        )

    def _wrong(self, line: int, what: str, mend: str) -> None:
        self._problems.append(Problem(self._file, line, "", what, mend))

    def _unknown(self, item: CommentedMap, names: frozenset[str]) -> None:
        for name in sorted(set(item) - names):
            comma = "text with a comma in it needs quotes" if item[name] is None else ""
            mend = comma or suggestion(name, names, none="remove it")
            self._wrong(line_of(item, name), f"unknown key `{name}`", mend)

    def _text(self, item: CommentedMap, name: str, *, wanted: bool = False) -> str:
        value = item.get(name)
        if value is None and wanted:
            self._wrong(line_of(item), f"`{name}` is missing", _FORM)
        elif value is not None and not isinstance(value, str):
            self._wrong(line_of(item, name), f"`{name}` must be text", f'put it in quotes: "{value}"')
        return value if isinstance(value, str) else ""

    def _number(self, item: CommentedMap, name: str, *, wanted: bool = False) -> float | None:
        value = item.get(name)
        if value is None:
            if wanted:
                self._wrong(line_of(item), f"`{name}` is missing", _FORM)
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self._wrong(line_of(item, name), f"`{name}` must be a number", "write seconds from `start`, without a unit")
            return None
        return float(value)

    def _condition(self, item: CommentedMap, usual: str) -> str:
        value = self._text(item, "condition") or usual
        if value and value not in CONDITIONS:
            mend = suggestion(value, CONDITIONS, none="")
            self._wrong(line_of(item, "condition"), f"`condition` {value} is not known here", mend)
        return value

    def _instant(self, content: CommentedMap) -> float:
        text = self._text(content, "start", wanted=True)
        if not text:
            return 0.0
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self._wrong(
                line_of(content, "start"), f"`start` {text} is no instant", "write it like 2026-01-15T02:00:00+09:00"
            )
            return 0.0
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
