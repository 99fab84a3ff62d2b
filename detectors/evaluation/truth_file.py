"""Ground truth of a recording, in a YAML file that people write: ``camera``, ``start`` and ``happenings``."""

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
_EVENT = frozenset({"kind", "zone", "at_s", "end_s", "condition", "pattern", "what"})
_FORM = "a truth file has camera, start and happenings with kind, zone, at_s"


def truths(file: Path) -> list[Instant]:
    """The instants of a truth file, with camera, kind and zone as their key. It raises what ``read`` raises."""
    return [Instant((event.camera, event.kind, event.zone or ""), event.at) for event in read(file).events]


def read(file: Path) -> TruthLabels:
    """Reads a truth file. Its times are seconds from ``start``, which is ISO 8601, in UTC unless it has an offset.

    Raises:
        EvaluationError: the file has problems; the message has a line for each.
        OSError: it cannot be read.
    """
    return _Reader(file).labels()


def check_labels(labels: Iterable[TruthLabels], kinds: Collection[str]) -> None:
    """Checks that all labels have known kinds, and that no event is labelled twice.

    Raises:
        EvaluationError: some labels are wrong; the message has a line for each.
    """
    problems = []
    first: dict[tuple[str, str, str | None, float], str] = {}
    for stretch in labels:
        problems += [
            Problem(stretch.file, 1, "kinds", f"unknown kind {kind}", suggestion(kind, kinds, none=""))
            for kind in sorted(stretch.kinds or ())
            if kind not in kinds
        ]
        for event in stretch.events:
            if event.kind not in kinds:
                fix = suggestion(event.kind, kinds, none="")
                problems.append(Problem(stretch.file, event.line, "", f"unknown kind {event.kind}", fix))
            key = (event.camera, event.kind, event.zone, event.at)
            if key in first:
                what = f"{event.kind} is labelled twice at the same time, first in {first[key]}"
                problems.append(Problem(stretch.file, event.line, "", what, "remove one, or give each its own time"))
            first.setdefault(key, f"{stretch.file}:{event.line}")
    if problems:
        raise EvaluationError(*problems)


class _Reader:
    """One file, and the problems found so far."""

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
            self._report(1, "this is not a truth file", _FORM)
            raise EvaluationError(*self._problems)
        self._unknown(content, _FILE)
        camera = self._text(content, "camera", required=True)
        start = self._start(content)
        length = self._number(content, "duration_s")
        if length is not None and length <= 0:
            self._report(line_of(content, "duration_s"), "`duration_s` is not above 0", "give the recording's length")
        light = self._condition(content, "")
        events = self._events(content, camera, start, light)
        kinds = content.get("kinds")
        if kinds is not None and not (isinstance(kinds, list) and all(isinstance(kind, str) for kind in kinds)):
            self._report(line_of(content, "kinds"), "`kinds` must be a list of kinds", "put them in [ ]")
        if self._problems:
            raise EvaluationError(*self._problems)
        return TruthLabels(
            file=self._file,
            camera=camera,
            start=start,
            end=None if length is None else start + length,
            events=tuple(events),
            kinds=None if kinds is None else frozenset(kinds),
            condition=light,
        )

    def _events(self, content: CommentedMap, camera: str, start: float, light: str) -> list[TruthEvent]:
        items = content.get("happenings")
        if not isinstance(items, list):
            line = line_of(content, "happenings") if "happenings" in content else 1
            self._report(line, "`happenings` is not a list", "write `happenings: []` if there are none")
            return []
        return [
            event
            for index, item in enumerate(items)
            if (event := self._event(item, line_of(items, index), camera, start, light)) is not None
        ]

    def _event(self, item: Any, line: int, camera: str, start: float, light: str) -> TruthEvent | None:
        if not isinstance(item, CommentedMap):
            self._report(line, "this is no event", "write it like {kind: loitering, zone: junction, at_s: 12.0}")
            return None
        self._unknown(item, _EVENT)
        at = self._number(item, "at_s", required=True)
        end = self._number(item, "end_s")
        if at is not None and end is not None and end < at:
            self._report(line, f"it ends ({end:g} s) before it begins ({at:g} s)", "exchange at_s and end_s")
        return TruthEvent(
            camera=camera,
            kind=self._text(item, "kind", required=True),
            zone=self._text(item, "zone") if item.get("zone") is not None else None,
            at=start + (at or 0.0),
            end=None if end is None else start + end,
            condition=self._condition(item, light),
            pattern=self._text(item, "pattern"),
            what=self._text(item, "what"),
            line=line,
        )

    def _report(self, line: int, what: str, fix: str) -> None:
        self._problems.append(Problem(self._file, line, "", what, fix))

    def _unknown(self, item: CommentedMap, names: frozenset[str]) -> None:
        for name in sorted(set(item) - names):
            comma = "text with a comma in it needs quotes" if item[name] is None else ""
            fix = comma or suggestion(name, names, none="remove it")
            self._report(line_of(item, name), f"unknown key `{name}`", fix)

    def _text(self, item: CommentedMap, name: str, *, required: bool = False) -> str:
        value = item.get(name)
        if value is None and required:
            self._report(line_of(item), f"`{name}` is missing", _FORM)
        elif value is not None and not isinstance(value, str):
            self._report(line_of(item, name), f"`{name}` must be text", f'put it in quotes: "{value}"')
        return value if isinstance(value, str) else ""

    def _number(self, item: CommentedMap, name: str, *, required: bool = False) -> float | None:
        value = item.get(name)
        if value is None:
            if required:
                self._report(line_of(item), f"`{name}` is missing", _FORM)
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            fix = "write seconds from `start`, without a unit"
            self._report(line_of(item, name), f"`{name}` must be a number", fix)
            return None
        return float(value)

    def _condition(self, item: CommentedMap, default: str) -> str:
        value = self._text(item, "condition") or default
        if value and value not in CONDITIONS:
            fix = suggestion(value, CONDITIONS, none="")
            self._report(line_of(item, "condition"), f"`condition` {value} is unknown", fix)
        return value

    def _start(self, content: CommentedMap) -> float:
        text = self._text(content, "start", required=True)
        if not text:
            return 0.0
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            fix = "write it like 2026-01-15T02:00:00+09:00"
            self._report(line_of(content, "start"), f"`start` {text} is not a time", fix)
            return 0.0
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
