"""Alarms and ground truth, read from files of several formats into one form."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from detectors.behaviours.registry import installed
from detectors.correlation.correlator import KINDS
from detectors.evaluation import alarms, kisa_protocol, observation_time, truth_file
from detectors.evaluation.ground_truth import Alarm, TruthLabels
from detectors.evaluation.observation_time import Light, ObservationTime, ObservedSeconds
from lanewatch.config.site import Site
from lanewatch.progress import Progress

NO_CLASS = "of kinds that KISA has no class for"


class Dataset(msgspec.Struct, frozen=True, kw_only=True):
    """One run and its ground truth, with kinds and zones in the same terms.

    ``seconds`` is the observation time; empty if unknown. ``excluded`` counts the alarms and truths that cannot be
    evaluated, by reason. ``kinds`` are all known ones.
    """

    source: str
    truth_sources: tuple[str, ...]
    alarms: tuple[Alarm, ...]
    labels: tuple[TruthLabels, ...]
    light: Light
    seconds: ObservedSeconds
    excluded: dict[str, int]
    kinds: frozenset[str]


def load(
    events: Path,
    truths: Sequence[Path],
    *,
    site: Site | None = None,
    clock: str | None = None,
    hours: float | None = None,
    severity: int = 1,
    quiet: bool = True,
) -> Dataset:
    """Reads events (lines of JSON, KISA's XML, or archived detections, which are scored) and their ground truth.

    If either is KISA's XML, both are converted to KISA's classes, and zones are not compared. The options are those of
    ``lanewatch evaluate``. Scoring shows its progress on stderr unless ``quiet``.

    Raises:
        EvaluationError: a file is invalid; the message has the line.
        ValueError: an option is missing; the message names it.
        OSError: a file cannot be read.
    """
    from streams.archive import detections_archive

    truths_are_kisa = [kisa_protocol.is_kisa(source) for source in truths]
    use_classes = kisa_protocol.is_kisa(events) or any(truths_are_kisa)
    both_relative = kisa_protocol.is_kisa(events) and all(truths_are_kisa)
    labels = _labels(truths, _start(clock, any(truths_are_kisa), both_relative))
    light = observation_time.light_of(site)
    if detections_archive.is_archive(events):
        raised, seconds, light = _scored(events, labels, site, light, severity, quiet)
    elif severity > 1:
        unknown = f"{events} doesn't tell when an event became so grave"
        raise ValueError(f"{unknown}: for --severity {severity} give archived detections and --site")
    else:
        raised, seconds = _alarms(events, clock, any(truths_are_kisa)), {}
    kinds = set(installed()) | set(KINDS) | {alarm.kind for alarm in raised}
    kinds |= set(kisa_protocol.CLASSES if use_classes else ()) | {item.id for item in (site.composites if site else ())}
    truth_file.check_labels(labels, kinds)
    excluded: dict[str, int] = {}
    if use_classes:
        before = len(raised), sum(len(stretch.events) for stretch in labels)
        raised = [msgspec.structs.replace(alarm, kind=alarm.kisa, zone="") for alarm in raised if alarm.kisa]
        labels = [_labels_in_classes(stretch) for stretch in labels]
        after = len(raised), sum(len(stretch.events) for stretch in labels)
        for name, count, remaining in zip(("alarms", "truths"), before, after, strict=True):
            if count > remaining:
                excluded[f"{name} {NO_CLASS}"] = count - remaining
    if not seconds:
        seconds = {("", ""): hours * 3600} if hours else observation_time.labelled_time(labels, light)
    return Dataset(
        source=str(events),
        truth_sources=tuple(map(str, truths)),
        alarms=tuple(raised),
        labels=tuple(labels),
        light=light,
        seconds=seconds,
        excluded=excluded,
        kinds=frozenset(kinds),
    )


def _labels(sources: Sequence[Path], start: float) -> list[TruthLabels]:
    labels: list[TruthLabels] = []
    for source in sources:
        if kisa_protocol.is_kisa(source):
            labels += kisa_protocol.labels(kisa_protocol.read(source), start)
        elif source.is_dir():
            raise ValueError(f"{source}: a folder of truth holds KISA's XML (*.xml), and this one has none")
        else:
            labels.append(truth_file.read(source))
    return labels


def _alarms(events: Path, clock: str | None, relative: bool) -> list[Alarm]:
    if kisa_protocol.is_kisa(events):
        return kisa_protocol.alarms(kisa_protocol.read(events), _start(clock, True, relative))
    if events.is_dir():
        raise ValueError(f"{events}: this folder has neither KISA's XML (*.xml) nor archived detections (*.parquet)")
    return alarms.read(events)


def _scored(
    events: Path, labels: Sequence[TruthLabels], site: Site | None, light: Light, severity: int, quiet: bool
) -> tuple[list[Alarm], ObservedSeconds, Light]:
    from detectors import pipeline
    from streams.archive import detections_archive

    if site is None:
        raise ValueError(f"{events} holds archived detections: give the site file that scores them with --site")
    observed = ObservationTime(labels, light)
    count = detections_archive.count(events)
    if count == 0:
        raise ValueError(f"{events} has no archived detections")
    with Progress(f"scoring {events.name}", count, unit="records", quiet=quiet) as progress:
        records = progress.through(detections_archive.read(events))
        revisions = pipeline.rescore(observed.through(records), site, run="evaluate")
        raised = alarms.raised_alarms(revisions, severity)
    return raised, observed.seconds, observed.light


def _start(clock: str | None, needed: bool, relative: bool) -> float:
    if clock is None:
        if needed and not relative:
            fix = "give its capture time with --clock, such as 2026-01-15T02:00:00+09:00"
            raise ValueError(f"KISA's times count from the clip's beginning: {fix}")
        return 0.0
    try:
        return datetime.fromisoformat(clock).timestamp()
    except ValueError:
        raise ValueError(f"--clock {clock} is no instant; write it like 2026-01-15T02:00:00+09:00") from None


def _labels_in_classes(labels: TruthLabels) -> TruthLabels:
    events = [
        msgspec.structs.replace(event, kind=name, zone=None)
        for event in labels.events
        if (name := _class_of(event.kind))
    ]
    kinds = None if labels.kinds is None else frozenset(filter(None, map(_class_of, labels.kinds)))
    return msgspec.structs.replace(labels, events=tuple(events), kinds=kinds)


def _class_of(kind: str) -> str:
    return kind if kind in kisa_protocol.CLASSES else getattr(installed().get(kind), "kisa", "")
