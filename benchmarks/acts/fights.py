"""Fights from pixels on fight-surveillance, a whole scene left out at a time, and the alarms where nobody fights.

A clip's score is the greatest unrest that the behaviour judges in it: ``detectors.behaviours.fight.behaviour`` in the watcher,
as in operation. The threshold for each clip is the one that tells the clips of all other scenes apart best. Clips
belong to one scene when they have one size and their middle pictures have 25 SIFT points in common under one
similarity: cameras that were turned are found too, and writing that was laid over a picture has fewer. By eye the
scenes so found are the right ones, and one clip more belongs to one of them (``CLOSER``). The interval is a bootstrap
over scenes.

Each picture of a clip is looked at, at 25 or 30 a second; what is left at 10 and at 5 a second, which is what a camera
can be given, is printed beside it, from three pictures on each, and for 10 the worst of these again in one line.

What was chosen on these clips: the measure, out of some forty (limbs' and wrists' speed by MoveNet, boxes' speed and
edges, dense flow within the boxes), its span of a fifth of a second and its second of evidence. So the figures are of
the clips it was chosen on, even though no threshold has seen its own scene.

    LANEWATCH_DATA=... python -m benchmarks.behaviours --only fights
"""

from __future__ import annotations

import csv
import itertools
import random
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from benchmarks.acts import footage
from detectors.behaviours.fight import behaviour
from detectors.behaviours.registry import installed
from detectors.watch_stage import WatchStage
from lanewatch.config.site import BehaviourConfig, Site
from lanewatch.records import Detections, Image

SET = "fight-surveillance"
OWN = 30.0
"""No clip has more: each of its pictures is looked at."""
FPS = 10.0
"""What is recommended where fights are watched for, and the rate at which alarms are counted."""
RATES = (OWN, FPS, 5.0)
PHASES = 3
"""With which picture of a clip the lower rate begins: the same clips, seen at other instants."""
CLOSER = (("fi105", "fi107"),)
"""Of one scene by eye: a shop's front, the hedge and the tree beside it, and the editor's frame over them, from nearer,
so that no points are alike."""
POINTS = 25
WIDTH = 320  # pixels of the pictures whose points are compared
RATIO = 0.75  # Lowe's
BETRAYING = ((320, 240), (1280, 720))
"""Sizes that only, or nearly only, clips without a fight have."""
DRAWS = 2000


class Clip(NamedTuple):
    """A labelled clip; ``size`` is its own, and ``picture`` its middle one, grey."""

    path: Path
    fights: bool
    fps: float
    size: tuple[int, int]
    picture: Image


def clips(folder: Path) -> list[Clip]:
    """All in the folders ``fight`` and ``no-fight``, by name.

    Raises:
        FileNotFoundError: one of the folders has none.
    """
    found = []
    for name in ("fight", "no-fight"):
        files = footage.videos(folder, f"{name}/*")
        if not files:
            raise FileNotFoundError(f"{folder / name}: no clips there")
        found += [_clip(file, name == "fight") for file in files]
    return found


