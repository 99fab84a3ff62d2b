"""Produce theft in simulated rural lanes: 100 camera-nights of ``streams.simulator`` at 2 fps.

SIMULATED: no camera ever saw this. The rules of matching and the seeds are in benchmarks/PROTOCOLS.md.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.clips import only_behaviour, revisions
from detectors.evaluation.alarms import raised_alarms
from detectors.evaluation.confidence_interval import poisson, wilson
from lanewatch.config.site import RegisteredVisit
from streams.simulator.night import SimulatedNight, simulate_nights
from streams.simulator.truth import SimulatedEvent
from streams.simulator.walking import WalkingPaths

KIND = "produce_theft"
NIGHTS = 100
SEED = 2032
FPS = 2.0
ALERT = 2


class Outcome(NamedTuple):
    """The thefts and alarms of one night, compared."""

    found: list[tuple[str, float | None]]
    """Each theft's pattern, and seconds from its ``acted_at`` to its alarm, or None if there was none."""
    false: list[str]
    """The acts at each false alarm."""
    again: int
    watched: int
    """Events that stayed at severity 1."""
    visited: tuple[int, int] = (0, 0)
    """Thefts that overlap with a visit registered for their zone, and how many of those were found. A visit covers the
    first party that comes in its time; the rule cannot know whether it was the right one."""


def watch(night: SimulatedNight) -> Outcome:
    """Runs the watch stage over one night and compares its alarms with the truth."""
    events = list(revisions(night.records, only_behaviour(night.site, KIND)))
    alarms = [alarm.at for alarm in raised_alarms(events, ALERT)]
    outcome = compare(night.truth, alarms, len({event.id for event in events}) - len(alarms))
    thefts = [event for event in night.truth if event.theft]
    visited = [
        delay
        for (_, delay), theft in zip(outcome.found, thefts, strict=True)
        if any(_overlap(theft, visit) for visit in night.site.visits)
    ]
    return outcome._replace(visited=(len(visited), sum(delay is not None for delay in visited)))


def _overlap(theft: SimulatedEvent, visit: RegisteredVisit) -> bool:
    since, until = visit.since.timestamp(), visit.until.timestamp()
    return theft.zone in visit.zones and since <= theft.ended_at and theft.began_at <= until


def compare(truth: tuple[SimulatedEvent, ...], alarms: list[float], watched: int = 0) -> Outcome:
    """Matches alarms and thefts; PROTOCOLS.md has the rules."""
    thefts = [event for event in truth if event.theft]
    first_alarm: dict[int, float] = {}
    false, again = [], 0
    for at in alarms:
        numbers = [number for number, theft in enumerate(thefts) if theft.alert_from <= at <= theft.alert_until]
        new = next((number for number in numbers if number not in first_alarm), None)
        if new is not None:
            first_alarm[new] = at
        elif numbers:
            again += 1
        else:
            names = [event.pattern for event in truth if event.alert_from <= at <= event.alert_until]
            false.append(" + ".join(names) or "nothing")
    found = [
        (theft.pattern, first_alarm[number] - theft.acted_at if number in first_alarm else None)
        for number, theft in enumerate(thefts)
    ]
    return Outcome(found, false, again, watched)


def measure(folder: Path, *, count: int = NIGHTS, seed: int = SEED) -> dict[str, Any]:
    """``theft_recall``, ``theft_false_per_camera_night``; ``lanes`` has the patterns and the false alarms."""
    began = time.perf_counter()
    walking = _walking(folder / "trajectories")
    outcomes = [watch(night) for night in simulate_nights(count, seed, walking=walking, fps=FPS)]
    delays: dict[str, list[float | None]] = defaultdict(list)
    for outcome in outcomes:
        for pattern, delay in outcome.found:
            delays[pattern].append(delay)
    patterns = [_pattern_row(name, delays[name]) for name in sorted(delays)]
    found, total = sum(row["found"] for row in patterns), sum(row["n"] for row in patterns)
    false = Counter(name for outcome in outcomes for name in outcome.false)
    low, high = poisson(false.total())
    with_false = sum(bool(outcome.false) for outcome in outcomes)
    return {
        "theft_recall": found / total if total else 0.0,
        "theft_false_per_camera_night": false.total() / count,
        "lanes": {
            "simulated": f"seed {seed}, {walking.source}",
            "nights": count,
            "fps": FPS,
            "thefts": total,
            "found": found,
            "recall_interval": wilson(found, total),
            "patterns": patterns,
            "false": dict(false.most_common()),
            "false_interval": (low / count, high / count),
            "nights_with_false": with_false,
            "nights_with_false_interval": wilson(with_false, count),
            "again": sum(outcome.again for outcome in outcomes),
            "watched": sum(outcome.watched for outcome in outcomes),
            "visited": sum(outcome.visited[0] for outcome in outcomes),
            "visited_found": sum(outcome.visited[1] for outcome in outcomes),
            "seconds": round(time.perf_counter() - began, 1),
        },
    }


def _walking(folder: Path) -> WalkingPaths:
    """Recorded walkers' steps; without their sets, those of the walking model, which the table states."""
    try:
        return WalkingPaths(folder)
    except FileNotFoundError as error:
        print(f"lanes: {error}; people walk by the walking model", file=sys.stderr)
        return WalkingPaths()


def _pattern_row(name: str, delays: list[float | None]) -> dict[str, Any]:
    found = sorted(delay for delay in delays if delay is not None)
    return {
        "pattern": name,
        "n": len(delays),
        "found": len(found),
        "recall": len(found) / len(delays),
        "interval": wilson(len(found), len(delays)),
        "delay_s": found[len(found) // 2] if found else None,
    }


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    lanes = report["lanes"]
    low, high = lanes["recall_interval"]
    false_low, false_high = lanes["false_interval"]
    lines = [
        f"theft_recall {report['theft_recall']:.3f} [{low:.2f}, {high:.2f}] of {lanes['thefts']} thefts (target: .95), "
        f"theft_false_per_camera_night {report['theft_false_per_camera_night']:.3f} "
        f"[{false_low:.2f}, {false_high:.2f}] (target: .1)",
        f"  SIMULATED ({lanes['simulated']}): {lanes['nights']} camera-nights at {lanes['fps']:g} fps, "
        f"measured in {lanes['seconds']:.0f} s; {lanes['again']} further alarms of found thefts, "
        f"{lanes['watched']} events that stayed at severity 1",
    ]
    for row in lanes["patterns"]:
        low, high = row["interval"]
        delay = "" if row["delay_s"] is None else f", median alarm {row['delay_s']:.0f} s after the produce is reached"
        lines.append(f"  {row['pattern']:<14}{row['found']:>4} of {row['n']:<4}[{low:.2f}, {high:.2f}]{delay}")
    lines.append(
        f"  {lanes['visited']} thefts overlap with a visit registered for their zone; "
        f"{lanes['visited_found']} of them were found"
    )
    lines += [f"  false: {number} x {name}" for name, number in lanes["false"].items()]
    return "\n".join(lines)
