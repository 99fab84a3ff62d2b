"""KISA's certification of intelligent CCTV: its XML, read and written, and the evaluator's self-test.

Its form and its rule are in docs/evaluation.md. Ground truth and a system's alarms have the same form.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import msgspec

from detectors.evaluation.ground_truth import Alarm, EvaluationError, TruthEvent, TruthLabels
from detectors.evaluation.matching import Instant, Matching, match
from detectors.evaluation.safe_xml import XmlError, line_of, parse, text_of
from lanewatch.config.problems import Problem, suggestion

CLASSES = ("Loitering", "Intrusion", "Abandonment", "Falldown", "Violence", "FireDetection")
PASSES = 0.9
"""F1 from which a class is certified."""

_TIME = re.compile(r"(\d{1,3}):([0-5]?\d):([0-5]?\d(?:\.\d+)?)")
_FORM = "compare the file with KisaLibraryIndex/Library/Clip/{Header,Alarms/Alarm} in docs/evaluation.md"


class KisaAlarm(msgspec.Struct, frozen=True):
    """One ``Alarm`` element: class, start (seconds from the clip's beginning), duration, and its line in the file."""

    kind: str
    start_s: float
    duration_s: float = 0.0
    line: int = 0


class KisaClip(msgspec.Struct, frozen=True):
    """One ``Clip`` element. ``scenario`` is the text of ``Scenario``, which real files spell ``Senario``."""

    name: str
    duration_s: float | None
    alarms: tuple[KisaAlarm, ...]
    scenario: str = ""
    file: str = ""

    @property
    def camera(self) -> str:
        """The file's name without its extension: the camera's id in an evaluation."""
        return Path(self.name.replace("\\", "/")).stem


def is_kisa(source: Path) -> bool:
    """Whether a path is an XML file, or a folder that has some."""
    if source.is_dir():
        return next(source.rglob("*.xml"), None) is not None
    return source.suffix.lower() == ".xml"


def read(source: Path) -> list[KisaClip]:
    """All clips of a file, or of a folder's files.

    Raises:
        EvaluationError: a file is broken or not KISA's, or two files have the same clip.
        OSError: it cannot be read.
    """
    files = sorted(source.rglob("*.xml")) if source.is_dir() else [source]
    clips = [clip for file in files for clip in _clips(file)]
    seen: dict[str, str] = {}
    for clip in clips:
        if clip.camera in seen:
            what = f"clip {clip.name} is in {seen[clip.camera]} too"
            raise EvaluationError(Problem(clip.file, 1, "", what, "remove one of the two"))
        seen[clip.camera] = clip.file
    return clips


def labels(clips: Iterable[KisaClip], start: float = 0.0) -> list[TruthLabels]:
    """Clips as ground truth; ``start`` is the capture time of their beginning."""
    return [
        TruthLabels(
            file=clip.file,
            camera=clip.camera,
            start=start,
            end=None if clip.duration_s is None else start + clip.duration_s,
            events=tuple(
                TruthEvent(
                    camera=clip.camera,
                    kind=alarm.kind,
                    zone=None,
                    at=start + alarm.start_s,
                    end=start + alarm.start_s + alarm.duration_s if alarm.duration_s else None,
                    line=alarm.line,
                )
                for alarm in clip.alarms
            ),
        )
        for clip in clips
    ]


def alarms(clips: Iterable[KisaClip], start: float = 0.0) -> list[Alarm]:
    """Clips as a system's alarms; ``start`` as for ``labels``. An alarm that is written twice was raised twice."""
    return [
        Alarm(
            camera=clip.camera,
            kind=alarm.kind,
            zone="",
            at=start + alarm.start_s,
            end=start + alarm.start_s + alarm.duration_s,
            kisa=alarm.kind,
            id=f"{clip.camera}:{number}",
        )
        for clip in clips
        for number, alarm in enumerate(clip.alarms)
    ]


def clips(alarms: Sequence[Alarm], labels: Sequence[TruthLabels]) -> list[KisaClip]:
    """Alarms as clips, one for each labelled stretch; without alarms of kinds that have no KISA class.

    A clip's times count from the stretch's beginning.
    """
    cameras = [stretch.camera for stretch in labels]
    return [
        KisaClip(
            f"{stretch.camera}.mp4" if cameras.count(stretch.camera) == 1 else f"{stretch.camera}-{number}.mp4",
            None if stretch.end is None else stretch.end - stretch.start,
            tuple(
                KisaAlarm(alarm.kisa, alarm.at - stretch.start, max(0.0, (alarm.end or alarm.at) - alarm.at))
                for alarm in sorted(alarms, key=lambda alarm: alarm.at)
                if alarm.camera == stretch.camera and alarm.kisa and stretch.covers(alarm.at)
            ),
        )
        for number, stretch in enumerate(labels, 1)
    ]


def text(clip: KisaClip) -> str:
    """A clip as KISA's XML; times are rounded to the second, as in that format."""
    alarms = "".join(
        "      <Alarm>\n"
        f"        <StartTime>{_clock(alarm.start_s)}</StartTime>\n"
        f"        <AlarmDescription>{escape(alarm.kind)}</AlarmDescription>\n"
        f"        <AlarmDuration>{_clock(alarm.duration_s)}</AlarmDuration>\n"
        "      </Alarm>\n"
        for alarm in clip.alarms
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<KisaLibraryIndex>\n  <Library>\n    <Clip>\n      <Header>\n'
        f"        <Filename>{escape(clip.name)}</Filename>\n"
        f"        <Duration>{_clock(clip.duration_s or 0.0)}</Duration>\n"
        f"        <AlarmEvents>{len(clip.alarms)}</AlarmEvents>\n"
        f"      </Header>\n      <Alarms>\n{alarms}      </Alarms>\n    </Clip>\n  </Library>\n</KisaLibraryIndex>\n"
    )


def write(folder: Path, clips: Iterable[KisaClip]) -> list[Path]:
    """Writes one file for each clip, named like it, and returns the paths.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {folder / f"{clip.camera}.xml": text(clip) for clip in clips}
    for file, content in files.items():
        file.write_text(content, encoding="utf-8")
    return list(files)


def self_test() -> Matching:
    """The four cases by which an evaluator is tested: a hit, a late alarm, a missing one and a spurious one.

    By the rule these are one true positive, two misses (one of them is the late alarm's) and two false positives.
    """
    truth = [Instant(clip, 60.0) for clip in ("hit", "late", "none")]
    return match([Instant("hit", 63.0), Instant("late", 71.0), Instant("spurious", 60.0)], truth)


def _clips(file: Path) -> list[KisaClip]:
    try:
        root = parse(file.read_bytes())
        if root.tag != "KisaLibraryIndex":
            raise XmlError(line_of(root), f"this is a {root.tag[:40]}, not a KisaLibraryIndex", _FORM)
        clips = [_clip(element, str(file)) for element in root.findall("Library/Clip")]
        if not clips:
            raise XmlError(line_of(root), "there is no Library/Clip in it", _FORM)
        return clips
    except XmlError as error:
        raise EvaluationError(Problem(str(file), error.line, "", error.what, error.fix)) from None


def _clip(element: Element, file: str) -> KisaClip:
    name = element.find("Header/Filename")
    if not text_of(name):
        header = element.find("Header")
        line = line_of(element if header is None else header)
        raise XmlError(line, "the clip has no Header/Filename", "write which video it is about")
    return KisaClip(
        text_of(name),
        _seconds(element.find("Header/Duration")),
        tuple(_alarm(alarm) for alarm in element.findall("Alarms/Alarm")),
        text_of(element.find("Header/Scenario")) or text_of(element.find("Header/Senario")),
        file,
    )


def _alarm(element: Element) -> KisaAlarm:
    start, description = element.find("StartTime"), element.find("AlarmDescription")
    if start is None or description is None:
        missing = "StartTime" if start is None else "AlarmDescription"
        raise XmlError(line_of(element), f"the alarm has no {missing}", _FORM)
    text = text_of(description)
    kind = next((name for name in CLASSES if name.lower() == text.lower()), None)
    if kind is None:
        what = f"unknown class {text[:40] or '(nothing)'}"
        raise XmlError(line_of(description), what, suggestion(text, CLASSES, none=""))
    duration_s = _seconds(element.find("AlarmDuration")) or 0.0
    return KisaAlarm(kind, _seconds(start, required=True) or 0.0, duration_s, line_of(element))


def _seconds(element: Element | None, *, required: bool = False) -> float | None:
    """A time as hh:mm:ss; None if the element is missing, or empty and not required."""
    text = text_of(element)
    if element is None or not (text or required):
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        what = f"{element.tag} {text[:40] or '(nothing)'} is no time"
        raise XmlError(line_of(element), what, "write hh:mm:ss from the clip's beginning, such as 00:01:23")
    hours, minutes, seconds = match.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
