"""What really happens in a simulated night, and how it is written down."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

THEFT: Final = "produce_theft"
"""The kind under which thefts stand; anything else that happens is harmless."""


@dataclass(frozen=True)
class SimulatedVisit:
    """A registered visit: the owner said that somebody comes for the produce. Capture times, seconds UTC."""

    zone: str
    start: float
    end: float


@dataclass(frozen=True)
class SimulatedEvent:
    """One thing that happens before the camera. All times are capture times, seconds UTC.

    Attributes:
        kind: ``produce_theft``, or ``harmless``.
        pattern: Which script was played: ``truck_sacks``, ``phone``, ``insects``...
        zone: Where: the produce zone that is stolen from, else ``lane``.
        began_at: When the first of its actors or vehicles comes into being, in view or on the way to it.
        acted_at: A theft: when somebody first reaches the produce; else ``began_at``.
        alert_from: An alarm from here on is for this happening,
        alert_until: and up to here: the last of it is out of view, and a minute more.
        ended_at: When the last of its actors is gone.
        allowed: It takes produce by right: in the owner's hours or on a registered visit.
    """

    kind: str
    pattern: str
    zone: str
    began_at: float
    acted_at: float
    alert_from: float
    alert_until: float
    ended_at: float
    allowed: bool = False

    @property
    def theft(self) -> bool:
        return self.kind == THEFT


def labels(camera: str, start: float, happenings: tuple[SimulatedEvent, ...], label: str) -> dict[str, Any]:
    """What ``lanewatch evaluate`` reads: the thefts, each at the instant at which somebody reaches the produce."""
    return {
        "camera": camera,
        "start": _iso(start),
        "duration_s": round(max(one.alert_until for one in happenings) - start, 3),
        "kinds": [THEFT],
        "happenings": [
            {
                "kind": one.kind,
                "zone": one.zone,
                "at_s": round(one.acted_at - start, 3),
                "end_s": round(one.ended_at - start, 3),
                "pattern": one.pattern,
                "what": label,
            }
            for one in happenings
            if one.theft
        ],
    }


def all_events(
    camera: str, start: float, happenings: tuple[SimulatedEvent, ...], visits: tuple[SimulatedVisit, ...], **more: Any
) -> dict[str, Any]:
    """All that happens, thefts and what is harmless, times in seconds from ``start``, with ``more`` before it."""
    times = ("began_at", "acted_at", "alert_from", "alert_until", "ended_at")
    rows = [asdict(one) for one in happenings]
    for row in rows:
        row.update({f"{name.removesuffix('_at')}_s": round(row.pop(name) - start, 3) for name in times})
    return {
        "camera": camera,
        "start": _iso(start),
        **more,
        "visits": [{"zone": one.zone, "start": _iso(one.start), "end": _iso(one.end)} for one in visits],
        "happenings": rows,
    }


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def write(file: Path, told: dict[str, Any], label: str) -> None:
    """Writes YAML under a line that says what it is."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    with file.open("w", encoding="utf-8") as out:
        out.write(f"# SIMULATED: {label}. No camera ever saw this.\n")
        yaml.dump(told, out)
