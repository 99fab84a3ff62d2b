"""CAVIAR's staged acts in a lobby: falls, fights, bags left and browsing, from the labelled boxes and from pixels.

Truth is what the clips' XML says of whom and when, and nothing is typed in: a *fall* is the first rest of somebody
whose context is "drop down"; a *fight* is a run of frames in which a group's situation is "fighting"; a *bag* is an
object whose role is "leaving object", from where it first lies there until it is labelled no more; *browsing* is an act
where somebody browses for KISA's 10 s of loitering or longer, interruptions up to a second not counted. A shorter
browsing is no act, and an alarm for it is not false. Nor is one for a *stay*: somebody whose labelled foot is in one
of the watched places for those 10 s has loitered as KISA has it, whatever he does there; stays are not asked for, each
excuses one alarm, and those are printed.

From labels, a record holds what a perfect detector and a perfect sampler would give: each labelled person as a box of
score .9 with a look of his own, in every frame. A bag is 16 x 20 pixels here, which no detector of everyday things
names: it is no box. Whatever is labelled "inactive" for three seconds, a bag, but also somebody who stands, is a still
region from then on, as the sampler makes them. There are no keypoints.

The site is one for all clips, drawn on the empty lobby: the three places where one may stop to look at something are
watched, and loitering takes KISA's 10 s; all other thresholds are the usual ones, and all behaviours watch. An alarm
meets an act of its kind from 2 s before it begins until 10 s after it ends, one alarm to one act; of the four kinds
any other alarm is false. Alarms of other kinds are told apart: nobody labelled them.

From pixels only runs of frames exist, most of them far shorter than the act they are taken from. An act is asked for
where it begins within the run, however soon that ends: what is missed there may not have been to be found.

    LANEWATCH_DATA=... python -m benchmarks.behaviours --only caviar
"""

from __future__ import annotations

import csv
import gzip
import itertools
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
from shapely.geometry import Point, Polygon

from benchmarks.acts import footage
from detectors.watch_stage import WatchStage
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import BehaviourConfig, Site, Zone
from lanewatch.records import PERSON, Box, Detections, Event, SceneMeasurements, StillRegion
from models import appearance

SET = "caviar"
FPS = 25.0
WIDTH, HEIGHT = 384, 288
SCORE = 0.9
STILL_S = 3.0
LOITERING_S = 10.0
BRIDGE_S = 1.0
KISA = (2.0, 10.0)
EVERY = (1, 5)
"""From labels: all frames, and five a second as in operation; the worst counts."""

KINDS = {"fall": "falls", "fight": "fights", "abandoned_object": "bags left", "loitering": "browsing"}

PLACES = {
    "display": ("벽 전시대", "the display by the wall", [(150, 20), (212, 20), (212, 62), (150, 72)]),
    "bench": ("긴 의자", "the bench", [(283, 62), (345, 62), (345, 142), (283, 142)]),
    "window": ("창가 화단", "the plants by the window", [(55, 195), (120, 195), (200, 225), (200, 287), (60, 287)]),
}
"""Where one may stop to look at something: drawn on the empty lobby, pixels."""


class Labelled(NamedTuple):
    """One object in one frame: its box in pixels, and what is said of it."""

    frame: int
    id: int
    box: Box
    movement: str
    role: str
    context: str
    situation: str


class Act(NamedTuple):
    """Something staged: ``since`` and ``until`` in seconds from the clip's frame 0. ``aside``: not asked for."""

    kind: str
    since: float
    until: float
    who: tuple[int, ...]
    aside: bool = False


class Clip(NamedTuple):
    """The labels of one clip. Of groups ``box`` is theirs, and ids count apart from those of objects."""

    name: str
    frames: tuple[int, ...]
    objects: tuple[Labelled, ...]
    groups: tuple[Labelled, ...]


def labels(folder: Path) -> list[Clip]:
    """All labelled clips in the folder of the set, by name.

    Raises:
        FileNotFoundError: there is none.
    """
    files = sorted((folder / "gt").glob("*.xml.gz"))
    if not files:
        raise FileNotFoundError(f"{folder / 'gt'}: no labels (*.xml.gz) there")
    return [read(file) for file in files]


