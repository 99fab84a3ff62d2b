"""Line crossing: somebody's foot point steps over a drawn line, in a direction that counts.

The definition is ONVIF's line detector's. The foot is the tracker's, filtered over .4 s, so that the jitter of boxes
is no step; the step is taken from where the track was seen last. One who stands on the line raises one event at
most: after a crossing the line is deaf to that track until it has got clear of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from pydantic import Field

from detectors import scoring, thresholds
from detectors.behaviours.base import Candidate, Explanation, Trigger
from detectors.observation.camera_geometry import PixelLine
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from detectors.thresholds import MovingObjectThresholds, Resolver
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Line

CROSSED = 0.45
"""Score of a crossing by day, the detector's confidence aside."""
DIRECTED = 0.15
"""More where only one direction counts: somebody drew the line against going that way."""

WAYS = {1: "left_to_right", -1: "right_to_left"}
WORDS = {
    "left_to_right": ("왼쪽에서 오른쪽으로", "from left to right"),
    "right_to_left": ("오른쪽에서 왼쪽으로", "from right to left"),
    "both": ("양방향", "both directions"),
}


class LineCrossingThresholds(MovingObjectThresholds):
    """When stepping over a line counts."""

    clear: float = Field(
        0.1,
        ge=0,
        le=3,
        title="Clear of the line",
        description="Body heights that a track must get away from the line before its next crossing counts. Raising it "
        "raises fewer events of people who stand on the line, and misses those who turn round close to it.",
    )
    alert: bool = Field(
        False,
        title="Alert",
        description="Whether a crossing is an alert at once and not only watched.",
    )


class SuppressedTrack(msgspec.Struct, frozen=True):
    """A line does not hear a track that has just crossed it."""

    line: str
    track: int
    heard_at: float


class LineCrossingMemory(msgspec.Struct, frozen=True):
    """Which line is deaf to which track."""

    deaf: tuple[SuppressedTrack, ...] = ()


FORGET_S = 5.0
"""Unseen for so long, a track will not come back under its id."""


class LineCrossing:
    """Somebody steps over a line. One event for each crossing; it is over when it is raised."""

    kind: ClassVar[str] = "line_crossing"
    name: ClassVar[LocalizedName] = LocalizedName(ko="경계선 통과", en="Line crossing")
    onvif: ClassVar[str] = "RuleEngine/LineDetector/Crossed"
    kisa: ClassVar[str] = ""
    places: ClassVar[frozenset[str]] = frozenset({"line"})
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"tracks"})
    Thresholds: ClassVar[type[thresholds.Thresholds]] = LineCrossingThresholds
    Memory: ClassVar[type[msgspec.Struct]] = LineCrossingMemory

    def __init__(self, limits: Resolver[LineCrossingThresholds]) -> None:
        self._limits = limits

    def start(self) -> LineCrossingMemory:
        """All lines hear everybody."""
        return LineCrossingMemory()

    def step(self, memory: LineCrossingMemory, view: Observation) -> tuple[LineCrossingMemory, Sequence[Candidate]]:
        """Who crosses at this record."""
        if not view.geometry.borders or not (view.objects or memory.deaf):
            return memory, ()
        movers = [one for one in view.objects if one.seen and one.credible]
        deaf = {(one.line, one.track): one for one in memory.deaf if view.captured_at - one.heard_at <= FORGET_S}
        claims = []
        for border in view.geometry.borders:
            if not view.holds(border.line.schedule):
                continue
            for one in movers:
                claim = self._hear(border, one, deaf, view)
                if claim is not None:
                    claims.append(claim)
        after_deaf = tuple(deaf.values())
        return (memory if after_deaf == memory.deaf else LineCrossingMemory(after_deaf)), claims

    def _hear(
        self, border: PixelLine, one: TrackedObject, deaf: dict[tuple[str, int], SuppressedTrack], view: Observation
    ) -> Candidate | None:
        line = border.line
        place = (line.id, one.id)
        if place in deaf:
            if border.distance(one) >= self._limits.at(view, line.id, one.label).clear * one.height:
                del deaf[place]
            else:
                deaf[place] = SuppressedTrack(line.id, one.id, view.captured_at)
            return None
        way = border.crossed(one)
        if not way:
            return None
        deaf[place] = SuppressedTrack(line.id, one.id, view.captured_at)
        limits = self._limits.at(view, line.id, one.label)
        if line.direction not in ("both", WAYS[way]) or one.label not in limits.labels:
            return None
        return _claim(line, one, way, view, limits)


def _claim(line: Line, one: TrackedObject, way: int, view: Observation, limits: LineCrossingThresholds) -> Candidate:
    now = view.captured_at
    return Candidate(
        key=f"{line.id}/{one.id}",
        zone=line.id,
        since=now,
        until=now,
        tracks=(one.id,),
        born=one.born,
        box=one.box,
        clarity=one.score * one.height,
        severity=2 if limits.alert else 1,
        thresholds=limits,
        explain=lambda: _account(line, one, way, view, limits),
        instant=True,
    )


def _account(
    line: Line, one: TrackedObject, way: int, view: Observation, limits: LineCrossingThresholds
) -> Explanation:
    factors = [
        scoring.make_factor("crossing", CROSSED, line=line.id, direction=WAYS[way], clear=limits.clear),
        *scoring.common_factors(view.condition, one.label, one.score),
    ]
    if line.direction != "both":
        factors.append(scoring.make_factor("direction", DIRECTED, watched=line.direction))
    who_ko, who_en = scoring.subject(one.label)
    when_ko, when_en = scoring.WHEN[view.condition]
    way_ko, way_en = WORDS[WAYS[way]]
    watched_ko, watched_en = WORDS[line.direction]
    sentence = {
        "ko": f"{when_ko} {who_ko} '{line.name.ko}' 선을 {way_ko} 넘음 (감시 방향: {watched_ko})",
        "en": f"{who_en} crossed the line '{line.name.en}' {way_en} {when_en} (watched: {watched_en})",
    }
    return Explanation(tuple(factors), sentence)
