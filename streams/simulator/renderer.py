"""From acts to records: what is before the lens at an instant, and what sampler and detector make of it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from lanewatch import sun
from lanewatch.records import Bool, Box, Detections, Float64, Light, Profile, SceneMeasurements, StillRegion
from streams.simulator import appearance, detector, motion_regions
from streams.simulator.actors import SIZES, Actor, ParkedPeriod
from streams.simulator.detector import NamedBoxes, SceneObjects, SimulatedFrame
from streams.simulator.false_positives import FalsePositives
from streams.simulator.scene import HEIGHT, LATITUDE, LONGITUDE, WIDTH
from streams.simulator.scene import LaneScene as Place
from streams.simulator.script import Act
from streams.simulator.weather import Weather

_BEFORE_S, _AFTER_S = 3.0, 5.0  # a sampler has seen the approach, and looks on for some seconds
_TICKS_S: Final = 30.0
_SELDOM_S: Final = 10.0
"""Ticks: one a second for so long about what happens, then one each ten seconds: under the 16 s and 30 s after which
a fold forgets tracks and expires events for want of records."""
_IDLE_S: Final = 2.0
_STILL_S: Final = 3.0
_GONE_S: Final = 2.0
_LARGEST: Final = 0.1
"""What stays is a still region after the first time, is one for the second when it has gone, and is none where it
fills more than this of the picture: the sampler's own figures."""
_SEEN_STILL: Final[dict[str, float]] = {"day": 0.95, "dusk": 0.9, "infrared": 0.85, "night": 0.6}
_WARMS_S: Final = 2.0
_MOVES: Final = 0.25  # metres a second
_LIT: Final[dict[str, tuple[float, float]]] = {
    "day": (112.0, 11.0),
    "dusk": (70.0, 7.0),
    "night": (42.0, 6.0),
    "infrared": (66.0, 0.5),
}
"""Brightness and chroma by light."""
_PILE: Final = (1.8, 1.4, 0.6)
_STRANGE: Final = 24  # looks to draw from for what is nobody


class _Span(NamedTuple):
    """A stretch of records: from, to, seconds between them, and whether they have pictures."""

    begin: float
    end: float
    every: float
    looks: bool


