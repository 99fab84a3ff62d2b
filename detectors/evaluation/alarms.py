"""Lanewatch's alarms: from revisions of events, or from the lines that ``rescore --json`` prints."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from detectors.evaluation.ground_truth import Alarm, EvaluationError
from detectors.evaluation.matching import Instant
from lanewatch.config.problems import Problem
from lanewatch.records import Event

_DECODER = msgspec.json.Decoder(Event)


def alarm_instants(revisions: Iterable[Event]) -> list[Instant]:
    """The capture time at which each event of one run was raised. Key: camera, kind and zone."""
    return [Instant((alarm.camera, alarm.kind, alarm.zone), alarm.at) for alarm in raised_alarms(revisions)]


def raised_alarms(revisions: Iterable[Event], severity: int = 1) -> list[Alarm]:
    """One alarm for each event of one run, in the order of opening; score and end are of the newest revision.

    An event is an alarm from the time at which it reaches the severity; above 1 this needs all of its revisions.
    """
    newest: dict[tuple[str, str], Event] = {}
    reached: dict[tuple[str, str], Event] = {}
    for event in revisions:
        key = event.run, event.id
        if key not in newest or event.revision >= newest[key].revision:
            newest[key] = event
        if event.severity >= severity and (key not in reached or event.revision < reached[key].revision):
            reached[key] = event
    alarms = [
        _alarm(newest[key], event.started_at if severity == 1 else event.updated_at) for key, event in reached.items()
    ]
    return sorted(alarms, key=lambda alarm: (alarm.at, alarm.id))


def read(file: Path) -> list[Alarm]:
    """The alarms in a file of one event a line, in any order; a repeated event counts once.

    Raises:
        EvaluationError: a line is no event, or the events are of several runs.
        OSError: the file cannot be read.
    """
    with file.open("rb") as lines:
        events = [_event(line, file, number) for number, line in enumerate(lines, 1) if line.strip()]
    runs = sorted({event.run for event in events})
    if len(runs) > 1:
        what = f"there are events of {len(runs)} runs ({', '.join(runs[:5])})"
        raise EvaluationError(Problem(str(file), 1, "", what, "evaluate one run at a time, or --compare two files"))
    return raised_alarms(events)


def _event(line: bytes, file: Path, number: int) -> Event:
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        what = f"this is no event ({error})"
        fix = "give one JSON object a line, as `lanewatch rescore --json` prints them"
        raise EvaluationError(Problem(str(file), number, "", what, fix)) from None


def _alarm(event: Event, at: float) -> Alarm:
    return Alarm(
        camera=event.camera,
        kind=event.kind,
        zone=event.zone,
        at=at,
        end=event.updated_at if event.ended_at is None else max(event.ended_at, at),
        score=event.score,
        condition=event.condition,
        kisa=event.kisa,
        id=event.id,
    )
