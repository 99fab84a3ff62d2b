"""Loitering as people label it: the tracks of a harbour's thermal camera, marked loitering or not.

The whole picture is one zone. A track's score is that of its last loitering event's last revision, 0 without an event.
The set has no sizes, so people of three heights are assumed. PROTOCOLS.md has the counts.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec.structs import replace

from benchmarks import clips
from benchmarks.clips import NAME, only_behaviour
from benchmarks.perturbations import Perturbation
from detectors.evaluation.frame_auc import roc
from lanewatch.config.site import BehaviourConfig, Site, Zone
from lanewatch.records import Detections, Float64

SET: Final = "ltd-loitering"
SIZE: Final = (384, 288)
"""Pixels of the set's pictures."""
HEIGHTS: Final = (10.0, 20.0, 40.0)
"""Pixels, of the assumed people."""
DWELL_S: Final = 1.0
"""People marked short tracks too: every fourth has less than 16 points. So the dwell may decide little."""
NOON: Final = 1_768_446_000.0


class Track(NamedTuple):
    """A labelled track: times (N,) in seconds, foot points (N, 2) in pixels."""

    times: Float64
    feet: Float64
    loiters: bool


def tracks(folder: Path) -> list[Track]:
    """All tracks of the set."""
    file = folder / SET / "tracks.csv.gz"
    with gzip.open(file, "rt") as stream:
        rows = list(csv.DictReader(stream))
    if not rows:
        raise ValueError(f"{file}: there are no tracks")
    points: dict[str, list[tuple[float, float, float]]] = {}
    for row in rows:
        points.setdefault(row["track_id"], []).append((float(row["step"]), float(row["x"]), float(row["y"])))
    labels = {row["track_id"]: row["loitering"] == "1" for row in rows}
    return [
        Track(values[:, 0], values[:, 1:], labels[name])
        for name, values in ((name, np.array(listed)) for name, listed in points.items())
    ]


def site() -> Site:
    """One camera whose picture is a watched zone, with loitering alone."""
    corners = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
    zone = Zone(id="all", name=NAME, kind="watch", polygon=corners)
    loitering = BehaviourConfig(thresholds={"dwell_s": DWELL_S})
    return only_behaviour(clips.site(Path("none"), 1.0, zones=(zone,)), "loitering", loitering)


def records(track: Track, height: float) -> Iterator[Detections]:
    """The records of a person of a height on a track. The picture is wide enough for all of them."""
    for at, (x, y) in zip(track.times, track.feet, strict=True):
        box = np.array([[x - height / 5, y - height, x + height / 5, y]])
        record = clips.people_record(clips.CAMERA, NOON + at, SIZE, box, np.array([0.8]))
        yield record
    yield replace(record, slot=record.slot + 1, captured_at=record.captured_at + 0.001, gap="ended")


def robust(folder: Path, _: Sequence[Perturbation]) -> dict[str, Any]:
    """``loitering_auc``: the least of the assumed heights."""
    found = tracks(folder)
    labels = [track.loiters for track in found]
    own = site()
    rows = []
    for height in HEIGHTS:
        scores = [_score(track, height, own) for track in found]
        rows.append({"height": height, "auc": round(roc(scores, labels).auc, 3), "events": sum(map(bool, scores))})
    return {"loitering_auc": min(row["auc"] for row in rows), "loitering_tracks": {"tracks": len(found), "rows": rows}}


def _score(track: Track, height: float, own: Site) -> float:
    scores = [event.score for event in clips.revisions(records(track, height), own)]
    return scores[-1] if scores else 0.0


def robust_table(report: dict[str, Any]) -> str:
    """The report as text."""
    part = report["loitering_tracks"]
    lines = [f"loitering_auc {report['loitering_auc']:.3f} (target: .83), {part['tracks']} tracks, by assumed height"]
    lines += [f"  {row['height']:g} px: AUC {row['auc']:.3f}, {row['events']} with an event" for row in part["rows"]]
    return "\n".join(lines)
