"""Line crossing: a person's foot point crosses a line of the site in a watched direction, as ONVIF defines it.

A step begins where the track was last observed. After a crossing, the track is suppressed at that line until it is
clear of it, so a person who stands on the line raises one event at most.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from pydantic import Field

from detectors import scoring
from detectors.behaviours.base import BaseBehaviour, Candidate, Explanation, Result
from detectors.observation.camera_geometry import PixelLine
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject
from detectors.thresholds import MovingObjectThresholds
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Line

CROSSING_SCORE = 0.45
"""Score of a crossing by day, without the detector's confidence."""
DIRECTION_SCORE = 0.15
"""More if only one direction is watched: the line is there to stop people who go that way."""
MAX_UNSEEN_S = 5.0
"""A track that is unobserved for longer does not return under its id."""

DIRECTIONS = {1: "left_to_right", -1: "right_to_left"}
DIRECTION_NAMES = {
    "left_to_right": ("왼쪽에서 오른쪽으로", "from left to right"),
    "right_to_left": ("오른쪽에서 왼쪽으로", "from right to left"),
    "both": ("양방향", "both directions"),
}


class LineCrossingThresholds(MovingObjectThresholds):
    """When a step over a line is a crossing."""

    clear: float = Field(0.1, ge=0, le=3, title="Clear of the line")
    """Body heights that a track must get away from the line before its next crossing counts. Raising it raises fewer
    events of people who stand on the line, and misses people who turn round close to it."""
    alert: bool = Field(False, title="Alert")
    """Whether a crossing is an alert at once instead of watch."""


class SuppressedTrack(msgspec.Struct, frozen=True):
    """A track that has crossed a line and is not clear of it yet."""

    line: str
    track: int
    last_seen_at: float


class LineCrossingMemory(msgspec.Struct, frozen=True):
    suppressed: tuple[SuppressedTrack, ...] = ()


class LineCrossing(BaseBehaviour[LineCrossingThresholds, LineCrossingMemory]):
    """A person crosses a line. One event for each crossing; it closes as soon as it opens."""

    kind = "line_crossing"
    name = LocalizedName(ko="경계선 통과", en="Line crossing")
    onvif = "RuleEngine/LineDetector/Crossed"
    places = frozenset({"line"})
    Thresholds = LineCrossingThresholds
    Memory = LineCrossingMemory

    def step(self, memory: LineCrossingMemory, observation: Observation) -> Result[LineCrossingMemory]:
        if not observation.geometry.lines or not (observation.objects or memory.suppressed):
            return memory, ()
        now = observation.captured_at
        tracks = [track for track in observation.objects if track.seen and track.credible]
        suppressed = {(s.line, s.track): s for s in memory.suppressed if now - s.last_seen_at <= MAX_UNSEEN_S}
        candidates: list[Candidate] = []
        for pixel_line in observation.geometry.lines:
            if observation.holds(pixel_line.line.schedule):
                for track in tracks:
                    candidates += self._evaluate(pixel_line, track, suppressed, observation)
        after = tuple(suppressed.values())
        return (memory if after == memory.suppressed else LineCrossingMemory(after)), candidates

    def _evaluate(
        self,
        pixel_line: PixelLine,
        track: TrackedObject,
        suppressed: dict[tuple[str, int], SuppressedTrack],
        observation: Observation,
    ) -> Sequence[Candidate]:
        """Updates ``suppressed`` with one track at one line, and reports a crossing."""
        line = pixel_line.line
        key = (line.id, track.id)
        entry = SuppressedTrack(line.id, track.id, observation.captured_at)
        if key in suppressed:
            clear = self._limits.resolve(observation, line.id, track.label).clear
            if pixel_line.distance(track) >= clear * track.height:
                del suppressed[key]
            else:
                suppressed[key] = entry
            return ()
        crossed = pixel_line.crossed(track)
        if not crossed:
            return ()
        suppressed[key] = entry
        limits = self._limits.resolve(observation, line.id, track.label)
        direction = DIRECTIONS[crossed]
        if line.direction not in ("both", direction) or track.label not in limits.labels:
            return ()
        candidate = Candidate.from_track(
            track,
            line.id,
            since=observation.captured_at,
            until=observation.captured_at,
            severity=2 if limits.alert else 1,
            thresholds=limits,
            explain=lambda: _explain(line, track, direction, observation, limits),
            instant=True,
        )
        return (candidate,)


def _explain(
    line: Line, track: TrackedObject, direction: str, observation: Observation, limits: LineCrossingThresholds
) -> Explanation:
    factors = [
        scoring.make_factor("crossing", CROSSING_SCORE, line=line.id, direction=direction, clear=limits.clear),
        *scoring.common_factors(observation.condition, track.label, track.score),
    ]
    if line.direction != "both":
        factors.append(scoring.make_factor("direction", DIRECTION_SCORE, watched=line.direction))
    who_ko, who_en = scoring.subject(track.label)
    when_ko, when_en = scoring.WHEN[observation.condition]
    direction_ko, direction_en = DIRECTION_NAMES[direction]
    watched_ko, watched_en = DIRECTION_NAMES[line.direction]
    sentence = {
        "ko": f"{when_ko} {who_ko} '{line.name.ko}' 선을 {direction_ko} 넘음 (감시 방향: {watched_ko})",
        "en": f"{who_en} crossed the line '{line.name.en}' {direction_en} {when_en} (watched: {watched_en})",
    }
    return Explanation(tuple(factors), sentence)