def read(file: Path) -> Clip:
    """The labels of one clip, from its gzipped CVML."""
    with gzip.open(file) as stream:
        root = ElementTree.parse(stream).getroot()
    frames, objects, groups = [], [], []
    for frame in root.iter("frame"):
        number = int(frame.attrib["number"])
        frames.append(number)
        objects += [_labelled(number, one) for one in frame.iterfind("objectlist/object")]
        groups += [_labelled(number, one) for one in frame.iterfind("grouplist/group")]
    return Clip(file.name.split("__")[0], tuple(frames), tuple(objects), tuple(groups))


def _labelled(frame: int, one: ElementTree.Element) -> Labelled:
    edges = one.find("box")
    if edges is None:
        raise ValueError(f"frame {frame}: object {one.get('id')} has no box")
    x, y, width, height = (float(edges.attrib[name]) for name in ("xc", "yc", "w", "h"))
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    said = (one.findtext(f"hypothesislist/hypothesis/{name}") or "" for name in _SAID)
    return Labelled(frame, int(one.attrib["id"]), box, *said)


_SAID = ("movement", "role", "context", "situation")


def things(clip: Clip) -> frozenset[int]:
    """The ids of objects that are bags and boxes rather than people."""
    left = Counter(one.id for one in clip.objects if one.role == "leaving object")
    return frozenset(one for one, count in left.items() if 2 * count > sum(other.id == one for other in clip.objects))


def acts(clip: Clip) -> list[Act]:
    """What is staged in a clip, by kind and time."""
    bags = things(clip)
    found = []
    for one in sorted(bags):
        mine = [other.frame for other in clip.objects if other.id == one]
        found.append(Act("abandoned_object", min(mine) / FPS, max(mine) / FPS, (one,)))
    fallen = [one for one in clip.objects if one.context == "drop down" and one.situation == "inactive"]
    found += [run for who in _ids(fallen) for run in list(_runs("fall", [one for one in fallen if one.id == who]))[:1]]
    found += _runs("fight", [one for one in clip.groups if one.situation == "fighting"])
    browsing = [one for one in clip.objects if one.situation == "browsing" and one.id not in bags]
    for who in _ids(browsing):
        for run in _runs("loitering", [one for one in browsing if one.id == who]):
            found.append(run._replace(aside=run.until - run.since < LOITERING_S))
    return sorted(found + [one for one in stays(clip) if not any(_overlap(one, other) for other in found)])


def stays(clip: Clip) -> list[Act]:
    """Who was in a watched place for as long as loitering takes, whatever he did there, from when he had been."""
    bags, found = things(clip), []
    for corners in (corners for _, _, corners in PLACES.values()):
        place = Polygon(corners)
        there = [one for one in clip.objects if one.id not in bags and place.contains(Point(_foot(one.box)))]
        for who in _ids(there):
            runs = _runs("loitering", [one for one in there if one.id == who])
            found += [run._replace(since=run.since + LOITERING_S, aside=True) for run in runs]
    return [one for one in found if one.until >= one.since]


def _foot(box: Box) -> tuple[float, float]:
    return (box[0] + box[2]) / 2, box[3]


def _overlap(one: Act, other: Act) -> bool:
    """Whether two acts are the same person's at the same time."""
    return one.kind == other.kind and one.who == other.who and one.since <= other.until and other.since <= one.until


def _ids(labelled: Iterable[Labelled]) -> list[int]:
    return sorted({one.id for one in labelled})


def _runs(kind: str, labelled: Sequence[Labelled]) -> Iterator[Act]:
    """Runs of frames, joined over short breaks."""
    at = sorted({one.frame / FPS for one in labelled})
    who = tuple(_ids(labelled))
    begin = 0
    for index in range(1, len(at) + 1):
        if index == len(at) or at[index] - at[index - 1] > BRIDGE_S:
            yield Act(kind, at[begin], at[index - 1], who)
            begin = index


