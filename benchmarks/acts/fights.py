"""Fights from pixels on fight-surveillance, with one scene left out at a time, and false alarms on other footage.

A clip's score is the greatest measure of the fight behaviour in it. Protocol: benchmarks/PROTOCOLS.md.
"""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from benchmarks import clips, datasets, perturbed_detections
from benchmarks.datasets import clips_in, frame_rate, images, street_videos
from benchmarks.perturbations import Perturbation
from detectors.behaviours.fight import behaviour
from detectors.evaluation.frame_auc import roc
from detectors.watch_stage import WatchStage
from lanewatch.config.site import BehaviourConfig, Site
from lanewatch.records import Detections, Image

SET = "fight-surveillance"
EVERY_PICTURE = 30.0
"""No clip has more, so each picture is sampled."""
FPS = 10.0
"""The recommended rate for the fight behaviour, at which alarms are counted."""
RATES = (EVERY_PICTURE, FPS, 5.0)
PHASES = 3
"""Number of first pictures with which the lower rates begin."""
CLOSER = (("fi105", "fi107"),)
"""Of one scene by eye: a shop's front with the same hedge, tree and frame. One is from nearer, so no points match."""
POINTS = 25
WIDTH = 320  # pixels of the pictures whose points are compared
RATIO = 0.75  # Lowe's
REVEALING_SIZES = ((320, 240), (1280, 720))
"""Sizes of clips without a fight, almost without exception: they reveal the class."""
DRAWS = 2000


class Clip(NamedTuple):
    """A labelled clip; ``picture`` is its middle picture, small and grey."""

    path: Path
    fights: bool
    fps: float
    size: tuple[int, int]
    picture: Image


def labelled_clips(folder: Path) -> list[Clip]:
    """All clips in the folders ``fight`` and ``no-fight``, by name."""
    return [_clip(file, name == "fight") for name in ("fight", "no-fight") for file in clips_in(folder, name)]


