"""Truth files, and events read from lines of JSON."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import lanewatch
from detectors.evaluation import alarms, truth_file
from detectors.evaluation.ground_truth import EvaluationError
from detectors.event_table import lines
from tests.detectors.evaluation.examples import START, written
from tests.detectors.walker_records import loiterer, site, watch

HEAD = "camera: lane\nstart: 2026-01-15T02:00:00+09:00\n"
WHOLE = (
    HEAD
    + """duration_s: 600
condition: infrared
kinds: [loitering, intrusion]
happenings:
  - {kind: loitering, zone: yard, at_s: 12.5, end_s: 40, pattern: on foot, what: "a man, standing"}
  - {kind: intrusion, at_s: 30, condition: dusk}
"""
)


def test_all_keys_of_a_truth_file(tmp_path: Path) -> None:
    labels = truth_file.read(written(tmp_path, WHOLE, "t.yaml"))
    first, second = labels.events
    assert (labels.camera, labels.start, labels.end) == ("lane", START, START + 600)
    assert labels.kinds == frozenset({"loitering", "intrusion"})
    assert (first.at, first.end, first.zone, first.pattern) == (START + 12.5, START + 40, "yard", "on foot")
    assert (first.condition, second.condition, second.zone, second.end) == ("infrared", "dusk", None, None)
    assert (first.line, second.line) == (7, 8)


def test_a_truth_file_may_have_no_events(tmp_path: Path) -> None:
    assert truth_file.read(written(tmp_path, HEAD + "happenings: []\n", "t.yaml")).events == ()


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", 1, "the file is empty; a truth file has camera, start and happenings"),
        ("# only a remark\n", 1, "the file is empty"),
        ("- a\n- b\n", 1, "this is not a truth file"),
        (HEAD, 1, "`happenings` is not a list; write `happenings: []`"),
        (HEAD + "happenings:\n  - loitering\n", 4, "this is no event"),
        (HEAD + "happenings:\n  - {kind: loitering}\n", 4, "`at_s` is missing"),
        (HEAD + "happenings:\n  - {kind: loitering, at_s: soon}\n", 4, "`at_s` must be a number"),
        (HEAD + "happenings:\n  - {kind: loitering, at_s: .nan}\n", 4, "`at_s` must be a number"),
        (HEAD + "happenings:\n  - {kind: loitering, at_s: 9, end_s: 3}\n", 4, "it ends (3 s) before it begins (9 s)"),
        (HEAD + "happenings:\n  - {kind: loitering, ats: 9}\n", 4, "unknown key `ats`; did you mean `at_s`"),
        (HEAD + "happenings:\n  - {at_s: 9, kind: loitering, what: a man, standing}\n", 4, "needs quotes"),
        (HEAD + "condition: nite\nhappenings: []\n", 3, "`condition` nite is unknown; did you mean `night`"),
        (HEAD + "duration_s: 0\nhappenings: []\n", 3, "`duration_s` is not above 0"),
        (HEAD + "kinds: loitering\nhappenings: []\n", 3, "`kinds` must be a list"),
        ("camera: lane\nstart: yesterday\nhappenings: []\n", 2, "`start` yesterday is not a time"),
        ("camera: 7\nstart: 2026-01-15T02:00:00Z\nhappenings: []\n", 1, "`camera` must be text"),
        ("camera: lane\nhappenings: [\n", 3, "the YAML is broken"),
    ],
)
def test_problems_are_reported_with_their_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    file = written(tmp_path, text, "t.yaml")
    with pytest.raises(EvaluationError) as caught:
        truth_file.read(file)
    assert f"{file}:{line}: " in str(caught.value)
    assert message in str(caught.value)


def test_unknown_kinds_and_labels_that_are_there_twice_are_named(tmp_path: Path) -> None:
    text = (
        HEAD
        + "happenings:\n"
        + "".join(
            f"  - {{kind: {kind}, zone: yard, at_s: {at}}}\n"
            for kind, at in (("loitring", 1), ("loitering", 5), ("loitering", 5))
        )
    )
    file = written(tmp_path, text, "t.yaml")
    with pytest.raises(EvaluationError) as caught:
        truth_file.check_labels([truth_file.read(file)], ["loitering", "intrusion"])
    assert str(caught.value).splitlines() == [
        f"{file}:4: unknown kind loitring; did you mean `loitering`?",
        f"{file}:6: loitering is labelled twice at the same time, first in {file}:5; remove one, or give each its "
        "own time",
    ]


def test_the_demos_truth_is_what_people_read_in_it() -> None:
    labels = truth_file.read(lanewatch.DEMO_TRUTH)
    kinds = [event.kind for event in labels.events]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"loitering": 2, "intrusion": 3, "line_crossing": 4}
    assert labels.events[1].what == "the man he talks to, half hidden behind the lamp post's sign"


def test_alarms_are_raised_once_an_event_and_the_same_from_all_revisions_the_last_or_a_file(tmp_path: Path) -> None:
    revisions = watch(loiterer(120), site())
    newest = {event.id: event for event in revisions}
    file = written(tmp_path, lines([*newest.values(), *newest.values()]) + "\n", "events.jsonl")
    opened = [event.updated_at for event in revisions if event.state == "open"]
    assert [alarm.at for alarm in alarms.read(file)] == opened
    assert alarms.alarm_instants(revisions) == alarms.alarm_instants(newest.values())
    assert [instant.at for instant in alarms.alarm_instants(reversed(revisions))] == opened


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"run": "a"}\n', r":1: this is no event \(.*missing required field"),
        ("\n\nnonsense\n", r":3: this is no event"),
    ],
)
def test_a_line_that_is_no_event_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = written(tmp_path, text, "events.jsonl")
    with pytest.raises(EvaluationError, match=re.escape(str(file)) + message):
        alarms.read(file)


def test_two_runs_in_one_file_are_not_mixed(tmp_path: Path) -> None:
    event = lines(watch(loiterer(120), site())[-1:])
    file = written(tmp_path, event + event.replace('"run":"test"', '"run":"other"'), "events.jsonl")
    with pytest.raises(EvaluationError, match="events of 2 runs"):
        alarms.read(file)
