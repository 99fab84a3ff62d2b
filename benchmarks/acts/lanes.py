"""Produce theft in simulated rural lanes: 100 camera-nights of ``streams.simulator`` at 2 fps, occupied spans only.

SIMULATED: nothing here was ever seen by a camera. The simulator was written apart from the rule and shares no constant
with it; the rule was developed on seeds 11 to 16. The figures are those of seed 2032: those of 2026 to 2031, reported
before, led to changes, so those seeds are no fresh ones any more. Whoever is registered comes by car or truck here,
which is what a registration is taken to mean where it does not say more.

An alarm is a ``produce_theft`` event that reaches severity 2 (alert); its instant is the revision at which it does. A
theft is found when an alarm lies between its ``alert_from`` (the first of its actors or vehicles comes into being) and
its ``alert_until`` (a minute after the last of it is out of view). An alarm that lies in no theft's time is false: what
happened then (a farmer, a passer-by, insects, nothing) is listed. Further alarms of a theft that is found already are
counted apart (``again``); they are neither found nor false. The intervals are Wilson's, of 95 %.
"""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import truth
from detectors.behaviours.registry import installed
from detectors.evaluation.confidence_interval import poisson, wilson
from detectors.watch_stage import WatchStage
from lanewatch.config.site import BehaviourConfig, Site
from streams.simulator.night import SimulatedNight, simulate_nights
from streams.simulator.truth import SimulatedEvent
from streams.simulator.walking import WalkingPaths

KIND = "produce_theft"
NIGHTS = 100
SEED = 2032
FPS = 2.0
ALERT = 2


class Outcome(NamedTuple):
    """What became of one night.

    Attributes:
        found: Each theft's pattern, and seconds from its ``acted_at`` to its alarm, None where there was none.
        false: What happened at each false alarm.
        again: Further alarms of thefts that were found already.
        watched: Events of severity 1 that stayed there: how often a vehicle or a visitor was watched in vain.
        visited: Thefts, found or not, that touch a visit registered for their zone, and how many of those were found.
            A visit covers the first party that comes in its time; the rule cannot know whether that was the right one.
    """

    found: list[tuple[str, float | None]]
    false: list[str]
    again: int
    watched: int
    visited: tuple[int, int] = (0, 0)


def only_theft(site: Site) -> Site:
    """The site with everything else switched off: here nobody asks for it."""
    off = {kind: BehaviourConfig(enabled=False) for kind in installed() if kind != KIND}
    return site.model_copy(update={"behaviours": site.behaviours | off, "correlations": ()})


def judge(night: SimulatedNight) -> Outcome:
    """One night, watched and compared with what happened."""
    watcher = WatchStage(only_theft(night.site), run="lanes")
    state = watcher.start(night.camera)
    alarms: dict[str, float] = {}
    seen: set[str] = set()
    for record in night.records:
        state, events = watcher.step(state, record)
        for event in events:
            seen.add(event.id)
            if event.severity >= ALERT:
                alarms.setdefault(event.id, event.updated_at)
    outcome = compare(night.truth, sorted(alarms.values()), len(seen) - len(alarms))
    thefts = [one for one in night.truth if one.theft]
    touched = [
        delay
        for (_, delay), one in zip(outcome.found, thefts, strict=True)
        if any(
            one.zone in visit.zones
            and visit.since.timestamp() <= one.ended_at
            and one.began_at <= visit.until.timestamp()
            for visit in night.site.visits
        )
    ]
    return outcome._replace(visited=(len(touched), sum(delay is not None for delay in touched)))


