"""CAVIAR's staged acts in a lobby: falls, fights, bags left and browsing, from the labelled boxes and from pixels.

The definitions of the acts and the protocol are in benchmarks/PROTOCOLS.md.
"""

from __future__ import annotations

import itertools
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from shapely.geometry import Point, Polygon

from benchmarks import clips, datasets
from benchmarks.datasets import CAVIAR_FPS as FPS
from benchmarks.datasets import CLOCK, KISA_WINDOW_S, CaviarLabel
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import BehaviourConfig, Site, Zone
from lanewatch.records import Box, Detections, SceneMeasurements, StillRegion
from models import appearance

WIDTH, HEIGHT = 384, 288
SCORE = 0.9
STILL_S = 3.0
LOITERING_S = 10.0
BRIDGE_S = 1.0
EVERY = (1, 5)
"""From labels: all frames, and five a second as in operation; the worse counts."""
START = datetime.fromisoformat(CLOCK).timestamp()

KINDS = ("fall", "fight", "abandoned_object", "loitering")

PLACES = {
    "display": ("벽 전시대", "the display by the wall", [(150, 20), (212, 20), (212, 62), (150, 72)]),
    "bench": ("긴 의자", "the bench", [(283, 62), (345, 62), (345, 142), (283, 142)]),
    "window": ("창가 화단", "the plants by the window", [(55, 195), (120, 195), (200, 225), (200, 287), (60, 287)]),
}
"""Places with something to look at, drawn on the empty lobby, in pixels."""


class Act(NamedTuple):
    """A staged act: ``since`` and ``until`` in seconds from the clip's frame 0; ``optional``: no alarm is required."""

    kind: str
    since: float
    until: float
    people: tuple[int, ...]
    optional: bool = False


class Clip(NamedTuple):
    """The labels of a clip, and its number of frames. A group's box holds its members; its id is no object's."""

    name: str
    frames: int
    objects: tuple[CaviarLabel, ...]
    groups: tuple[CaviarLabel, ...]


def read_clips(folder: Path) -> list[Clip]:
    """All labelled clips in the folder of research data, by name, each up to its last labelled frame."""
    by_clip: dict[str, list[CaviarLabel]] = defaultdict(list)
    for label in datasets.caviar_labels(folder):
        by_clip[label.clip].append(label)
    return [
        Clip(
            name,
            max(label.frame for label in labels) + 1,
            tuple(label for label in labels if label.kind == "object"),
            tuple(label for label in labels if label.kind == "group"),
        )
        for name, labels in sorted(by_clip.items())
    ]


def bags(clip: Clip) -> frozenset[int]:
    """The ids of objects that are bags and boxes, not people: most of their labels have the role of one."""
    labels = Counter(label.id for label in clip.objects)
    left = Counter(label.id for label in clip.objects if label.role == "leaving object")
    return frozenset(id for id, count in left.items() if 2 * count > labels[id])


def acts(clip: Clip) -> list[Act]:
    """The acts of a clip, by kind and time."""
    is_bag = bags(clip)
    people = [label for label in clip.objects if label.id not in is_bag]
    found = []
    for id, labels in _by_id(label for label in clip.objects if label.id in is_bag):
        frames = [label.frame for label in labels]
        found.append(Act("abandoned_object", min(frames) / FPS, max(frames) / FPS, (id,)))
    fallen = (label for label in clip.objects if label.context == "drop down" and label.situation == "inactive")
    found += [next(_runs("fall", labels)) for _, labels in _by_id(fallen)]
    found += _runs("fight", [label for label in clip.groups if label.situation == "fighting"])
    for _, labels in _by_id(label for label in people if label.situation == "browsing"):
        for run in _runs("loitering", labels):
            found.append(run._replace(optional=run.until - run.since < LOITERING_S))
    return sorted(found + [stay for stay in _stays(people) if not any(_overlap(stay, act) for act in found)])


def _stays(people: list[CaviarLabel]) -> list[Act]:
    """People in a watched place for as long as loitering takes, from the time at which it is reached."""
    found = []
    for _, _, corners in PLACES.values():
        place = Polygon(corners)
        for _, labels in _by_id(label for label in people if place.contains(_foot(label.box))):
            found += [run._replace(since=run.since + LOITERING_S, optional=True) for run in _runs("loitering", labels)]
    return [stay for stay in found if stay.until >= stay.since]


def _foot(box: Box) -> Point:
    return Point((box[0] + box[2]) / 2, box[3])


