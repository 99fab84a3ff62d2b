"""Short constructors of alarms, truths and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detectors.evaluation.ground_truth import Alarm, TruthEvent, TruthLabels

START = 1_768_410_000.0
"""2026-01-14T17:00:00Z, two at night in Korea."""


def alarm(at: float, kind: str = "loitering", **changes: Any) -> Alarm:
    defaults: dict[str, Any] = {"camera": "lane", "kind": kind, "zone": "yard", "at": START + at}
    return Alarm(**(defaults | changes))


def truth(at: float, kind: str = "loitering", **changes: Any) -> TruthEvent:
    defaults: dict[str, Any] = {"camera": "lane", "kind": kind, "zone": "yard", "at": START + at}
    return TruthEvent(**(defaults | changes))


def labels(*events: TruthEvent, seconds: float | None = 3600.0, **changes: Any) -> TruthLabels:
    end = None if seconds is None else START + seconds
    defaults: dict[str, Any] = {"file": "t.yaml", "camera": "lane", "start": START, "end": end, "events": events}
    return TruthLabels(**(defaults | changes))


def xml(*alarms: tuple[str, str], name: str = "C00_001_0001.mp4", header: str = "", duration: str = "00:05:00") -> str:
    """A hand-written KISA clip: (StartTime, AlarmDescription)."""
    inside = "".join(
        f"<Alarm><StartTime>{start}</StartTime><AlarmDescription>{kind}</AlarmDescription>"
        "<AlarmDuration>00:00:10</AlarmDuration></Alarm>"
        for start, kind in alarms
    )
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n<KisaLibraryIndex>\n<Library>\n<Clip>\n'
        f"<Header>{header}<Filename>{name}</Filename><Duration>{duration}</Duration>"
        f"<AlarmEvents>{len(alarms)}</AlarmEvents></Header>\n"
        f"<Alarms>{inside}</Alarms>\n</Clip>\n</Library>\n</KisaLibraryIndex>\n"
    )


def written(folder: Path, text: str, name: str = "clip.xml") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file