def _clip(path: Path, fights: bool) -> Clip:
    video = cv2.VideoCapture(str(path))
    pictures = []
    while True:
        read, picture = video.read()
        if not read:
            break
        pictures.append(picture)
    if not pictures:
        raise ValueError(f"{path}: no picture can be read")
    height, width = pictures[0].shape[:2]
    middle = cv2.cvtColor(pictures[len(pictures) // 2], cv2.COLOR_BGR2GRAY)
    small = cv2.resize(middle, (WIDTH, round(height * WIDTH / width)), interpolation=cv2.INTER_AREA)
    return Clip(path, fights, footage.rate(path), (width, height), np.asarray(small, np.uint8))


def scenes(found: Sequence[Clip]) -> list[int]:
    """The number of each clip's scene."""
    sift: Any = cv2.SIFT_create(800)  # type: ignore[attr-defined]  # not in the stubs
    described = [sift.detectAndCompute(clip.picture, None) for clip in found]
    scene = list(range(len(found)))
    for i, j in itertools.combinations(range(len(found)), 2):
        if found[i].size == found[j].size and shared(described[i], described[j]) >= POINTS:
            old, new = scene[j], scene[i]
            scene = [new if one == old else one for one in scene]
    rows = {clip.path.stem: row for row, clip in enumerate(found)}
    for one, other in CLOSER:
        if one in rows and other in rows:
            scene[rows[one]] = scene[rows[other]]
    return scene


def shared(one: Any, other: Any) -> int:
    """How many points of two pictures lie alike under one shift, turn and zoom."""
    (points, looks), (others, other_looks) = one, other
    if looks is None or other_looks is None:
        return 0
    pairs = [pair for pair in cv2.BFMatcher().knnMatch(looks, other_looks, k=2) if len(pair) == 2]
    good = [first for first, second in pairs if first.distance < RATIO * second.distance]
    if len(good) < POINTS:
        return 0
    source = np.array([points[match.queryIdx].pt for match in good], np.float32)
    target = np.array([others[match.trainIdx].pt for match in good], np.float32)
    found, inside = cv2.estimateAffinePartial2D(source, target, ransacReprojThreshold=3.0)
    return 0 if found is None else int(inside.sum())


def score(records: Iterable[Detections], site: Site) -> float:
    """The greatest unrest that the behaviour judges in a clip."""
    watcher = WatchStage(site, run="benchmark")
    state = watcher.start(site.cameras[0].id)
    most = 0.0
    for record in records:
        state, _ = watcher.step(state, record)
        memory = state.memories.get("fight")
        if memory is not None:
            most = max(most, behaviour.mean_rate(memory.samples))
    return most


def threshold(scores: Sequence[float], fights: Sequence[bool]) -> float:
    """What tells them apart best, in the middle between the nearest scores; of equals the middle one."""
    ranked = sorted(set(scores))
    between = [(low + high) / 2 for low, high in itertools.pairwise(ranked)] or ranked
    rated = [(balanced([one >= cut for one in scores], fights), cut) for cut in between]
    best = [cut for value, cut in rated if value == max(rated)[0]]
    return best[len(best) // 2]


def balanced(said: Sequence[bool], fights: Sequence[bool]) -> float:
    """The mean of the shares found among fights and among the others; NaN where one of them is missing."""
    hits = [one for one, truth in zip(said, fights, strict=True) if truth]
    passed = [not one for one, truth in zip(said, fights, strict=True) if not truth]
    if not hits or not passed:
        return float("nan")
    return (sum(hits) / len(hits) + sum(passed) / len(passed)) / 2


def auc(scores: Sequence[float], fights: Sequence[bool]) -> float:
    """The share of pairs (fight, none) that the scores rank right; equals count half."""
    yes = [one for one, truth in zip(scores, fights, strict=True) if truth]
    no = [one for one, truth in zip(scores, fights, strict=True) if not truth]
    if not yes or not no:
        return float("nan")
    return sum((a > b) + (a == b) / 2 for a in yes for b in no) / (len(yes) * len(no))


def left_out(scores: Sequence[float], fights: Sequence[bool], scene: Sequence[int]) -> list[bool]:
    """What is said of each clip by a threshold that has not seen its scene."""
    said = [False] * len(scores)
    for one in set(scene):
        others = [row for row, its in enumerate(scene) if its != one]
        cut = threshold([scores[row] for row in others], [fights[row] for row in others])
        for row in set(range(len(scores))) - set(others):
            said[row] = scores[row] >= cut
    return said


def interval(said: Sequence[bool], fights: Sequence[bool], scene: Sequence[int]) -> tuple[float, float]:
    """Of the balanced accuracy, 95 %, drawing scenes anew."""
    rows: dict[int, list[int]] = {}
    for row, one in enumerate(scene):
        rows.setdefault(one, []).append(row)
    draw, groups = random.Random(0), list(rows.values())
    values = []
    for _ in range(DRAWS):
        drawn = [row for group in draw.choices(groups, k=len(groups)) for row in group]
        values.append(balanced([said[row] for row in drawn], [fights[row] for row in drawn]))
    low, high = np.nanquantile(values, (0.025, 0.975))
    return round(float(low), 3), round(float(high), 3)


def measure(folder: Path) -> dict[str, Any]:
    """``fight_balanced_accuracy``, ``fight_auc_mid``, ``fight_pairs``: at the clips' own rate."""
    found = clips(folder / SET)
    scene = scenes(found)
    rates = [_rate(found, scene, fps, phase) for fps in RATES for phase in range(1 if fps == OWN else PHASES)]
    own = rates[0]
    slower = [rate for rate in rates if rate["fps"] == FPS]
    fights = [clip.fights for clip in found]
    several = [one for one in set(scene) if scene.count(one) > 1]
    return {
        "fight_balanced_accuracy": own["balanced_accuracy"],
        "fight_auc_mid": own["auc_mid"],
        "fight_pairs": own["pairs"],
        "fights": {
            "clips": len(found),
            "scenes": len(set(scene)),
            "several": [
                [clip.path.stem for clip, its in zip(found, scene, strict=True) if its == one] for one in several
            ],
            "size_alone": round(balanced([clip.size not in BETRAYING for clip in found], fights), 3),
            "interval": own["interval"],
            "pairs_total": own["pairs_total"],
            "worst": {name: min(rate[name] for rate in slower) for name in ("balanced_accuracy", "auc_mid", "pairs")},
            "rates": rates,
            "alarms": _alarms(folder, own["threshold"]),
        },
    }


def _rate(found: Sequence[Clip], scene: Sequence[int], fps: float, phase: int) -> dict[str, Any]:
    scores, records, spent = [], 0, 0.0
    for clip in found:
        every = max(1, round(clip.fps / fps))
        seen = footage.seen(clip.path, clip.fps, every=every, phase=phase * every // PHASES)
        began = time.perf_counter()
        scores.append(score(seen, _site(footage.site(clip.path, clip.fps), None)))
        spent += time.perf_counter() - began
        records += len(seen)
    fights = [clip.fights for clip in found]
    said = left_out(scores, fights, scene)
    mid = [row for row, clip in enumerate(found) if clip.size not in BETRAYING]
    pairs = [
        (i, j)
        for i, j in itertools.product(range(len(found)), repeat=2)
        if scene[i] == scene[j] and fights[i] and not fights[j]
    ]
    return {
        "fps": fps,
        "phase": phase,
        "balanced_accuracy": round(balanced(said, fights), 3),
        "interval": interval(said, fights, scene),
        "auc": round(auc(scores, fights), 3),
        "auc_mid": round(auc([scores[row] for row in mid], [fights[row] for row in mid]), 3),
        "pairs": sum(scores[i] > scores[j] for i, j in pairs),
        "pairs_total": len(pairs),
        "pairs_wrong": [f"{found[i].path.stem} {found[j].path.stem}" for i, j in pairs if scores[i] <= scores[j]],
        "threshold": round(threshold(scores, fights), 3),
        "found_usual": sum(one >= USUAL for one, truth in zip(scores, fights, strict=True) if truth),
        "false_usual": sum(one >= USUAL for one, truth in zip(scores, fights, strict=True) if not truth),
        "fold_us": round(spent / records * 1e6, 1),
        "scores": {clip.path.stem: round(one, 2) for clip, one in zip(found, scores, strict=True)},
    }


USUAL = behaviour.FightThresholds().unrest


def _alarms(folder: Path, best: float) -> dict[str, dict[str, int]]:
    """Events on footage without fights, by threshold: the usual one, and what tells the clips apart best."""
    footages: dict[str, list[list[Detections]]] = {}
    for path in footage.street(folder):
        fps = footage.rate(path)
        footages.setdefault(path.parent.name, []).append(footage.seen(path, fps, every=max(1, round(fps / FPS))))
    footages["caviar, walking"] = list(_walking(folder / "caviar"))
    return {
        name: {
            "usual": sum(_raised(one, None) for one in runs),
            "best": sum(_raised(one, best) for one in runs),
            "seconds": round(sum(one[-1].captured_at - one[0].captured_at for one in runs)),
        }
        for name, runs in footages.items()
    }


def _walking(folder: Path) -> Iterator[list[Detections]]:
    """The runs of pictures of a second or more from the clips in which people only walk, at 12.5 a second."""
    with (folder / "index.csv").open() as stream:
        rows = sorted((row["clip"], int(row["frame"]), row["file"]) for row in csv.DictReader(stream))
    walks = [row for row in rows if "Walk" in row[0]]
    for _, run in itertools.groupby(enumerate(walks), key=lambda one: (one[1][0], one[1][1] - one[0])):
        files = [folder / row[2] for _, row in run]
        if len(files) > 25:
            with tempfile.TemporaryDirectory() as place:
                for file in files:
                    (Path(place) / file.name).symlink_to(file.resolve())
                yield footage.seen(Path(place), 25.0, every=2)


def _site(site: Site, unrest: float | None) -> Site:
    """With this behaviour alone, at a threshold; the usual one if None."""
    watching = {kind: BehaviourConfig(enabled=False) for kind in installed()}
    watching["fight"] = BehaviourConfig(thresholds={} if unrest is None else {"unrest": unrest})
    return site.model_copy(update={"behaviours": watching})


def _raised(records: Sequence[Detections], unrest: float | None) -> int:
    camera = records[0].camera
    site = footage.site(Path("clip.mp4"), 10.0)
    cameras = tuple(one.model_copy(update={"id": camera}) for one in site.cameras)
    watcher = WatchStage(_site(site.model_copy(update={"cameras": cameras}), unrest), run="benchmark")
    state = watcher.start(camera)
    count = 0
    for record in records:
        state, made = watcher.step(state, record)
        count += sum(event.kind == "fight" and event.state == "open" for event in made)
    return count


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    more = report["fights"]
    low, high = more["interval"]
    lines = [
        f"fight_balanced_accuracy {report['fight_balanced_accuracy']:.3f} ({low:.2f}-{high:.2f}; asked: .78; the "
        f"frame's size alone: {more['size_alone']:.3f}; the set's paper: .72), fight_auc_mid "
        f"{report['fight_auc_mid']:.3f} (asked: .82), fight_pairs {report['fight_pairs']} of {more['pairs_total']} "
        f"(asked: 8 of 9); {SET}, {more['clips']} clips of {more['scenes']} scenes, one scene left out, "
        "every picture of the clips",
        f"  at {FPS:g} fps, the worst of {PHASES} phases: " + ", ".join(f"{k} {v}" for k, v in more["worst"].items()),
        "  scenes of several clips: " + "; ".join(" ".join(names) for names in more["several"]),
    ]
    lines += [
        f"  {rate['fps']:>4g} fps, phase {rate['phase']}: balanced {rate['balanced_accuracy']:.3f} "
        f"({rate['interval'][0]:.2f}-{rate['interval'][1]:.2f}), AUC {rate['auc']:.3f}, mid {rate['auc_mid']:.3f}, "
        f"pairs {rate['pairs']}/{rate['pairs_total']}, best threshold {rate['threshold']:.2f}; at the usual {USUAL:g}: "
        f"{rate['found_usual']} found, {rate['false_usual']} false; ranked wrong: "
        f"{', '.join(rate['pairs_wrong']) or 'none'}; the fold {rate['fold_us']:.0f} us a record"
        for rate in more["rates"]
    ]
    lines += [
        f"  alarms on {name}, {one['seconds']} s: {one['usual']} at the usual {USUAL:g}, {one['best']} at what "
        "tells the clips apart best"
        for name, one in more["alarms"].items()
    ]
    return "\n".join(lines)
