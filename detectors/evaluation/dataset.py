"""What is evaluated: a system's answers and the truth, read from whatever files they lie in, in one form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from detectors.behaviours.registry import installed
from detectors.correlation.correlator import KINDS
from detectors.evaluation import alarms, kisa, observation_time, truth_file
from detectors.evaluation.ground_truth import Alarm, TruthLabels
from detectors.evaluation.observation_time import Light, ObservationTime, Seconds
from lanewatch.config.site import Site

NO_CLASS = "of kinds that KISA has no class for"


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """One run and its truth, kinds and places in the same words.

    Attributes:
        seconds: camera time; empty where nobody knows.
        aside: alarms and truths that cannot be judged, by reason.
        kinds: all that there are.
    """

    events: str
    truths: tuple[str, ...]
    alarms: tuple[Alarm, ...]
    labels: tuple[TruthLabels, ...]
    light: Light
    seconds: Seconds
    aside: dict[str, int]
    kinds: frozenset[str]


def load(
    events: Path,
    truths: Sequence[Path],
    *,
    site: Site | None = None,
    clock: str | None = None,
    hours: float | None = None,
    severity: int = 1,
) -> Dataset:
    """Reads events (lines of JSON, KISA's XML, or kept detections, which are scored by the site) and their truth.

    Where either is KISA's XML both are told in KISA's classes, and places are not asked for.

    Args:
        events: a file or folder.
        truths: files of YAML or XML, or folders of XML.
        site: whose sun splits by light, and by which kept detections are scored.
        clock: capture time at which KISA's clips begin, ISO 8601; needed where the other side has capture times.
        hours: camera time, where neither detections nor labels know it.
        severity: from which an event is an alarm; above 1 only of kept detections, which tell when it got so grave.

    Raises:
        EvaluationError: a file is not what it should be, with the line.
        ValueError: something more must be said, and what.
        OSError: a file cannot be read.
    """
    from streams.archive import detections_archive

    asked = kisa.is_kisa(events)
    labels, xml = _labels(
        truths, _start(clock, any(map(kisa.is_kisa, truths)), asked and all(map(kisa.is_kisa, truths)))
    )
    light = observation_time.light_of(site)
    if detections_archive.is_archive(events):
        raised, seconds, light = _scored(events, labels, site, light, severity)
    elif severity > 1:
        raise ValueError(
            f"{events} doesn't tell when an event became so grave: for --severity {severity} give kept detections and "
            "--site"
        )
    else:
        raised, seconds = _alarms(events, clock, xml), {}
    kinds = set(installed()) | set(KINDS) | {one.kind for one in raised} | set(kisa.CLASSES if asked or xml else ())
    kinds |= _composites(site)
    truth_file.check_labels(labels, kinds)
    aside: dict[str, int] = {}
    if asked or xml:
        raised, aside = _classed(raised)
        before = sum(len(one.happenings) for one in labels)
        labels = [_in_classes(one) for one in labels]
        if without := before - sum(len(one.happenings) for one in labels):
            aside[f"truths {NO_CLASS}"] = without
    if not seconds:
        seconds = {("", ""): hours * 3600} if hours else observation_time.labelled_time(labels, light)
    return Dataset(
        events=str(events),
        truths=tuple(map(str, truths)),
        alarms=tuple(raised),
        labels=tuple(labels),
        light=light,
        seconds=seconds,
        aside=aside,
        kinds=frozenset(kinds),
    )


def _labels(sources: Sequence[Path], start: float) -> tuple[list[TruthLabels], bool]:
    labels: list[TruthLabels] = []
    xml = False
    for source in sources:
        if kisa.is_kisa(source):
            labels += kisa.labels(kisa.read(source), start)
            xml = True
        elif source.is_dir():
            raise ValueError(f"{source}: a folder of truth holds KISA's XML (*.xml), and this one has none")
        else:
            labels.append(truth_file.read(source))
    return labels, xml


def _alarms(events: Path, clock: str | None, xml: bool) -> list[Alarm]:
    if kisa.is_kisa(events):
        return kisa.alarms(kisa.read(events), _start(clock, True, xml))
    if events.is_dir():
        raise ValueError(f"{events}: neither KISA's XML (*.xml) nor kept detections (*.parquet) are in this folder")
    return alarms.read(events)


def _scored(
    events: Path, labels: Sequence[TruthLabels], site: Site | None, light: Light, severity: int
) -> tuple[list[Alarm], Seconds, Light]:
    from detectors import pipeline
    from streams.archive import detections_archive

    if site is None:
        raise ValueError(f"{events} holds kept detections: say with --site by which rules they are scored")
    counted = ObservationTime(labels, light)
    revisions = pipeline.rescore(counted.through(detections_archive.read(events)), site, run="evaluate")
    return alarms.raised_alarms(revisions, severity), counted.seconds, counted.light


def _start(clock: str | None, needed: bool, relative: bool) -> float:
    if clock is None:
        if needed and not relative:
            raise ValueError(
                "KISA's times count from the clip's beginning: say with --clock which capture time that is, such as "
                "2026-01-15T02:00:00+09:00"
            )
        return 0.0
    try:
        return datetime.fromisoformat(clock).timestamp()
    except ValueError:
        raise ValueError(f"--clock {clock} is no instant; write it like 2026-01-15T02:00:00+09:00") from None


def _classed(alarms: Iterable[Alarm]) -> tuple[list[Alarm], dict[str, int]]:
    alarms = list(alarms)
    classed = [msgspec.structs.replace(one, kind=one.kisa, zone="") for one in alarms if one.kisa]
    without = len(alarms) - len(classed)
    return classed, {f"alarms {NO_CLASS}": without} if without else {}


def _in_classes(labels: TruthLabels) -> TruthLabels:
    happenings = [
        msgspec.structs.replace(one, kind=name, zone=None) for one in labels.happenings if (name := _class_of(one.kind))
    ]
    kinds = None if labels.kinds is None else frozenset(filter(None, map(_class_of, labels.kinds)))
    return msgspec.structs.replace(labels, happenings=tuple(happenings), kinds=kinds)


def _class_of(kind: str) -> str:
    return kind if kind in kisa.CLASSES else getattr(installed().get(kind), "kisa", "")


def _composites(site: Site | None) -> set[str]:
    """The kinds that a site file declares itself."""
    return set() if site is None else {one.id for one in site.composites}
