"""What scripts have to work with, and what they make: one act, in seconds from its beginning."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from streams.simulator.actors import Actor, ParkedPeriod, Route, Spot, Stop
from streams.simulator.scene import LaneScene
from streams.simulator.walking import WalkingPaths
from streams.simulator.weather import Weather


@dataclass
class Act:
    """What a script made.

    Attributes:
        acted_at: when somebody first reaches the produce; None where nobody does.
        began_at: 0 until it is put into a night.
    """

    pattern: str
    zone: str
    actors: list[Actor] = field(default_factory=list)
    rests: list[ParkedPeriod] = field(default_factory=list)
    weather: list[Weather] = field(default_factory=list)
    acted_at: float | None = None
    began_at: float = 0.0

    def after(self, seconds: float, prefix: str) -> Act:
        """The same, later, its actors under names that nobody else has."""
        return Act(
            self.pattern,
            self.zone,
            [one.after(seconds, prefix + one.who) for one in self.actors],
            [replace(one, since=one.since + seconds, until=one.until + seconds) for one in self.rests],
            [one.after(seconds) for one in self.weather],
            None if self.acted_at is None else self.acted_at + seconds,
            self.began_at + seconds,
        )

    @property
    def ends(self) -> float:
        """When the last of it is gone; scenery apart."""
        gone = [one.times[-1] for one in self.actors if not one.lasts] + [one.until for one in self.weather]
        return float(max(gone, default=0.0))


@dataclass(frozen=True)
class ScriptContext:
    """Where a script plays: the place, whose steps people take, and chance."""

    scene: LaneScene
    gaits: WalkingPaths
    rng: np.random.Generator

    def between(self, low: float, high: float) -> float:
        """Any number between."""
        return float(self.rng.uniform(low, high))

    def count(self, low: int, high: int) -> int:
        """Any whole number from ``low`` to ``high``."""
        return int(self.rng.integers(low, high + 1))

    def chance(self, share: float) -> bool:
        """True in that share of cases."""
        return bool(self.rng.random() < share)

    def side(self) -> float:
        """-1 or 1: from which end of the lane."""
        return -1.0 if self.chance(0.5) else 1.0

    def zone(self) -> str:
        """One of the produce zones."""
        return "field" if self.chance(0.6) else "store"

    def within(self, zone: str) -> Spot:
        """A spot where produce is, a little inside of the zone, not in its far half."""
        s0, s1, d0, d1 = self.scene.places[zone]
        return self.between(s0 + 0.8, s1 - 0.8), self.between(d0 + 0.8, d0 + 0.55 * (d1 - d0))

    def verge(self, zone: str) -> Spot:
        """Where a vehicle stands by a zone: half off the lane or on the verge."""
        s0, s1, _, _ = self.scene.places[zone]
        middle, reach = (s0 + s1) / 2, min((s1 - s0) / 4, 3.0)
        return self.between(middle - reach, middle + reach), self.between(1.6, 3.0)

    def person(self, at: float, spot: Spot) -> Route:
        """Somebody who is at a spot from then on."""
        return Route(self.gaits, self.rng, at, spot)

    def door(self, stop: Stop, end: float = 0.0) -> Spot:
        """Beside a vehicle that stands, on the field's side; ``end`` metres from its middle."""
        return stop.spot[0] + end, stop.spot[1] + self.between(1.1, 1.5)

    def parked(self, stop: Stop) -> ParkedPeriod:
        """What the sampler may see of a vehicle that stands."""
        return ParkedPeriod(stop.actor.kind, stop.spot, stop.stands, stop.leaves)
