"""What really happens in a simulated night, and how it is written down."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

THEFT: Final = "produce_theft"
"""The kind under which thefts stand; anything else that happens is harmless."""


@dataclass(frozen=True)
class Visit:
    """A registered visit: the owner said that somebody comes for the produce. Capture times, seconds UTC."""

    zone: str
    start: float
    end: float


@dataclass(frozen=True)
class Happening:
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


def content(camera: str, start: float, happenings: tuple[Happening, ...], **more: Any) -> dict[str, Any]:
    """A truth file's content: ``happenings`` are the thefts, with ``at_s`` and the alert's window in seconds from
    ``start``; ``harmless`` is everything else, in the same form."""

    def row(one: Happening) -> dict[str, Any]:
        times = {
            "at_s": one.acted_at,
            "from_s": one.alert_from,
            "to_s": one.alert_until,
            "began_s": one.began_at,
            "ended_s": one.ended_at,
        }
        named = {"kind": one.kind, "pattern": one.pattern, "zone": one.zone, "allowed": one.allowed}
        return {**named, **{name: round(at - start, 3) for name, at in times.items()}}

    return {
        "camera": camera,
        "start": datetime.fromtimestamp(start, UTC).isoformat(),
        **more,
        "happenings": [row(one) for one in happenings if one.theft],
        "harmless": [row(one) for one in happenings if not one.theft],
    }


def visits(registered: tuple[Visit, ...]) -> list[dict[str, Any]]:
    """Registered visits as a file has them, times in ISO."""
    return [
        {
            **asdict(one),
            "start": datetime.fromtimestamp(one.start, UTC).isoformat(),
            "end": datetime.fromtimestamp(one.end, UTC).isoformat(),
        }
        for one in registered
    ]


def write(file: Path, told: dict[str, Any]) -> None:
    """Writes YAML that ``lanewatch evaluate`` reads."""
    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    with file.open("w", encoding="utf-8") as out:
        yaml.dump(told, out)