def compare(happenings: tuple[SimulatedEvent, ...], alarms: list[float], watched: int = 0) -> Outcome:
    """Alarms against the truth; see the module's page."""
    thefts = [one for one in happenings if one.theft]
    first: dict[int, float] = {}
    false, again = [], 0
    for at in alarms:
        mine = [number for number, one in enumerate(thefts) if one.alert_from <= at <= one.alert_until]
        new = next((number for number in mine if number not in first), None)
        if new is not None:
            first[new] = at
        elif mine:
            again += 1
        else:
            names = [one.pattern for one in happenings if one.alert_from <= at <= one.alert_until]
            false.append(" + ".join(names) or "nothing")
    found = [
        (one.pattern, first[number] - one.acted_at if number in first else None) for number, one in enumerate(thefts)
    ]
    return Outcome(found, false, again, watched)


def measure(folder: Path, *, count: int = NIGHTS, seed: int = SEED) -> dict[str, Any]:
    """``theft_recall``, ``theft_false_per_camera_night``; by pattern and what was false in ``lanes``."""
    began = time.perf_counter()
    gaits = _gaits(folder / "trajectories")
    outcomes = [judge(night) for night in simulate_nights(count, seed, gaits=gaits, fps=FPS)]
    delays: dict[str, list[float | None]] = defaultdict(list)
    for outcome in outcomes:
        for pattern, delay in outcome.found:
            delays[pattern].append(delay)
    patterns = [_pattern(name, delays[name]) for name in sorted(delays)]
    found, total = sum(row["found"] for row in patterns), sum(row["n"] for row in patterns)
    false = Counter(name for outcome in outcomes for name in outcome.false)
    low, high = poisson(false.total())
    with_false = sum(bool(outcome.false) for outcome in outcomes)
    return {
        "theft_recall": found / total if total else 0.0,
        "theft_false_per_camera_night": false.total() / count,
        "lanes": {
            "simulated": f"seed {seed}, {gaits.source}",
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


def _gaits(folder: Path) -> WalkingPaths:
    """Real walkers' steps; where their sets are not there, those of the simulator's model, as the table then says."""
    try:
        return WalkingPaths(folder)
    except FileNotFoundError as error:
        print(f"lanes: {error}; people take the steps of a model", file=sys.stderr)
        return WalkingPaths()


def _pattern(name: str, delays: list[float | None]) -> dict[str, Any]:
    known = sorted(delay for delay in delays if delay is not None)
    return {
        "pattern": name,
        "n": len(delays),
        "found": len(known),
        "recall": len(known) / len(delays),
        "interval": wilson(len(known), len(delays)),
        "delay_s": known[len(known) // 2] if known else None,
    }


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    lanes = report["lanes"]
    low, high = lanes["recall_interval"]
    false_low, false_high = lanes["false_interval"]
    lines = [
        f"theft_recall {report['theft_recall']:.3f} [{low:.2f}, {high:.2f}] of {lanes['thefts']} thefts (asked: .95), "
        f"theft_false_per_camera_night {report['theft_false_per_camera_night']:.3f} "
        f"[{false_low:.2f}, {false_high:.2f}] (asked: .1)",
        f"  SIMULATED ({lanes['simulated']}): {lanes['nights']} camera-nights at {lanes['fps']:g} fps, "
        f"{lanes['seconds']:.0f} s of run; {lanes['again']} further alarms of thefts that were found, "
        f"{lanes['watched']} events that stayed at watch",
    ]
    for row in lanes["patterns"]:
        low, high = row["interval"]
        after = "" if row["delay_s"] is None else f", alarm {row['delay_s']:.0f} s after the first hand on it (median)"
        lines.append(f"  {row['pattern']:<14}{row['found']:>4} of {row['n']:<4}[{low:.2f}, {high:.2f}]{after}")
    lines.append(
        f"  {lanes['visited']} of the thefts fall into the time of a visit registered for their zone: "
        f"{lanes['visited_found']} of them found"
    )
    lines += [f"  false: {number} x {name}" for name, number in lanes["false"].items()]
    return "\n".join(lines)


def main() -> None:
    """The reported figures, by themselves."""
    print(table(measure(truth.folder())))


if __name__ == "__main__":
    main()
