"""One camera's night: what happens, in which order, and the records that a detect worker would have written of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np

from lanewatch.config import site as drawn
from lanewatch.config.site import Site
from lanewatch.records import Detections
from streams.simulator import benign_activities, scene, thefts
from streams.simulator.renderer import NightRenderer
from streams.simulator.scene import LaneScene
from streams.simulator.script import Act, ScriptContext
from streams.simulator.truth import THEFT, SimulatedEvent, SimulatedVisit
from streams.simulator.walking import WalkingPaths

FPS: Final = 2.0
FIRST: Final = datetime(2026, 9, 7, tzinfo=ZoneInfo(scene.TIME_ZONE))
"""The first night: peppers are dried and ginger is dug from September to the end of October."""
_NIGHTS: Final = 55
_OTHERS: Final = 6
_VISITED: Final = 0.3
_MEANWHILE: Final = frozenset({"insects", "web", "rain", "traffic", "passer_by", "animal"})
_GAP_S: Final = (100.0, 420.0)
_REGISTERED_S: Final = 600.0  # a visit is announced with so much room on either side
_LATE_S: Final = 60.0
INFRARED: Final = 0.6
"""Of the cameras, those that go to infrared when it is dark; the others see by a street lamp, in colour."""


@dataclass(frozen=True)
class SimulatedNight:
    """One simulated camera-night. Nothing in it was ever seen by a camera.

    Attributes:
        site: What a city would have drawn: the lane, produce zones with their owner's hours, registered visits.
        camera: Its only camera.
        scene: Where things truly are.
        acts: What is played, seconds UTC.
        truth: What happens, in the order of its beginning.
        visits: What the owner registered, as the site has it too.
        owner_hours: When the owner is usually there, HH:MM-HH:MM local time, as the site has it too.
        walkers: Whose steps people take.
    """

    seed: int
    number: int
    fps: float
    site: Site
    camera: str
    scene: LaneScene
    acts: tuple[Act, ...]
    truth: tuple[SimulatedEvent, ...]
    visits: tuple[SimulatedVisit, ...]
    owner_hours: tuple[str, ...]
    infrared: bool
    walkers: str

    @property
    def label(self) -> str:
        """What every figure that rests on it has to say."""
        return f"simulated, seed {self.seed}, night {self.number}, {self.walkers}"

    @property
    def began_at(self) -> float:
        """Capture time, seconds UTC, of the first thing that happens."""
        return self.truth[0].began_at

    @property
    def records(self) -> Iterator[Detections]:
        """The night's records in order, made anew each time and always the same.

        ``fps`` a second while something happens, and around it; ticks else: one a second at first, then one each
        10 s, so that no track and no event expires for want of records. Where a car stands before the camera for the
        night the empty stretches have a picture each 2 s, as a sampler's idle rate gives.
        """
        rng = np.random.default_rng([self.seed, self.number, 1])
        return NightRenderer(self.scene, self.camera, self.acts, self.fps, self.infrared, rng).records()


def simulate_night(
    seed: int,
    number: int = 0,
    *,
    gaits: WalkingPaths | None = None,
    fps: float = FPS,
    patterns: Sequence[str] | None = None,
) -> SimulatedNight:
    """One camera-night; the same arguments give the same bytes.

    Args:
        seed: of all chance.
        number: which of the seed's nights; each has a camera and a place of its own.
        gaits: whose steps people take; the walking model's if None.
        fps: pictures a second while something happens.
        patterns: the thefts that happen; those whose turn it is if None: of five nights three have two thefts.

    Raises:
        KeyError: there is no such pattern.
    """
    rng = np.random.default_rng([seed, number, 0])
    gaits = gaits or WalkingPaths()
    place = scene.draw(rng)
    stage = ScriptContext(place, gaits, rng)
    evening = stage.chance(0.5)
    hours = ("18:00-20:40",) if evening else ("04:20-07:20",)
    stolen = [thefts.PATTERNS[name](stage) for name in (turn(number) if patterns is None else patterns)]
    others = [
        benign_activities.OTHERS[name](stage)
        for name in rng.choice(list(benign_activities.OTHERS), _OTHERS, replace=False)
    ]
    visits = [_owner(stage, ("own_truck", "own_car"))] if stage.chance(_VISITED) else []
    own = [_owner(stage, tuple(benign_activities.OWNERS)) for _ in range(stage.count(1, 2))]
    mixed = stolen + others + visits
    order = [mixed[int(index)] for index in rng.permutation(len(mixed))]
    day = FIRST + timedelta(days=number % _NIGHTS)
    began = _laid_out(stage, day.timestamp(), evening, own, order)
    camera = f"lane-{number:03d}"
    acts = tuple(act.after(began[id(act)], f"{index} ") for index, act in enumerate(own + order))
    visited = tuple(_visit(act, began[id(act)]) for act in visits)
    told = [_told(act, began[id(act)], stolen, own + visits) for act in own + order]
    return SimulatedNight(
        seed=seed,
        number=number,
        fps=fps,
        site=scene.site(place, camera, hours, tuple(_registered(one, camera) for one in visited), fps),
        camera=camera,
        scene=place,
        acts=tuple(sorted(acts, key=lambda act: act.began_at)),
        truth=tuple(sorted(told, key=lambda one: (one.began_at, one.pattern))),
        visits=visited,
        owner_hours=hours,
        infrared=stage.chance(INFRARED),
        walkers=gaits.source,
    )


def simulate_nights(
    count: int = 100, seed: int = 1, *, gaits: WalkingPaths | None = None, fps: float = FPS
) -> Iterator[SimulatedNight]:
    """Camera-nights of which each five have six thefts; of 100, 40 have none and each of the six patterns comes 20
    times."""
    gaits = gaits or WalkingPaths()
    return (simulate_night(seed, number, gaits=gaits, fps=fps) for number in range(count))


def turn(number: int) -> tuple[str, ...]:
    """The patterns of the thefts of a night."""
    names = tuple(thefts.PATTERNS)
    fives, rest = divmod(number, 5)
    if rest >= 3:
        return ()
    first = (2 * rest + fives) % len(names)
    return names[first], names[(first + 1) % len(names)]


def _owner(stage: ScriptContext, names: tuple[str, ...]) -> Act:
    script: Callable[[ScriptContext], Act] = benign_activities.OWNERS[names[stage.count(0, len(names) - 1)]]
    return script(stage)


def _laid_out(
    stage: ScriptContext, midnight: float, evening: bool, own: list[Act], order: list[Act]
) -> dict[int, float]:
    """When each act begins: the owner's within his hours, the others one after the other outside of them.

    What is no matter of people (rain, animals, cars that pass) may come while something else goes on.
    """
    began: dict[int, float] = {}
    clock = before = 0.0
    last = 0.0
    for act in order:
        if began and act.pattern in _MEANWHILE and stage.chance(0.6):
            began[id(act)] = before + stage.between(0.0, max(last - before, 1.0))
        else:
            before = clock + stage.between(*_GAP_S)
            began[id(act)] = before
        last = began[id(act)] + act.ends
        clock = max(clock, last)
    hour = 3600.0
    offset = 20.9 * hour if evening else 28.1 * hour - clock - stage.between(0, hour)
    began = {one: midnight + offset + at for one, at in began.items()}
    at = midnight + (18.4 if evening else 28.5) * hour
    for act in own:
        at += stage.between(60, 300)
        began[id(act)] = at
        at += act.ends
    return began


def _told(act: Act, began: float, stolen: list[Act], allowed: list[Act]) -> SimulatedEvent:
    theft = any(act is one for one in stolen)
    ended = began + act.ends
    return SimulatedEvent(
        kind=THEFT if theft else "harmless",
        pattern=act.pattern,
        zone=act.zone,
        began_at=began,
        acted_at=began + (act.acted_at or 0.0),
        alert_from=began,
        alert_until=ended + _LATE_S,
        ended_at=ended,
        allowed=any(act is one for one in allowed),
    )


def _visit(act: Act, began: float) -> SimulatedVisit:
    return SimulatedVisit(act.zone, began - _REGISTERED_S, began + act.ends + _REGISTERED_S)


def _registered(visit: SimulatedVisit, camera: str) -> drawn.RegisteredVisit:
    return drawn.RegisteredVisit(
        who="owner",
        cameras=(camera,),
        zones=(visit.zone,),
        since=datetime.fromtimestamp(visit.start, ZoneInfo(scene.TIME_ZONE)),
        until=datetime.fromtimestamp(visit.end, ZoneInfo(scene.TIME_ZONE)),
    )