def detections(clip: Clip, *, every: int = 1, phase: int = 0) -> list[Detections]:
    """What a perfect detector and sampler would give of every ``every``-th frame from the ``phase``-th on."""
    start = datetime.fromisoformat(footage.CLOCK).timestamp()
    bags = things(clip)
    by_frame: dict[int, list[Labelled]] = {}
    for one in clip.objects:
        by_frame.setdefault(one.frame, []).append(one)
    still = _still(clip)
    looks = {one: _look(one) for one in _ids(clip.objects)}
    records = []
    for frame in clip.frames[phase::every]:
        people = [one for one in by_frame.get(frame, []) if one.id not in bags]
        at = start + frame / FPS
        regions = tuple(StillRegion(box, start + since / FPS, added=1.0) for box, since in still.get(frame, ()))
        records.append(
            Detections(
                camera=footage.CAMERA,
                epoch=1,
                slot=round(at * 1000),
                captured_at=at,
                received_at=at,
                width=WIDTH,
                height=HEIGHT,
                xyxy=np.array([one.box for one in people], np.float32).reshape(-1, 4),
                scores=np.full(len(people), SCORE, np.float32),
                labels=np.full(len(people), PERSON, np.uint8),
                appearance=np.array([looks[one.id] for one in people], np.uint8).reshape(-1, appearance.SIZE),
                scene=SceneMeasurements(still=regions, warm=True),
                model="labels",
            )
        )
    return records


def _look(who: int) -> list[int]:
    """A look of one's own: two bins of the histogram."""
    return [
        180 if bin in (who * 7 % appearance.SIZE, (who * 7 + 3) % appearance.SIZE) else 0
        for bin in range(appearance.SIZE)
    ]


def _still(clip: Clip) -> dict[int, list[tuple[Box, int]]]:
    """By frame, what has been inactive for three seconds: its box, and the frame since when."""
    found: dict[int, list[tuple[Box, int]]] = {}
    for who in _ids(clip.objects):
        mine = sorted(one for one in clip.objects if one.id == who)
        for resting, run in itertools.groupby(mine, key=lambda one: one.movement == "inactive"):
            rest = list(run) if resting else []
            for one in rest:
                if one.frame - rest[0].frame >= STILL_S * FPS:
                    found.setdefault(one.frame, []).append((one.box, rest[0].frame))
    return found


def site() -> Site:
    """The lobby, with the places where one may stop to look at something."""
    zones = tuple(
        Zone(
            id=name,
            name=LocalizedName(ko=korean, en=english),
            kind="watch",
            polygon=tuple((x / WIDTH, y / HEIGHT) for x, y in corners),
        )
        for name, (korean, english, corners) in PLACES.items()
    )
    lobby = footage.site(Path("lobby.mp4"), FPS, zones=zones)
    return lobby.model_copy(update={"behaviours": {"loitering": BehaviourConfig(thresholds={"dwell_s": LOITERING_S})}})


class Outcome(NamedTuple):
    """What became of one clip's acts and alarms."""

    found: list[Act]
    missed: list[Act]
    aside: list[Act]
    false: list[tuple[str, float]]
    others: Counter[str]


def judge(staged: Sequence[Act], raised: Iterable[tuple[str, float]]) -> Outcome:
    """Alarms (kind, seconds) against acts: one alarm to one act, the earliest first, those asked for before others."""
    waiting = sorted(staged, key=lambda one: one.aside)
    met: list[Act] = []
    false: list[tuple[str, float]] = []
    others: Counter[str] = Counter()
    for kind, at in sorted(raised, key=lambda one: one[1]):
        act = next((one for one in waiting if _meets(one, kind, at)), None)
        if kind not in KINDS:
            others[kind] += 1
        elif act is None:
            false.append((kind, round(at, 2)))
        else:
            waiting.remove(act)
            met.append(act)
    asked, aside = ([one for one in met if one.aside is beside] for beside in (False, True))
    return Outcome(asked, [one for one in waiting if not one.aside], aside, false, others)


def _meets(act: Act, kind: str, at: float) -> bool:
    return act.kind == kind and act.since - KISA[0] <= at <= act.until + KISA[1]


def watch(records: Iterable[Detections]) -> list[Event]:
    """The openings of the events in records of the lobby."""
    watcher = WatchStage(site(), run="caviar")
    state = watcher.start(footage.CAMERA)
    opened: list[Event] = []
    for record in records:
        state, events = watcher.step(state, record)
        opened += [event for event in events if event.revision == round(event.started_at * 1000)]
    return list({event.id: event for event in opened}.values())


def alarms(records: Iterable[Detections]) -> list[tuple[str, float]]:
    """The kinds of the events that were opened, and when, seconds from the clip's first frame."""
    start = datetime.fromisoformat(footage.CLOCK).timestamp()
    return [(event.kind, event.started_at - start) for event in watch(records)]


