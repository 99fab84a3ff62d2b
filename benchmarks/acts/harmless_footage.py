"""Alarms an hour on real footage in which nothing happens that a control centre should hear of.

All of the data folder's scenes without an incident: streets, a motorway, trees in wind, animals by night, people who
walk, stand, sit, jump and lie down. The whole picture is a watched zone, and all default behaviours run, by day.
What people really do in a clip is no false alarm: ``TRUE_KINDS``. PROTOCOLS.md has the counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks import clips, perturbed_detections
from benchmarks.acts import falls
from benchmarks.clips import NAME
from benchmarks.datasets import frame_rate, videos
from benchmarks.perturbations import Perturbation
from detectors.evaluation.confidence_interval import poisson
from lanewatch.config.site import Zone
from lanewatch.records import Detections, Event

RATE: Final = 10.0
"""Pictures a second."""
UCSD_FPS: Final = 10.0
ALERT: Final = 2
"""Severity from which an alarm counts: 1 only asks to watch."""
TRUE_KINDS: Final = {
    "pets09-s2l1": ("loitering",),
    "aboda-video4": ("abandoned_object",),
}
"""What people really do there. ``benchmarks.acts.pets2009`` and ``abandoned_objects`` compare both with labels."""
PATTERNS: Final = ("pets09-*/*", "aboda-*/*", "scene-negatives/*", "thermal-night/*", "fight-surveillance/no-fight/*")


class HarmlessClip(NamedTuple):
    """A clip or a folder of pictures, its set and frame rate."""

    group: str
    path: Path
    fps: float


def harmless_clips(folder: Path) -> list[HarmlessClip]:
    """All clips without an incident; at least one."""
    found = [HarmlessClip(path.relative_to(folder).parts[0], path, frame_rate(path)) for path in _videos(folder)]
    daily = (clip for clip in falls.staged_clips(folder) if not clip.falls and not clip.right_half)
    found += [HarmlessClip(clip.path.relative_to(folder).parts[0], clip.path, clip.fps) for clip in daily]
    walks = sorted(folder.glob("ucsd-ped2/training/frames/*"))
    found += [HarmlessClip("ucsd-ped2", path, UCSD_FPS) for path in walks if path.is_dir()]
    return found


def _videos(folder: Path) -> Iterator[Path]:
    for pattern in PATTERNS:
        found = videos(folder, pattern)
        if not found:
            raise FileNotFoundError(f"{folder}/{pattern}: there are no clips")
        yield from found


def robust(folder: Path, _: Sequence[Perturbation]) -> dict[str, Any]:
    """``false_per_hour``: alarms of severity 2 and 3 an hour, with its 95 % interval and the hours."""
    groups: dict[str, dict[str, Any]] = {}
    notes: list[dict[str, Any]] = []
    for clip in harmless_clips(folder):
        records = perturbed_detections.detections(clip.path, clip.fps, rate=RATE)
        group = groups.setdefault(clip.group, {"seconds": 0.0, "alerts": 0, "watch": 0})
        group["seconds"] += records[-1].captured_at - records[0].captured_at
        for event in _false_alarms(records, clip):
            group["alerts" if event.severity >= ALERT else "watch"] += 1
            at = event.began_at - records[0].captured_at
            notes.append({"clip": clip.path.name, "kind": event.kind, "severity": event.severity, "at": round(at, 1)})
    hours = sum(group["seconds"] for group in groups.values()) / 3600
    alerts = [note["kind"] for note in notes if note["severity"] >= ALERT]
    return {
        "false_per_hour": round(len(alerts) / hours, 2),
        "harmless": {
            "hours": round(hours, 3),
            "interval": [round(each / hours, 2) for each in poisson(len(alerts))],
            "alerts_by_kind": dict(Counter(alerts)),
            "watch_by_kind": dict(Counter(note["kind"] for note in notes if note["severity"] < ALERT)),
            "groups": groups,
            "alarms": notes,
        },
    }


def _false_alarms(records: list[Detections], clip: HarmlessClip) -> list[Event]:
    """The last revision of each event that is not of a kind that the clip really shows."""
    corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    zone = Zone(id="all", name=NAME, kind="watch", polygon=corners)
    site = clips.site(Path("clip.mp4"), RATE, zones=(zone,))
    last: dict[str, Event] = {event.id: event for event in clips.revisions(records, site)}
    return [event for event in last.values() if event.kind not in TRUE_KINDS.get(clip.group, ())]


def robust_table(report: dict[str, Any]) -> str:
    """The report as text."""
    part = report["harmless"]
    low, high = part["interval"]
    lines = [
        f"false_per_hour {report['false_per_hour']:.2f} ({low:.2f}-{high:.2f}; target: 1), {part['hours']:.2f} hours; "
        f"by kind {part['alerts_by_kind'] or 'none'}; severity 1: {part['watch_by_kind'] or 'none'}"
    ]
    lines += [
        f"  {name:<22}{group['seconds']:>6.0f} s  alerts {group['alerts']}, watch {group['watch']}"
        for name, group in part["groups"].items()
    ]
    lines += [
        f"    {alarm['clip']}: {alarm['kind']}, severity {alarm['severity']}, at {alarm['at']} s"
        for alarm in part["alarms"]
    ]
    return "\n".join(lines)