class NightRenderer:
    """One camera's night as it was filmed."""

    def __init__(
        self,
        place: Place,
        camera: str,
        acts: Sequence[Act],
        fps: float,
        infrared: bool,
        rng: np.random.Generator,
    ) -> None:
        self._place = place
        self._camera = camera
        self._acts = acts
        self._fps = fps
        self._infrared = infrared
        self._rng = rng
        self._actors = [actor for act in acts for actor in act.actors]
        self._rests = [rest for act in acts for rest in act.rests]
        self._weather = [one for act in acts for one in act.weather]
        self._luck = rng.random(len(self._rests))
        self._bases = {who: appearance.identity(rng) for who in sorted({actor.who for actor in self._actors})}
        strange = [appearance.describe(appearance.identity(rng), 1, fps, infrared, rng) for _ in range(_STRANGE)]
        self._strange = np.concatenate(strange)
        self._clutter = FalsePositives.draw(rng, self._strange[:1])
        self._dazzled = [one.since + 1.0 for one in self._weather if one.dazzles]

    def records(self) -> Iterator[Detections]:
        """All of them, in order."""
        slot = -1
        for span in self._spans():
            for one in self._filmed(span) if span.looks else self._ticks(span):
                if one.slot > slot:
                    slot = one.slot
                    yield one

    def _spans(self) -> Iterator[_Span]:
        """What is looked at closely, and the ticks or idle looks between."""
        busy = _joined([(act.began_at - _BEFORE_S, act.ends + _AFTER_S) for act in self._acts])
        kept = min((float(one.times[0]) for one in self._actors if one.lasts), default=math.inf)
        end = busy[0][0] - 2 * _TICKS_S
        for number, (begin, until) in enumerate(busy):
            yield from self._between(end, begin, kept)
            yield _Span(begin, until, 1 / self._fps, True)
            end = until
            if number == len(busy) - 1:
                yield from self._between(end, end + 4 * _TICKS_S, kept)

    def _between(self, begin: float, end: float, kept: float) -> Iterator[_Span]:
        if kept < begin:
            yield _Span(begin, end, _IDLE_S, True)
        elif end - begin <= 2 * _TICKS_S:
            yield _Span(begin, end, 1.0, False)
        else:
            yield _Span(begin, begin + _TICKS_S, 1.0, False)
            yield _Span(begin + _TICKS_S, end - _TICKS_S, _SELDOM_S, False)
            yield _Span(end - _TICKS_S, end, 1.0, False)

    def _grid(self, span: _Span) -> Float64:
        """Instants of the grid of the span's own rate that lie in it."""
        every = span.every
        grid: Float64 = np.arange(math.ceil(span.begin / every), math.ceil(span.end / every), dtype=np.float64) * every
        return grid

    def _ticks(self, span: _Span) -> Iterator[Detections]:
        light = self._light(span.begin)
        nothing = NamedBoxes(
            np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.uint8), np.zeros((0, appearance.SIZE), np.uint8)
        )
        for at in self._grid(span):
            tick = detector.record(self._camera, round(at * 1000), (WIDTH, HEIGHT), nothing)
            yield msgspec.structs.replace(tick, gap="idle", profile=_profile(light))

    def _filmed(self, span: _Span) -> Iterator[Detections]:
        times = self._grid(span)
        light = self._light(span.begin)
        there = [one for one in self._actors if one.times[0] <= span.end and one.times[-1] >= span.begin]
        weather = [one for one in self._weather if one.since <= span.end and one.until >= span.begin]
        if there:
            seen = detector.simulate_detections(self._sight(there, times), 1 / span.every, light, self._rng)
        else:
            seen = (_NOTHING for _ in times)
        for at, glimpse in zip(times.tolist(), seen, strict=True):
            yield self._record(at, glimpse, weather, light)

    def _record(self, at: float, glimpse: SimulatedFrame, weather: list[Weather], light: Light) -> Detections:
        warm = not any(0 <= at - since < _WARMS_S for since in self._dazzled)
        others = [one.moved(at, self._rng) for one in weather if one.since <= at <= one.until]
        moved = np.concatenate([glimpse.moved, *others]) if warm else np.zeros((0, 4))
        count = len(moved) - len(glimpse.moved) if warm else 0
        strange = self._strange[self._rng.integers(len(self._strange), size=count)]
        look = np.concatenate([glimpse.moved_appearance, strange]) if warm else strange[:0]
        named = self._clutter.add(glimpse.named, self._rng)
        moved, look = motion_regions.merged(moved, look)
        boxes = motion_regions.add(named, moved, look, (WIDTH, HEIGHT))
        brightness, chroma = _LIT[light]
        shown = SceneMeasurements(
            moved=tuple(_box(one) for one in moved),
            still=self._still(at, light) if warm else (),
            brightness=round(brightness + float(self._rng.normal(0, 1.0)) + 12.0 * (not warm), 2),
            chroma=round(max(chroma + float(self._rng.normal(0, 0.1)), 0.0), 3),
            sharpness=round(320.0 + float(self._rng.normal(0, 8)), 1),
            warm=warm,
        )
        made = detector.record(self._camera, round(at * 1000), (WIDTH, HEIGHT), boxes)
        return msgspec.structs.replace(made, scene=shown, profile=_profile(light))

    def _still(self, at: float, light: Light) -> tuple[StillRegion, ...]:
        flood = max((one for one in self._dazzled if one <= at), default=-math.inf)
        return tuple(
            StillRegion(box, rest.since)
            for rest, luck in zip(self._rests, self._luck.tolist(), strict=True)
            if rest.since + _STILL_S <= at <= rest.until + _GONE_S and rest.since > flood and luck < _SEEN_STILL[light]
            if (box := self._region(rest)) is not None
        )

    def _region(self, rest: ParkedPeriod) -> Box | None:
        size = np.array([SIZES.get(rest.kind, _PILE)])
        box = np.clip(self._place.boxes(np.array([rest.spot]), size)[0][0], 0, [WIDTH, HEIGHT, WIDTH, HEIGHT])
        area = (box[2] - box[0]) * (box[3] - box[1])
        return _box(box) if 0 < area <= _LARGEST * WIDTH * HEIGHT else None

    def _sight(self, actors: list[Actor], times: Float64) -> SceneObjects:
        count = len(actors)
        boxes, far = np.zeros((len(times), count, 4)), np.zeros((len(times), count))
        there, moving = np.zeros((len(times), count), bool), np.zeros((len(times), count), bool)
        for number, actor in enumerate(actors):
            spots = _along(actor, times)
            size = np.tile(SIZES[actor.kind], (len(times), 1))
            size[:, 2] *= np.interp(times, actor.times, actor.tall)
            boxes[:, number], far[:, number], before = self._place.boxes(spots, size)
            there[:, number] = before & (times >= actor.times[0]) & (times <= actor.times[-1])
            moving[:, number] = _moves(actor, times, spots)
        bases = np.stack([self._bases[actor.who] for actor in actors])
        return SceneObjects(boxes, there, far, moving, tuple(actor.kind for actor in actors), bases, (WIDTH, HEIGHT))

    def _light(self, at: float) -> Light:
        light = sun.condition(sun.elevation(LATITUDE, LONGITUDE, at))
        return "infrared" if self._infrared and light != "day" else light


_NOTHING: Final = SimulatedFrame(
    NamedBoxes(np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.uint8), np.zeros((0, appearance.SIZE), np.uint8)),
    np.zeros((0, 4)),
    np.zeros((0, appearance.SIZE), np.uint8),
)


def _along(actor: Actor, times: Float64) -> Float64:
    return np.stack([np.interp(times, actor.times, actor.spots[:, axis]) for axis in (0, 1)], axis=1)


def _moves(actor: Actor, times: Float64, spots: Float64) -> Bool:
    before = _along(actor, times - 0.5)
    fast: Bool = np.hypot(*(spots - before).T) > _MOVES * 0.5
    return fast | (np.interp(times, actor.times, actor.busy) > 0.5)


def _joined(stretches: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(stretches):
        if joined and begin <= joined[-1][1] + _TICKS_S:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def _profile(light: Light) -> Profile:
    if light in {"day", "infrared"}:
        return "day" if light == "day" else "infrared"
    return "night"


def _box(edges: Float64) -> Box:
    left, top, right, bottom = (round(float(edge), 1) for edge in edges)
    return left, top, right, bottom
