"""One camera's night: which acts take place, when, and the detection records of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from lanewatch.config.site import RegisteredVisit, Site
from lanewatch.records import Detections
from streams.simulator import scene
from streams.simulator.benign_activities import OTHERS, OWNER
from streams.simulator.renderer import NightRenderer
from streams.simulator.scene import LaneScene
from streams.simulator.script_context import Act, ScriptContext
from streams.simulator.thefts import PATTERNS
from streams.simulator.truth import THEFT, SimulatedEvent
from streams.simulator.walking import WalkingPaths

FPS: Final = 2.0
_ZONE: Final = ZoneInfo(scene.TIME_ZONE)
FIRST_NIGHT: Final = datetime(2026, 9, 7, tzinfo=_ZONE)  # peppers are dried and ginger is dug until the end of October
_NIGHTS: Final = 55
_OTHER_ACTS: Final = 6
_VISITED: Final = 0.3  # share of nights with a registered visit
_CONCURRENT: Final = frozenset({"insects", "web", "rain", "traffic", "passer_by", "animal"})
_GAP_S: Final = (100.0, 420.0)
_VISIT_MARGIN_S: Final = 600.0  # a visit is registered with this much time before and after it
_ALERT_MARGIN_S: Final = 60.0
INFRARED: Final = 0.6  # share of cameras that switch to infrared in the dark; the others see in colour by a street lamp


@dataclass(frozen=True)
class SimulatedNight:
    """One simulated camera-night."""

    seed: int
    number: int
    fps: float
    site: Site
    camera: str  # the site's only one
    scene: LaneScene  # the true positions of lane, field and store
    acts: tuple[Act, ...]  # in seconds UTC, ordered by their start
    truth: tuple[SimulatedEvent, ...]  # ordered by their start
    owner_hours: tuple[str, ...]  # HH:MM-HH:MM local time, which the site file has, too
    infrared: bool
    walking_source: str  # where the steps of people are from

    @property
    def label(self) -> str:
        """The text that each figure from this night must state."""
        return f"simulated, seed {self.seed}, night {self.number}, {self.walking_source}"

    @property
    def began_at(self) -> float:
        """Capture time of the first event, seconds UTC."""
        return self.truth[0].began_at

    @property
    def records(self) -> Iterator[Detections]:
        """The night's records in order; they are computed at each call and always the same.

        There are ``fps`` pictures a second around the acts, and ticks otherwise. The ticks come once a second at first,
        then once in 10 s, so that no track or event expires. If a car stands before the camera for the night, a picture
        each 2 s replaces the ticks, as a sampler's idle rate does.
        """
        rng = np.random.default_rng([self.seed, self.number, 1])
        return NightRenderer(self.scene, self.camera, self.acts, self.fps, self.infrared, rng).records()


def simulate_night(
    seed: int,
    number: int = 0,
    *,
    walking: WalkingPaths | None = None,
    fps: float = FPS,
    patterns: Sequence[str] | None = None,
) -> SimulatedNight:
    """One camera-night; the same arguments give the same bytes.

    Each ``number`` of a seed has its own camera and scene. There are ``fps`` pictures a second around the acts. Without
    ``walking``, people walk by the model; without ``patterns``, the thefts are ``theft_patterns(number)``.
    """
    rng = np.random.default_rng([seed, number, 0])
    walking = walking or WalkingPaths()
    lane = scene.random_scene(rng)
    context = ScriptContext(lane, walking, rng)
    evening = context.chance(0.5)
    hours = ("18:00-20:40",) if evening else ("04:20-07:20",)
    stolen = [PATTERNS[name](context) for name in (theft_patterns(number) if patterns is None else patterns)]
    others = [OTHERS[name](context) for name in rng.choice(list(OTHERS), _OTHER_ACTS, replace=False)]
    visits = [_owner_act(context, ("own_truck", "own_car"))] if context.chance(_VISITED) else []
    own = [_owner_act(context, tuple(OWNER)) for _ in range(context.integer(1, 2))]
    mixed = stolen + others + visits
    order = [mixed[int(index)] for index in rng.permutation(len(mixed))]
    day = FIRST_NIGHT + timedelta(days=number % _NIGHTS)
    starts = _schedule(context, day.timestamp(), evening, own, order)
    camera = f"lane-{number:03d}"
    acts = [act.shifted(start, f"{index} ") for index, (act, start) in enumerate(starts)]
    start_of = {id(act): start for act, start in starts}
    registered = tuple(_registered_visit(act, start_of[id(act)], camera) for act in visits)
    truth = [
        _event(act, start, theft=any(act is other for other in stolen), allowed=any(act is o for o in own + visits))
        for act, start in starts
    ]
    return SimulatedNight(
        seed=seed,
        number=number,
        fps=fps,
        site=scene.site(lane, camera, hours, registered, fps),
        camera=camera,
        scene=lane,
        acts=tuple(sorted(acts, key=lambda act: act.began_at)),
        truth=tuple(sorted(truth, key=lambda event: (event.began_at, event.pattern))),
        owner_hours=hours,
        infrared=context.chance(INFRARED),
        walking_source=walking.source,
    )


def simulate_nights(
    count: int = 100, seed: int = 1, *, walking: WalkingPaths | None = None, fps: float = FPS
) -> Iterator[SimulatedNight]:
    """Camera-nights with six thefts in each five; of 100, 40 have none and each of the six patterns occurs 20 times."""
    walking = walking or WalkingPaths()
    return (simulate_night(seed, number, walking=walking, fps=fps) for number in range(count))


def theft_patterns(number: int) -> tuple[str, ...]:
    """The thefts of a night: of five nights, three have two."""
    names = tuple(PATTERNS)
    fives, rest = divmod(number, 5)
    if rest >= 3:
        return ()
    first = (2 * rest + fives) % len(names)
    return names[first], names[(first + 1) % len(names)]


def _owner_act(context: ScriptContext, names: tuple[str, ...]) -> Act:
    return OWNER[names[context.integer(0, len(names) - 1)]](context)


def _schedule(
    context: ScriptContext, midnight: float, evening: bool, own: list[Act], order: list[Act]
) -> list[tuple[Act, float]]:
    """The acts with their start times: the owner's in his hours, the others one after the other outside of them.

    Acts of the kinds ``_CONCURRENT`` may overlap with another act.
    """
    starts: list[tuple[Act, float]] = []
    clock = previous_start = previous_end = 0.0
    for act in order:
        if starts and act.pattern in _CONCURRENT and context.chance(0.6):
            start = previous_start + context.uniform(0.0, max(previous_end - previous_start, 1.0))
        else:
            start = previous_start = clock + context.uniform(*_GAP_S)
        starts.append((act, start))
        previous_end = start + act.ended_at
        clock = max(clock, previous_end)
    hour = 3600.0
    offset = 20.9 * hour if evening else 28.1 * hour - clock - context.uniform(0, hour)
    owner_starts = []
    time = midnight + (18.4 if evening else 28.5) * hour
    for act in own:
        time += context.uniform(60, 300)
        owner_starts.append((act, time))
        time += act.ended_at
    return owner_starts + [(act, midnight + offset + start) for act, start in starts]


def _event(act: Act, start: float, *, theft: bool, allowed: bool) -> SimulatedEvent:
    ended_at = start + act.ended_at
    return SimulatedEvent(
        kind=THEFT if theft else "harmless",
        pattern=act.pattern,
        zone=act.zone,
        began_at=start,
        acted_at=start + (act.acted_at or 0.0),
        alert_from=start,
        alert_until=ended_at + _ALERT_MARGIN_S,
        ended_at=ended_at,
        allowed=allowed,
    )


def _registered_visit(act: Act, start: float, camera: str) -> RegisteredVisit:
    return RegisteredVisit(
        who="owner",
        cameras=(camera,),
        zones=(act.zone,),
        since=datetime.fromtimestamp(start - _VISIT_MARGIN_S, _ZONE),
        until=datetime.fromtimestamp(start + act.ended_at + _VISIT_MARGIN_S, _ZONE),
    )