def _overlap(stay: Act, act: Act) -> bool:
    """Whether both are of the same kind, person and time."""
    same = stay.kind == act.kind and stay.people == act.people
    return same and stay.since <= act.until and act.since <= stay.until


def _by_id(labels: Iterable[CaviarLabel]) -> list[tuple[int, list[CaviarLabel]]]:
    """The labels of each object, ordered by id and frame."""
    grouped: dict[int, list[CaviarLabel]] = {}
    for label in labels:
        grouped.setdefault(label.id, []).append(label)
    return sorted((id, sorted(group)) for id, group in grouped.items())


def _runs(kind: str, labels: Sequence[CaviarLabel]) -> Iterator[Act]:
    """Runs of frames, joined over breaks of up to ``BRIDGE_S``."""
    times = sorted({label.frame / FPS for label in labels})
    people = tuple(sorted({label.id for label in labels}))
    begin = 0
    for index in range(1, len(times) + 1):
        if index == len(times) or times[index] - times[index - 1] > BRIDGE_S:
            yield Act(kind, times[begin], times[index - 1], people)
            begin = index


def detections(clip: Clip, *, every: int = 1) -> list[Detections]:
    """The records of a perfect detector and sampler, of every ``every``-th frame."""
    is_bag = bags(clip)
    people: dict[int, list[CaviarLabel]] = {}
    for label in clip.objects:
        if label.id not in is_bag:
            people.setdefault(label.frame, []).append(label)
    still = _stationary(clip)
    records = []
    for frame in range(0, clip.frames, every):
        labels = people.get(frame, [])
        regions = (StillRegion(box, START + since / FPS, added=1.0) for box, since in still.get(frame, ()))
        record = clips.people_record(
            clips.CAMERA,
            START + frame / FPS,
            (WIDTH, HEIGHT),
            np.array([label.box for label in labels], np.float32),
            np.full(len(labels), SCORE),
            np.array([_appearance(label.id) for label in labels], np.uint8).reshape(-1, appearance.SIZE),
        )
        records.append(msgspec.structs.replace(record, scene=SceneMeasurements(still=tuple(regions), warm=True)))
    return records


def _appearance(id: int) -> list[int]:
    """A descriptor with two bins of its own."""
    bins = (id * 7 % appearance.SIZE, (id * 7 + 3) % appearance.SIZE)
    return [180 if bin in bins else 0 for bin in range(appearance.SIZE)]


def _stationary(clip: Clip) -> dict[int, list[tuple[Box, int]]]:
    """By frame, the objects that have been inactive for three seconds: the box, and the frame since when."""
    found: dict[int, list[tuple[Box, int]]] = {}
    for _, labels in _by_id(clip.objects):
        for inactive, run in itertools.groupby(labels, key=lambda label: label.movement == "inactive"):
            rest = list(run) if inactive else []
            for label in rest:
                if label.frame - rest[0].frame >= STILL_S * FPS:
                    found.setdefault(label.frame, []).append((label.box, rest[0].frame))
    return found


def site() -> Site:
    """The lobby with its watched places."""
    zones = []
    for id, (korean, english, corners) in PLACES.items():
        polygon = tuple((x / WIDTH, y / HEIGHT) for x, y in corners)
        zones.append(Zone(id=id, name=LocalizedName(ko=korean, en=english), kind="watch", polygon=polygon))
    lobby = clips.site(Path("lobby.mp4"), FPS, zones=tuple(zones))
    return lobby.model_copy(update={"behaviours": {"loitering": BehaviourConfig(thresholds={"dwell_s": LOITERING_S})}})


class Outcome(NamedTuple):
    """The acts and alarms of a clip, compared."""

    found: list[Act]
    missed: list[Act]
    excused: list[Act]
    false: list[tuple[str, float]]
    others: Counter[str]


def compare(staged: Sequence[Act], raised: Iterable[tuple[str, float]]) -> Outcome:
    """Matches alarms (kind, seconds) and acts: one alarm to one act, the earliest first, required acts first."""
    unmatched = sorted(staged, key=lambda act: act.optional)
    matched: list[Act] = []
    false: list[tuple[str, float]] = []
    others: Counter[str] = Counter()
    for kind, at in sorted(raised, key=lambda alarm: alarm[1]):
        act = next((act for act in unmatched if _matches(act, kind, at)), None)
        if kind not in KINDS:
            others[kind] += 1
        elif act is None:
            false.append((kind, round(at, 2)))
        else:
            unmatched.remove(act)
            matched.append(act)
    found, excused = ([act for act in matched if act.optional is optional] for optional in (False, True))
    return Outcome(found, [act for act in unmatched if not act.optional], excused, false, others)