def measure(folder: Path) -> dict[str, Any]:
    """``caviar_found`` of ``caviar_total``, ``caviar_false``: from labels, the worst of both rates."""
    clips = labels(folder / SET)
    rates = [_rate(clips, every) for every in EVERY]
    return {
        "caviar_total": sum(not act.aside for clip in clips for act in acts(clip)),
        "caviar_found": min(len(rate["found"]) for rate in rates),
        "caviar_false": max(len(rate["false"]) for rate in rates),
        "caviar": {"clips": len(clips), "labels": rates, "pixels": _pixels(folder / SET, clips)},
    }


def _rate(clips: Sequence[Clip], every: int) -> dict[str, Any]:
    outcomes = {clip.name: judge(acts(clip), alarms(detections(clip, every=every))) for clip in clips}
    return {"fps": FPS / every} | _summary(outcomes)


def _summary(outcomes: dict[str, Outcome]) -> dict[str, Any]:
    others: Counter[str] = Counter()
    for one in outcomes.values():
        others.update(one.others)
    return {
        "found": [f"{name}: {act.kind} {act.since:.1f} s" for name, one in outcomes.items() for act in one.found],
        "missed": [f"{name}: {act.kind} {act.since:.1f} s" for name, one in outcomes.items() for act in one.missed],
        "aside": [f"{name}: {act.kind} {act.since:.1f} s" for name, one in outcomes.items() for act in one.aside],
        "false": [f"{name}: {kind} {at:.1f} s" for name, one in outcomes.items() for kind, at in one.false],
        "others": dict(sorted(others.items())),
    }


def _pixels(folder: Path, clips: Sequence[Clip]) -> dict[str, Any]:
    """What is found in the runs of pictures, at all of their 25 frames a second."""
    outcomes = {}
    seconds = 0.0
    for clip in clips:
        for first, pictures in _pictures(folder, clip.name):
            begin, end = first / FPS, (first + len(pictures) - 1) / FPS
            seconds += end - begin
            inside = [act for act in acts(clip) if begin <= act.since <= end or begin <= act.until <= end]
            known = [act._replace(aside=act.aside or not begin <= act.since <= end) for act in inside]
            with tempfile.TemporaryDirectory() as run:
                for picture in pictures:
                    (Path(run) / picture.name).symlink_to(picture.resolve())
                seen = [(kind, at + begin) for kind, at in alarms(footage.seen(Path(run), FPS))]
            outcomes[f"{clip.name} {first}-{first + len(pictures) - 1}"] = judge(known, seen)
    return {"seconds": round(seconds, 1), "runs": len(outcomes)} | _summary(outcomes)


def _pictures(folder: Path, name: str) -> Iterator[tuple[int, list[Path]]]:
    """The runs of a clip's pictures: the number of the first frame, and the files."""
    with (folder / "index.csv").open() as stream:
        rows = sorted((int(row["frame"]), row["file"]) for row in csv.DictReader(stream) if row["clip"] == name)
    for _, run in itertools.groupby(enumerate(rows), key=lambda one: one[1][0] - one[0]):
        frames = [row for _, row in run]
        yield frames[0][0], [folder / file for _, file in frames]


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"caviar_found {report['caviar_found']} of {report['caviar_total']}, caviar_false {report['caviar_false']} "
        f"(worst of the rates; {report['caviar']['clips']} clips, indoors, from labelled boxes; asked: all, <= 2)"
    ]
    lines += [f"  {rate['fps']:>4g} fps, labels: " + _line(rate) for rate in report["caviar"]["labels"]]
    pixels = report["caviar"]["pixels"]
    lines.append(f"  from pixels, {pixels['runs']} runs, {pixels['seconds']} s in all: " + _line(pixels))
    return "\n".join(lines)


def _line(rate: dict[str, Any]) -> str:
    parts = [f"{name} {len(rate[name])} ({'; '.join(rate[name]) or '-'})" for name in ("found", "missed", "false")]
    parts += [f"not asked for {len(rate['aside'])} ({'; '.join(rate['aside'])})"] if rate["aside"] else []
    others = ", ".join(f"{kind} {count}" for kind, count in rate["others"].items())
    return ", ".join(parts) + f"; of other kinds: {others or 'none'}"
