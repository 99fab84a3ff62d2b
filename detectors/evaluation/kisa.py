"""KISA's certification of intelligent CCTV: its XML, read and written, and its rule with the test of itself.

A clip's XML is ``KisaLibraryIndex/Library/Clip`` with ``Header/{Filename,Duration,AlarmEvents}`` and
``Alarms/Alarm/{StartTime,AlarmDescription,AlarmDuration}``, times as hh:mm:ss from the clip's beginning. The same form
serves for the truth and for a system's answers. An alarm counts from 2 s before to 10 s after the truth's instant; one
outside is a false positive and leaves a miss. F1 of .90 passes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from xml.sax.saxutils import escape

import msgspec

from detectors.evaluation.ground_truth import Alarm, EvaluationError, TruthEvent, TruthLabels
from detectors.evaluation.matching import Instant, Matching, match
from detectors.evaluation.safe_xml import Element, XmlError, parse
from lanewatch.config.problems import Problem, suggestion

CLASSES = ("Loitering", "Intrusion", "Abandonment", "Falldown", "Violence", "FireDetection")
PASSES = 0.9
"""F1 from which a class is certified."""

_TIME = re.compile(r"(\d{1,3}):([0-5]?\d):([0-5]?\d(?:\.\d+)?)")
_FORM = "compare the file with KisaLibraryIndex/Library/Clip/{Header,Alarms/Alarm} in docs/evaluation.md"


class KisaAlarm(msgspec.Struct, frozen=True):
    """One ``Alarm`` element: a class, when (seconds from the clip's beginning) and for how long."""

    kind: str
    start_s: float
    duration_s: float = 0.0
    line: int = 0


class KisaClip(msgspec.Struct, frozen=True):
    """One ``KisaClip`` element. ``scenario`` is what ``Scenario`` says, which real files spell ``Senario``."""

    name: str
    duration_s: float | None
    marks: tuple[KisaAlarm, ...]
    scenario: str = ""
    file: str = ""

    @property
    def camera(self) -> str:
        """The file's name without its ending: what its camera is called in an evaluation."""
        return Path(self.name.replace("\\", "/")).stem


def is_kisa(source: Path) -> bool:
    """Whether a path holds KISA's XML: a file of it, or a folder with some."""
    if source.is_dir():
        return next(source.rglob("*.xml"), None) is not None
    return source.suffix.lower() == ".xml"


def read(source: Path) -> list[KisaClip]:
    """All clips of a file, or of a folder's files.

    Raises:
        EvaluationError: a file is broken, is none of KISA's, or tells of a clip that another one tells of.
        OSError: it cannot be read.
    """
    files = sorted(source.rglob("*.xml")) if source.is_dir() else [source]
    clips = [clip for file in files for clip in _clips(file)]
    seen: dict[str, str] = {}
    for clip in clips:
        if clip.camera in seen:
            what = f"clip {clip.name} is in {seen[clip.camera]} too"
            raise EvaluationError(Problem(clip.file, 1, "", what, "leave one of the two out"))
        seen[clip.camera] = clip.file
    return clips


def labels(clips: Iterable[KisaClip], start: float = 0.0) -> list[TruthLabels]:
    """Clips as a truth.

    Args:
        clips: as read.
        start: capture time of their beginning.
    """
    return [
        TruthLabels(
            file=clip.file,
            camera=clip.camera,
            start=start,
            end=None if clip.duration_s is None else start + clip.duration_s,
            happenings=tuple(
                TruthEvent(
                    camera=clip.camera,
                    kind=mark.kind,
                    zone=None,
                    at=start + mark.start_s,
                    end=start + mark.start_s + mark.duration_s if mark.duration_s else None,
                    line=mark.line,
                )
                for mark in clip.marks
            ),
        )
        for clip in clips
    ]


def alarms(clips: Iterable[KisaClip], start: float = 0.0) -> list[Alarm]:
    """Clips as a system's answers; ``start`` as for ``labels``. An alarm that is there twice was raised twice."""
    return [
        Alarm(
            camera=clip.camera,
            kind=mark.kind,
            zone="",
            at=start + mark.start_s,
            end=start + mark.start_s + mark.duration_s,
            kisa=mark.kind,
            id=f"{clip.camera}:{number}",
        )
        for clip in clips
        for number, mark in enumerate(clip.marks)
    ]


def clips(alarms: Sequence[Alarm], labels: Sequence[TruthLabels]) -> list[KisaClip]:
    """Alarms as clips, one a stretch of a camera; alarms of kinds without a class of KISA's are not in them.

    Args:
        alarms: any order.
        labels: the stretches, from whose beginning a clip's times count.
    """
    cameras = [one.camera for one in labels]
    return [
        KisaClip(
            f"{one.camera}.mp4" if cameras.count(one.camera) == 1 else f"{one.camera}-{number}.mp4",
            None if one.end is None else one.end - one.start,
            tuple(
                KisaAlarm(alarm.kisa, alarm.at - one.start, max(0.0, (alarm.end or alarm.at) - alarm.at))
                for alarm in sorted(alarms, key=lambda alarm: alarm.at)
                if alarm.camera == one.camera and alarm.kisa and one.covers(alarm.at)
            ),
        )
        for number, one in enumerate(labels, 1)
    ]


def text(clip: KisaClip) -> str:
    """A clip as KISA's XML; times to the whole second, as the form has them."""
    alarms = "".join(
        "      <Alarm>\n"
        f"        <StartTime>{_clock(mark.start_s)}</StartTime>\n"
        f"        <AlarmDescription>{escape(mark.kind)}</AlarmDescription>\n"
        f"        <AlarmDuration>{_clock(mark.duration_s)}</AlarmDuration>\n"
        "      </Alarm>\n"
        for mark in clip.marks
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<KisaLibraryIndex>\n  <Library>\n    <Clip>\n      <Header>\n'
        f"        <Filename>{escape(clip.name)}</Filename>\n"
        f"        <Duration>{_clock(clip.duration_s or 0.0)}</Duration>\n"
        f"        <AlarmEvents>{len(clip.marks)}</AlarmEvents>\n"
        f"      </Header>\n      <Alarms>\n{alarms}      </Alarms>\n    </Clip>\n  </Library>\n</KisaLibraryIndex>\n"
    )


def write(folder: Path, clips: Iterable[KisaClip]) -> list[Path]:
    """A file a clip, named like it; their paths are returned.

    Raises:
        OSError: it cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for clip in clips:
        file = folder / f"{clip.camera}.xml"
        file.write_text(text(clip), encoding="utf-8")
        files.append(file)
    return files


def self_test() -> Matching:
    """The four cases by which an evaluator is tested: a hit, one too late, none, and one where nothing happened.

    By the rule that is one true positive, two misses (the late one's too) and two false positives.
    """
    truth = [Instant(clip, 60.0) for clip in ("hit", "late", "none")]
    return match([Instant("hit", 63.0), Instant("late", 71.0), Instant("spurious", 60.0)], truth)


def _clips(file: Path) -> Iterator[KisaClip]:
    try:
        root = parse(file.read_bytes())
        if root.name != "KisaLibraryIndex":
            raise XmlError(root.line, f"this is a {root.name[:40]}, not a KisaLibraryIndex", _FORM)
        found = [clip for library in root.all("Library") for clip in library.all("Clip")]
        if not found:
            raise XmlError(root.line, "there is no Library/Clip in it", _FORM)
        yield from [_clip(one, str(file)) for one in found]
    except XmlError as error:
        raise EvaluationError(Problem(str(file), error.line, "", error.what, error.mend)) from None


def _clip(element: Element, file: str) -> KisaClip:
    header = element.one("Header")
    if header is None or not header.say("Filename"):
        raise XmlError((header or element).line, "the clip has no Header/Filename", "say which video it is about")
    duration = header.one("Duration")
    marks = [mark for alarms in element.all("Alarms") for mark in alarms.all("Alarm")]
    return KisaClip(
        header.say("Filename"),
        None if duration is None or not duration.text else _seconds(duration),
        tuple(_mark(one) for one in marks),
        header.say("Scenario") or header.say("Senario"),
        file,
    )


def _mark(element: Element) -> KisaAlarm:
    start, kind = element.one("StartTime"), element.one("AlarmDescription")
    if start is None or kind is None:
        missing = "StartTime" if start is None else "AlarmDescription"
        raise XmlError(element.line, f"the alarm has no {missing}", _FORM)
    name = next((one for one in CLASSES if one.lower() == kind.text.lower()), None)
    if name is None:
        raise XmlError(
            kind.line, f"unknown class {kind.text[:40] or '(nothing)'}", suggestion(kind.text, CLASSES, none="")
        )
    duration = element.one("AlarmDuration")
    return KisaAlarm(
        name, _seconds(start), 0.0 if duration is None or not duration.text else _seconds(duration), element.line
    )


def _seconds(element: Element) -> float:
    found = _TIME.fullmatch(element.text)
    if found is None:
        what = f"{element.name} {element.text[:40] or '(nothing)'} is no time"
        raise XmlError(element.line, what, "write hh:mm:ss from the clip's beginning, such as 00:01:23")
    hours, minutes, seconds = found.groups()
    return int(hours) * 3600 + int(minutes) * 60 + float(seconds)


def _clock(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
