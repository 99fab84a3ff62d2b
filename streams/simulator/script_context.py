"""What a script works with, and what it makes: an act, in seconds from its start."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from streams.simulator.actors import Actor, LanePoint, Route, StationaryPeriod, VehicleStop
from streams.simulator.nuisance_motion import NuisanceMotion
from streams.simulator.scene import LaneScene
from streams.simulator.walking import WalkingPaths


@dataclass
class Act:
    """What a script made."""

    pattern: str  # the script's name
    zone: str  # a produce zone, or ``lane``
    actors: list[Actor] = field(default_factory=list)
    stationary: list[StationaryPeriod] = field(default_factory=list)
    nuisances: list[NuisanceMotion] = field(default_factory=list)
    acted_at: float | None = None  # when a person first reaches the produce
    began_at: float = 0.0  # until the act is placed in a night

    def add(self, stop: VehicleStop) -> None:
        """Adds a vehicle and the time in which it stands."""
        self.actors.append(stop.actor)
        self.stationary.append(StationaryPeriod(stop.actor.kind, stop.position, stop.stopped_at, stop.leaves_at))

    def shifted(self, seconds: float, prefix: str) -> Act:
        """The same act, later; the prefix makes the names of its actors unique in a night."""
        return Act(
            self.pattern,
            self.zone,
            [replace(actor, times=actor.times + seconds, name=prefix + actor.name) for actor in self.actors],
            [replace(period, start=period.start + seconds, end=period.end + seconds) for period in self.stationary],
            [replace(motion, start=motion.start + seconds, end=motion.end + seconds) for motion in self.nuisances],
            None if self.acted_at is None else self.acted_at + seconds,
            self.began_at + seconds,
        )

    @property
    def ended_at(self) -> float:
        """When its last actor or nuisance is gone, apart from permanent ones."""
        ends = [actor.times[-1] for actor in self.actors if not actor.permanent]
        return float(max(ends + [nuisance.end for nuisance in self.nuisances], default=0.0))


@dataclass(frozen=True)
class ScriptContext:
    """The scene, the walking paths and the random generator of a script."""

    scene: LaneScene
    walking: WalkingPaths
    rng: np.random.Generator

    def uniform(self, low: float, high: float) -> float:
        """A random number between the two."""
        return float(self.rng.uniform(low, high))

    def integer(self, low: int, high: int) -> int:
        """A random integer from ``low`` to ``high``, both included."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def direction(self) -> float:
        """-1 or 1: a random direction along the lane."""
        return -1.0 if self.chance(0.5) else 1.0

    def produce_zone(self) -> str:
        """A random produce zone."""
        return "field" if self.chance(0.6) else "store"

    def point_in(self, zone: str) -> LanePoint:
        """A random point in a produce zone, away from its edge and not in its far half."""
        s0, s1, d0, d1 = self.scene.produce_areas[zone]
        return self.uniform(s0 + 0.8, s1 - 0.8), self.uniform(d0 + 0.8, d0 + 0.55 * (d1 - d0))

    def verge_by(self, zone: str) -> LanePoint:
        """A random point where a vehicle stands beside a zone: half off the lane or on the verge."""
        s0, s1, _, _ = self.scene.produce_areas[zone]
        middle, reach = (s0 + s1) / 2, min((s1 - s0) / 4, 3.0)
        return self.uniform(middle - reach, middle + reach), self.uniform(1.6, 3.0)

    def beside(self, vehicle: LanePoint, along: float = 0.0) -> LanePoint:
        """A random point on the field's side of a vehicle that stands, ``along`` metres from its middle."""
        return vehicle[0] + along, vehicle[1] + self.uniform(1.1, 1.5)

    def person(self, time: float, position: LanePoint) -> Route:
        """The route of a person who appears at a position."""
        return Route(self.walking, self.rng, time, position)
