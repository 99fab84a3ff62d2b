"""From acts to detection records: the objects before the camera, and what sampler and detector make of them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec
import numpy as np

from lanewatch import sun
from lanewatch.records import Bool, Box, Detections, Float64, Light, Profile, SceneMeasurements, StillRegion
from streams.simulator import appearance, detector, motion_regions
from streams.simulator.actors import SIZES_M, Actor, StationaryPeriod
from streams.simulator.detector import DetectedBoxes, SceneObjects, SimulatedFrame
from streams.simulator.false_positives import FalsePositives
from streams.simulator.nuisance_motion import NuisanceMotion
from streams.simulator.scene import HEIGHT, LATITUDE, LONGITUDE, WIDTH, LaneScene
from streams.simulator.script_context import Act
from streams.simulator.walking import interpolate

_SIZE: Final = (WIDTH, HEIGHT)
_BEFORE_S, _AFTER_S = 3.0, 5.0  # the sampler has decoded the approach, and stays active for some seconds
_DENSE_TICKS_S: Final = 30.0
_SPARSE_TICK_S: Final = 10.0
"""Ticks come once a second for the first time around each act, then at the second interval. The watch stage forgets
tracks after 16 s and expires events after 30 s without records."""
_IDLE_S: Final = 2.0
_STILL_S: Final = 3.0
_GONE_S: Final = 2.0
_MAX_STILL_AREA: Final = 0.1
"""The sampler's own constants. An object becomes a stationary region after the first time, and stays one for the second
after it has gone. It is none if it fills more than this share of the picture."""
_STILL_SEEN: Final[dict[str, float]] = {"day": 0.95, "dusk": 0.9, "infrared": 0.85, "night": 0.6}
_WARM_UP_S: Final = 2.0
_MOVING: Final = 0.25  # metres a second
_BRIGHTNESS_AND_CHROMA: Final[dict[str, tuple[float, float]]] = {
    "day": (112.0, 11.0),
    "dusk": (70.0, 7.0),
    "night": (42.0, 6.0),
    "infrared": (66.0, 0.5),
}
_PILE_M: Final = (1.8, 1.4, 0.6)
_NUISANCE_APPEARANCES: Final = 24
_NOTHING: Final = SimulatedFrame(DetectedBoxes.empty(), np.zeros((0, 4)), DetectedBoxes.empty().appearance)


class _Span(NamedTuple):
    """A stretch of records: from, to, seconds between them, and whether they have pictures."""

    begin: float
    end: float
    interval: float
    has_pictures: bool


class NightRenderer:
    """Makes the records of one camera's night."""

    def __init__(
        self, scene: LaneScene, camera: str, acts: Sequence[Act], fps: float, infrared: bool, rng: np.random.Generator
    ) -> None:
        self._scene = scene
        self._camera = camera
        self._acts = acts
        self._fps = fps
        self._infrared = infrared
        self._rng = rng
        self._actors = [actor for act in acts for actor in act.actors]
        self._stationary = [period for act in acts for period in act.stationary]
        self._nuisances = [nuisance for act in acts for nuisance in act.nuisances]
        self._still_luck = rng.random(len(self._stationary))
        names = sorted({actor.name for actor in self._actors})
        self._identities = {name: appearance.random_identity(rng) for name in names}
        identities = (appearance.random_identity(rng) for _ in range(_NUISANCE_APPEARANCES))
        descriptors = [appearance.descriptors(identity, 1, fps, infrared, rng) for identity in identities]
        self._nuisance_appearance = np.concatenate(descriptors)
        self._false_positives = FalsePositives.random(rng, self._nuisance_appearance[:1])
        self._flooded_at = [nuisance.start + 1.0 for nuisance in self._nuisances if nuisance.floods_picture]

    def records(self) -> Iterator[Detections]:
        """All records in order."""
        slot = -1
        for span in self._spans():
            for record in self._pictures(span) if span.has_pictures else self._ticks(span):
                if record.slot > slot:
                    slot = record.slot
                    yield record

    def _spans(self) -> Iterator[_Span]:
        """The acts at the full rate, with ticks or idle pictures between them."""
        active = _joined([(act.began_at - _BEFORE_S, act.ended_at + _AFTER_S) for act in self._acts])
        permanent_from = min((float(actor.times[0]) for actor in self._actors if actor.permanent), default=math.inf)
        previous_end = active[0][0] - 2 * _DENSE_TICKS_S
        for begin, end in active:
            yield from self._between(previous_end, begin, permanent_from)
            yield _Span(begin, end, 1 / self._fps, True)
            previous_end = end
        yield from self._between(previous_end, previous_end + 4 * _DENSE_TICKS_S, permanent_from)

    def _between(self, begin: float, end: float, permanent_from: float) -> Iterator[_Span]:
        if permanent_from < begin:
            yield _Span(begin, end, _IDLE_S, True)
        elif end - begin <= 2 * _DENSE_TICKS_S:
            yield _Span(begin, end, 1.0, False)
        else:
            yield _Span(begin, begin + _DENSE_TICKS_S, 1.0, False)
            yield _Span(begin + _DENSE_TICKS_S, end - _DENSE_TICKS_S, _SPARSE_TICK_S, False)
            yield _Span(end - _DENSE_TICKS_S, end, 1.0, False)

    def _grid(self, span: _Span) -> Float64:
        """The times of the span's records, on the grid of its interval."""
        first, last = math.ceil(span.begin / span.interval), math.ceil(span.end / span.interval)
        return np.arange(first, last, dtype=np.float64) * span.interval

    def _ticks(self, span: _Span) -> Iterator[Detections]:
        profile = _profile(self._light(span.begin))
        for time in self._grid(span):
            tick = detector.to_record(self._camera, round(time * 1000), _SIZE, DetectedBoxes.empty())
            yield msgspec.structs.replace(tick, gap="idle", profile=profile)

    def _pictures(self, span: _Span) -> Iterator[Detections]:
        times = self._grid(span)
        light = self._light(span.begin)
        actors = [actor for actor in self._actors if actor.times[0] <= span.end and actor.times[-1] >= span.begin]
        nuisances = [motion for motion in self._nuisances if motion.start <= span.end and motion.end >= span.begin]
        frames: Iterator[SimulatedFrame] = itertools.repeat(_NOTHING, len(times))
        if actors:
            frames = detector.simulate_detections(self._objects(actors, times), 1 / span.interval, light, self._rng)
        for time, frame in zip(times.tolist(), frames, strict=True):
            yield self._record(time, frame, nuisances, light)

    def _record(self, time: float, frame: SimulatedFrame, nuisances: list[NuisanceMotion], light: Light) -> Detections:
        nuisance_boxes = [n.boxes(time, self._rng) for n in nuisances if n.start <= time <= n.end]
        warm = not any(0 <= time - flooded < _WARM_UP_S for flooded in self._flooded_at)
        if not warm:  # the sampler measures no motion while it learns the background
            frame = frame._replace(moved=frame.moved[:0], moved_appearance=frame.moved_appearance[:0])
            nuisance_boxes = []
        moved = np.concatenate([frame.moved, *nuisance_boxes])
        rows = self._rng.integers(_NUISANCE_APPEARANCES, size=len(moved) - len(frame.moved))
        descriptors = np.concatenate([frame.moved_appearance, self._nuisance_appearance[rows]])
        detected = self._false_positives.add_to(frame.detected, self._rng)
        moved, descriptors = motion_regions.merge_overlapping(moved, descriptors)
        boxes = motion_regions.add_unknown(detected, moved, descriptors, _SIZE)
        brightness, chroma = _BRIGHTNESS_AND_CHROMA[light]
        measurements = SceneMeasurements(
            moved=tuple(_box(box) for box in moved),
            still=self._still_regions(time, light) if warm else (),
            brightness=round(brightness + float(self._rng.normal(0, 1.0)) + 12.0 * (not warm), 2),
            chroma=round(max(chroma + float(self._rng.normal(0, 0.1)), 0.0), 3),
            sharpness=round(320.0 + float(self._rng.normal(0, 8)), 1),
            warm=warm,
        )
        record = detector.to_record(self._camera, round(time * 1000), _SIZE, boxes)
        return msgspec.structs.replace(record, scene=measurements, profile=_profile(light))

    def _still_regions(self, time: float, light: Light) -> tuple[StillRegion, ...]:
        last_flood = max((flooded for flooded in self._flooded_at if flooded <= time), default=-math.inf)
        return tuple(
            StillRegion(box, period.start)
            for period, luck in zip(self._stationary, self._still_luck.tolist(), strict=True)
            if period.start + _STILL_S <= time <= period.end + _GONE_S
            and period.start > last_flood
            and luck < _STILL_SEEN[light]
            if (box := self._region(period)) is not None
        )

    def _region(self, period: StationaryPeriod) -> Box | None:
        size = np.array([SIZES_M.get(period.kind, _PILE_M)])
        box = detector.clip_to_image(self._scene.boxes(np.array([period.position]), size)[0][0], _SIZE)
        area = (box[2] - box[0]) * (box[3] - box[1])
        return _box(box) if 0 < area <= _MAX_STILL_AREA * WIDTH * HEIGHT else None

    def _objects(self, actors: list[Actor], times: Float64) -> SceneObjects:
        shape = (len(times), len(actors))
        boxes, distance = np.zeros((*shape, 4)), np.zeros(shape)
        present, moving = np.zeros(shape, bool), np.zeros(shape, bool)
        for column, actor in enumerate(actors):
            positions = interpolate(times, actor.times, actor.positions)
            size = np.tile(SIZES_M[actor.kind], (len(times), 1))
            size[:, 2] *= np.interp(times, actor.times, actor.height_scale)
            boxes[:, column], distance[:, column], in_front = self._scene.boxes(positions, size)
            present[:, column] = in_front & (times >= actor.times[0]) & (times <= actor.times[-1])
            moving[:, column] = _moving(actor, times, positions)
        identities = np.stack([self._identities[actor.name] for actor in actors])
        return SceneObjects(boxes, present, distance, moving, tuple(actor.kind for actor in actors), identities, _SIZE)

    def _light(self, time: float) -> Light:
        light = sun.condition(sun.elevation(LATITUDE, LONGITUDE, time))
        return "infrared" if self._infrared and light != "day" else light


def _moving(actor: Actor, times: Float64, positions: Float64) -> Bool:
    before = interpolate(times - 0.5, actor.times, actor.positions)
    fast: Bool = np.hypot(*(positions - before).T) > _MOVING * 0.5
    return fast | (np.interp(times, actor.times, actor.active) > 0.5)


def _joined(stretches: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Joins stretches that are less than ``_DENSE_TICKS_S`` apart."""
    joined: list[tuple[float, float]] = []
    for begin, end in sorted(stretches):
        if joined and begin <= joined[-1][1] + _DENSE_TICKS_S:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((begin, end))
    return joined


def _profile(light: Light) -> Profile:
    return "night" if light == "dusk" else light


def _box(edges: Float64) -> Box:
    left, top, right, bottom = (round(float(edge), 1) for edge in edges)
    return left, top, right, bottom