def _clip(path: Path, fights: bool) -> Clip:
    pictures = list(images(path))
    if not pictures:
        raise ValueError(f"{path}: no picture could be read")
    height, width = pictures[0].shape[:2]
    middle = cv2.cvtColor(pictures[len(pictures) // 2], cv2.COLOR_BGR2GRAY)
    small = cv2.resize(middle, (WIDTH, round(height * WIDTH / width)), interpolation=cv2.INTER_AREA)
    return Clip(path, fights, frame_rate(path), (width, height), np.asarray(small, np.uint8))


def scenes(found: Sequence[Clip]) -> list[int]:
    """The number of each clip's scene."""
    sift: Any = cv2.SIFT_create(800)  # type: ignore[attr-defined]  # not in the stubs
    described = [sift.detectAndCompute(clip.picture, None) for clip in found]
    scene = list(range(len(found)))
    for i, j in itertools.combinations(range(len(found)), 2):
        if found[i].size == found[j].size and shared_points(described[i], described[j]) >= POINTS:
            old, new = scene[j], scene[i]
            scene = [new if number == old else number for number in scene]
    rows = {clip.path.stem: row for row, clip in enumerate(found)}
    for near, far in CLOSER:
        if near in rows and far in rows:
            scene[rows[near]] = scene[rows[far]]
    return scene


def shared_points(described: Any, other: Any) -> int:
    """The number of points that two pictures share under one shift, rotation and scale."""
    (points, descriptors), (other_points, other_descriptors) = described, other
    if descriptors is None or other_descriptors is None:
        return 0
    pairs = [pair for pair in cv2.BFMatcher().knnMatch(descriptors, other_descriptors, k=2) if len(pair) == 2]
    good = [first for first, second in pairs if first.distance < RATIO * second.distance]
    if len(good) < POINTS:
        return 0
    source = np.array([points[match.queryIdx].pt for match in good], np.float32)
    target = np.array([other_points[match.trainIdx].pt for match in good], np.float32)
    found, inside = cv2.estimateAffinePartial2D(source, target, ransacReprojThreshold=3.0)
    return 0 if found is None else int(inside.sum())


def score(records: Iterable[Detections], site: Site) -> float:
    """The greatest measure of the fight behaviour in a clip."""
    watcher = WatchStage(site, run="benchmark")
    state = watcher.start(site.cameras[0].id)
    greatest = 0.0
    for record in records:
        state, _ = watcher.step(state, record)
        memory = state.memories.get("fight")
        if memory is not None:
            greatest = max(greatest, behaviour.mean_rate(memory.samples))
    return greatest


def threshold(scores: Sequence[float], fights: Sequence[bool]) -> float:
    """The best threshold, in the middle between two scores; of several, the middle one."""
    ranked = sorted(set(scores))
    between = [(low + high) / 2 for low, high in itertools.pairwise(ranked)] or ranked
    rated = [(balanced_accuracy([score >= cut for score in scores], fights), cut) for cut in between]
    best = [cut for value, cut in rated if value == max(rated)[0]]
    return best[len(best) // 2]


def balanced_accuracy(answers: Sequence[bool], fights: Sequence[bool]) -> float:
    """The mean of both classes' shares of right answers; NaN if a class is missing."""
    hits = [answer for answer, fight in zip(answers, fights, strict=True) if fight]
    rejected = [not answer for answer, fight in zip(answers, fights, strict=True) if not fight]
    if not hits or not rejected:
        return float("nan")
    return (sum(hits) / len(hits) + sum(rejected) / len(rejected)) / 2


def auc(scores: Sequence[float], fights: Sequence[bool]) -> float:
    """The share of pairs (fight, no fight) with the right order of scores; equal scores count half. NaN without one."""
    return roc(scores, fights).auc if any(fights) and not all(fights) else float("nan")


def leave_scene_out(scores: Sequence[float], fights: Sequence[bool], scene: Sequence[int]) -> list[bool]:
    """The answer for each clip, by a threshold from the other scenes."""
    cuts = {}
    for number in set(scene):
        rows = [row for row, other in enumerate(scene) if other != number]
        cuts[number] = threshold([scores[row] for row in rows], [fights[row] for row in rows])
    return [score >= cuts[number] for score, number in zip(scores, scene, strict=True)]


def interval(answers: Sequence[bool], fights: Sequence[bool], scene: Sequence[int]) -> tuple[float, float]:
    """95 % interval of the balanced accuracy, by a bootstrap over scenes."""
    rows: dict[int, list[int]] = {}
    for row, number in enumerate(scene):
        rows.setdefault(number, []).append(row)
    draw, groups = random.Random(0), list(rows.values())
    values = []
    for _ in range(DRAWS):
        drawn = [row for group in draw.choices(groups, k=len(groups)) for row in group]
        values.append(balanced_accuracy([answers[row] for row in drawn], [fights[row] for row in drawn]))
    low, high = np.nanquantile(values, (0.025, 0.975))
    return round(float(low), 3), round(float(high), 3)


def measure(folder: Path) -> dict[str, Any]:
    """``fight_balanced_accuracy``, ``fight_auc_mid``, ``fight_pairs``: at the clips' own rate."""
    found = labelled_clips(folder / SET)
    scene = scenes(found)
    rates = [_rate(found, scene, fps, phase) for fps in RATES for phase in range(1 if fps == EVERY_PICTURE else PHASES)]
    own = rates[0]
    slower = [rate for rate in rates if rate["fps"] == FPS]
    fights = [clip.fights for clip in found]
    members = {
        number: [clip.path.stem for clip, own in zip(found, scene, strict=True) if own == number]
        for number in set(scene)
    }
    return {
        "fight_balanced_accuracy": own["balanced_accuracy"],
        "fight_auc_mid": own["auc_mid"],
        "fight_pairs": own["pairs"],
        "fights": {
            "clips": len(found),
            "scenes": len(members),
            "several": [names for names in members.values() if len(names) > 1],
            "size_alone": round(balanced_accuracy([clip.size not in REVEALING_SIZES for clip in found], fights), 3),
            "interval": own["interval"],
            "pairs_total": own["pairs_total"],
            "worst": {name: min(rate[name] for rate in slower) for name in ("balanced_accuracy", "auc_mid", "pairs")},
            "rates": rates,
            "alarms": _alarms(folder, own["threshold"]),
        },
    }


def robust(folder: Path, changes: Sequence[Perturbation]) -> dict[str, Any]:
    """``fights_balanced_worst``, ``fights_auc_worst``: over all changes at 10 pictures a second, one scene left out."""
    found = labelled_clips(folder / SET)
    scene = scenes(found)
    fights = [clip.fights for clip in found]
    site = _site(clips.site(Path("clip.mp4"), EVERY_PICTURE), None)
    rows: dict[str, dict[str, Any]] = {}
    for change in changes:
        runs = [perturbed_detections.detections(clip.path, clip.fps, change, rate=FPS) for clip in found]
        scores = [score(records, site) for records in runs]
        answers = leave_scene_out(scores, fights, scene)
        opened = [_raised(records, None) > 0 for records in runs]
        rows[change.name] = {
            "balanced": round(balanced_accuracy(answers, fights), 3),
            "interval": interval(answers, fights, scene),
            "auc": round(auc(scores, fights), 3),
            "found_usual": sum(each and fight for each, fight in zip(opened, fights, strict=True)),
            "false_usual": sum(each and not fight for each, fight in zip(opened, fights, strict=True)),
        }
    return {
        "fights_balanced_worst": min(row["balanced"] for row in rows.values()),
        "fights_auc_worst": min(row["auc"] for row in rows.values()),
        "fights_robust": {"fights": sum(fights), "quiet": len(fights) - sum(fights), "rows": rows},
    }


def robust_table(report: dict[str, Any]) -> str:
    """The report as text."""
    part = report["fights_robust"]
    lines = [
        f"fights_balanced_worst {report['fights_balanced_worst']:.3f} (target: .78), fights_auc_worst "
        f"{report['fights_auc_worst']:.3f} (target: .82); one scene left out, {FPS:g} pictures a second"
    ]
    lines += [
        f"  {name:<18}balanced {row['balanced']:.3f} ({row['interval'][0]:.2f}-{row['interval'][1]:.2f}), AUC "
        f"{row['auc']:.3f}; events at the default: {row['found_usual']} of {part['fights']} fights, "
        f"{row['false_usual']} of {part['quiet']} quiet clips"
        for name, row in part["rows"].items()
    ]
    return "\n".join(lines)


def _rate(found: Sequence[Clip], scene: Sequence[int], fps: float, phase: int) -> dict[str, Any]:
    scores, count, seconds = [], 0, 0.0
    for clip in found:
        every = max(1, round(clip.fps / fps))
        records = clips.detections(clip.path, clip.fps, every=every, phase=phase * every // PHASES)
        began = time.perf_counter()
        scores.append(score(records, _site(clips.site(clip.path, clip.fps), None)))
        seconds += time.perf_counter() - began
        count += len(records)
    fights = [clip.fights for clip in found]
    answers = leave_scene_out(scores, fights, scene)
    mid = [row for row, clip in enumerate(found) if clip.size not in REVEALING_SIZES]
    both = itertools.product(range(len(found)), repeat=2)
    pairs = [(i, j) for i, j in both if scene[i] == scene[j] and fights[i] and not fights[j]]
    return {
        "fps": fps,
        "phase": phase,
        "balanced_accuracy": round(balanced_accuracy(answers, fights), 3),
        "interval": interval(answers, fights, scene),
        "auc": round(auc(scores, fights), 3),
        "auc_mid": round(auc([scores[row] for row in mid], [fights[row] for row in mid]), 3),
        "pairs": sum(scores[i] > scores[j] for i, j in pairs),
        "pairs_total": len(pairs),
        "pairs_wrong": [f"{found[i].path.stem} {found[j].path.stem}" for i, j in pairs if scores[i] <= scores[j]],
        "threshold": round(threshold(scores, fights), 3),
        "found_usual": sum(score >= USUAL for score, fight in zip(scores, fights, strict=True) if fight),
        "false_usual": sum(score >= USUAL for score, fight in zip(scores, fights, strict=True) if not fight),
        "fold_us": round(seconds / count * 1e6, 1),
        "scores": {clip.path.stem: round(score, 2) for clip, score in zip(found, scores, strict=True)},
    }


USUAL = behaviour.FightThresholds().unrest


def _alarms(folder: Path, best: float) -> dict[str, dict[str, int]]:
    """Events on footage without fights, at the default threshold and at the best one for the clips."""
    footages: dict[str, list[list[Detections]]] = {}
    for path in street_videos(folder):
        fps = frame_rate(path)
        footages.setdefault(path.parent.name, []).append(clips.detections(path, fps, every=max(1, round(fps / FPS))))
    footages["caviar, walking"] = list(_walking(folder))
    return {
        name: {
            "usual": sum(_raised(records, None) for records in runs),
            "best": sum(_raised(records, best) for records in runs),
            "seconds": round(sum(records[-1].captured_at - records[0].captured_at for records in runs)),
        }
        for name, runs in footages.items()
    }


def _walking(folder: Path) -> Iterator[list[Detections]]:
    """The runs of pictures of a second or more from CAVIAR's clips in which people only walk, at 12.5 a second."""
    for run in datasets.caviar_runs(folder):
        if "Walk" in run.clip and len(run.files) > 25:
            with tempfile.TemporaryDirectory() as scratch:
                yield clips.detections(datasets.link_pictures(run.files, Path(scratch)), 25.0, every=2)


def _site(site: Site, unrest: float | None) -> Site:
    """The site with this behaviour alone, at a threshold; the default one if None."""
    return clips.only_behaviour(site, "fight", BehaviourConfig(thresholds={} if unrest is None else {"unrest": unrest}))


def _raised(records: Sequence[Detections], unrest: float | None) -> int:
    events = clips.opened_events(records, _site(clips.site(Path("clip.mp4"), 10.0), unrest))
    return sum(event.kind == "fight" for event in events)


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    more = report["fights"]
    low, high = more["interval"]
    lines = [
        f"fight_balanced_accuracy {report['fight_balanced_accuracy']:.3f} ({low:.2f}-{high:.2f}; target: .78; the "
        f"frame's size alone: {more['size_alone']:.3f}; the set's paper: .72), fight_auc_mid "
        f"{report['fight_auc_mid']:.3f} (target: .82), fight_pairs {report['fight_pairs']} of {more['pairs_total']} "
        f"(target: 8 of 9); {SET}, {more['clips']} clips of {more['scenes']} scenes, one scene left out, "
        "every picture of the clips",
        f"  at {FPS:g} fps, the worst of {PHASES} phases: " + ", ".join(f"{k} {v}" for k, v in more["worst"].items()),
        "  scenes of several clips: " + "; ".join(" ".join(names) for names in more["several"]),
    ]
    lines += [
        f"  {rate['fps']:>4g} fps, phase {rate['phase']}: balanced {rate['balanced_accuracy']:.3f} "
        f"({rate['interval'][0]:.2f}-{rate['interval'][1]:.2f}), AUC {rate['auc']:.3f}, mid {rate['auc_mid']:.3f}, "
        f"pairs {rate['pairs']}/{rate['pairs_total']}, best threshold {rate['threshold']:.2f}; "
        f"at the default {USUAL:g}: {rate['found_usual']} found, {rate['false_usual']} false; ranked wrong: "
        f"{', '.join(rate['pairs_wrong']) or 'none'}; the watch stage {rate['fold_us']:.0f} us a record"
        for rate in more["rates"]
    ]
    lines += [
        f"  alarms on {name}, {alarms['seconds']} s: {alarms['usual']} at the default {USUAL:g}, "
        f"{alarms['best']} at the clips' best threshold"
        for name, alarms in more["alarms"].items()
    ]
    return "\n".join(lines)