def _matches(act: Act, kind: str, at: float) -> bool:
    return act.kind == kind and act.since - KISA_WINDOW_S[0] <= at <= act.until + KISA_WINDOW_S[1]


def alarms(records: Iterable[Detections]) -> list[tuple[str, float]]:
    """Kinds and start times of the events in records of the lobby, seconds from the clip's first frame."""
    return [(event.kind, event.started_at - START) for event in clips.opened_events(records, site())]


def measure(folder: Path) -> dict[str, Any]:
    """``caviar_found`` of ``caviar_total``, ``caviar_false``: from labels, the worse of both rates."""
    staged = read_clips(folder)
    rates = [_rate(staged, every) for every in EVERY]
    return {
        "caviar_total": sum(not act.optional for clip in staged for act in acts(clip)),
        "caviar_found": min(len(rate["found"]) for rate in rates),
        "caviar_false": max(len(rate["false"]) for rate in rates),
        "caviar": {"clips": len(staged), "labels": rates, "pixels": _from_pixels(folder, staged)},
    }


def _rate(staged: Sequence[Clip], every: int) -> dict[str, Any]:
    outcomes = {clip.name: compare(acts(clip), alarms(detections(clip, every=every))) for clip in staged}
    return {"fps": FPS / every} | _summary(outcomes)


def _summary(outcomes: dict[str, Outcome]) -> dict[str, Any]:
    others: Counter[str] = Counter()
    for outcome in outcomes.values():
        others.update(outcome.others)

    def listed(part: str) -> list[str]:
        parts = ((name, entry) for name, outcome in outcomes.items() for entry in getattr(outcome, part))
        return [f"{name}: {kind} {at:.1f} s" for name, (kind, at, *_) in parts]

    parts = {"found": "found", "missed": "missed", "aside": "excused", "false": "false"}
    return {name: listed(part) for name, part in parts.items()} | {"others": dict(sorted(others.items()))}


def _from_pixels(folder: Path, staged: Sequence[Clip]) -> dict[str, Any]:
    """The outcome of the runs of pictures, at all of their 25 frames a second."""
    acts_of = {clip.name: acts(clip) for clip in staged}
    outcomes = {}
    seconds = 0.0
    for run in datasets.caviar_runs(folder):
        if run.clip not in acts_of:
            continue
        last = run.first + len(run.files) - 1
        begin, end = run.first / FPS, last / FPS
        seconds += end - begin
        inside = [act for act in acts_of[run.clip] if begin <= act.since <= end or begin <= act.until <= end]
        known = [act._replace(optional=act.optional or not begin <= act.since <= end) for act in inside]
        with tempfile.TemporaryDirectory() as scratch:
            records = clips.detections(datasets.link_pictures(run.files, Path(scratch)), FPS)
            raised = [(kind, at + begin) for kind, at in alarms(records)]
        outcomes[f"{run.clip} {run.first}-{last}"] = compare(known, raised)
    return {"seconds": round(seconds, 1), "runs": len(outcomes)} | _summary(outcomes)


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    lines = [
        f"caviar_found {report['caviar_found']} of {report['caviar_total']}, caviar_false {report['caviar_false']} "
        f"(worse of the rates; {report['caviar']['clips']} clips, indoors, from labelled boxes; target: all, <= 2)"
    ]
    lines += [f"  {rate['fps']:>4g} fps, labels: " + _line(rate) for rate in report["caviar"]["labels"]]
    pixels = report["caviar"]["pixels"]
    lines.append(f"  from pixels, {pixels['runs']} runs, {pixels['seconds']} s in all: " + _line(pixels))
    return "\n".join(lines)


def _line(rate: dict[str, Any]) -> str:
    parts = [f"{name} {len(rate[name])} ({'; '.join(rate[name]) or '-'})" for name in ("found", "missed", "false")]
    if rate["aside"]:
        parts.append(f"excused {len(rate['aside'])} ({'; '.join(rate['aside'])})")
    others = ", ".join(f"{kind} {count}" for kind, count in rate["others"].items())
    return ", ".join(parts) + f"; of other kinds: {others or 'none'}"
