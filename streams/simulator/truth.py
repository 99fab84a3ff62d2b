"""The ground truth of a simulated night, and its files."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from lanewatch.config.site import RegisteredVisit

THEFT: Final = "produce_theft"  # the kind of thefts; every other event is ``harmless``


@dataclass(frozen=True)
class SimulatedEvent:
    """An event before the camera. All times are capture times, seconds UTC."""

    kind: str  # ``produce_theft`` or ``harmless``
    pattern: str  # the script: ``truck_sacks``, ``phone``, ``insects``...
    zone: str  # the produce zone of a theft, else ``lane``
    began_at: float  # when its first actor appears, in view or on the way to it
    acted_at: float  # of a theft: when a person first reaches the produce; else ``began_at``
    alert_from: float  # an alarm from here on belongs to this event,
    alert_until: float  # and up to here, a minute after ``ended_at``
    ended_at: float  # when its last actor is gone
    allowed: bool = False  # taking the produce is lawful: in the owner's hours or on a registered visit

    @property
    def theft(self) -> bool:
        return self.kind == THEFT


def theft_labels(camera: str, start: float, events: tuple[SimulatedEvent, ...], label: str) -> dict[str, Any]:
    """The ground truth for ``lanewatch evaluate``: each theft at the instant at which the produce is reached."""
    return {
        "camera": camera,
        "start": _iso(start),
        "duration_s": round(max(event.alert_until for event in events) - start, 3),
        "kinds": [THEFT],
        "happenings": [
            {
                "kind": event.kind,
                "zone": event.zone,
                "at_s": round(event.acted_at - start, 3),
                "end_s": round(event.ended_at - start, 3),
                "pattern": event.pattern,
                "what": label,
            }
            for event in events
            if event.theft
        ],
    }


def all_events(
    camera: str, start: float, events: tuple[SimulatedEvent, ...], visits: tuple[RegisteredVisit, ...], **more: Any
) -> dict[str, Any]:
    """All events, harmless ones included, with times in seconds from ``start``; ``more`` is written before them."""
    times = ("began_at", "acted_at", "alert_from", "alert_until", "ended_at")
    rows = [asdict(event) for event in events]
    for row in rows:
        row.update({f"{name.removesuffix('_at')}_s": round(row.pop(name) - start, 3) for name in times})
    return {
        "camera": camera,
        "start": _iso(start),
        **more,
        "visits": [
            {"zone": zone, "start": _iso(visit.since.timestamp()), "end": _iso(visit.until.timestamp())}
            for visit in visits
            for zone in visit.zones
        ],
        "happenings": rows,
    }


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat()


def write_yaml(file: Path, content: dict[str, Any], label: str) -> None:
    """Writes YAML below a comment that says that it is simulated."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    with file.open("w", encoding="utf-8") as out:
        out.write(f"# SIMULATED: {label}. No camera ever saw this.\n")
        yaml.dump(content, out)
