"""What a behaviour is: a pure fold over what one camera shows, which claims what is presently suspicious."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Protocol, TypeVar

import msgspec

from detectors import thresholds
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackPoint
from detectors.thresholds import Resolver
from lanewatch.config.fields import LocalizedName
from lanewatch.records import Box, Factor

Trigger = Literal["tracks", "boxes", "still", "flames", "picture", "blind"]
"""Somebody is followed; two or more boxes are seen, followed or not; something appeared and stays; something may burn;
there is a picture (every two seconds, and at no other record, whatever the memory is); nobody knows what happens in
front of the camera."""


class Explanation(NamedTuple):
    """Why something is suspicious: the parts that add up to its score, and one sentence in each language."""

    factors: tuple[Factor, ...]
    sentence: dict[str, str]


class Candidate(NamedTuple):
    """Something presently suspicious. Made anew at every record as long as it is; never kept.

    Attributes:
        key: Which happening it is among this kind's at this camera; the same at every record while it lasts.
        zone: The id of the zone or line, or "".
        since: When it began, capture time: the entry of one who loiters, not the end of his patience.
        until: When it was last seen to be so; an episode that closes ends then.
        tracks: Who takes part, the first one first.
        born: The first track's birth and where its foot was then; the event's id is made from it.
        box: Where to look, pixels.
        clarity: How well the present frame shows it, any unit; the greatest becomes the event's peak.
        severity: 1 watch, 2 alert, 3 dispatch suggested.
        thresholds: Those that applied.
        explain: Gives the score's parts and the sentence; called only when they are published.
        reached: The present record reaches the thresholds. False where an event only goes on: it then keeps the
            explanation and the thresholds of the last record that reached them.
        instant: Over as soon as it is claimed, such as a crossing.
        cooldown_s: Seconds after its end in which the same key is not raised again.
    """

    key: str
    zone: str
    since: float
    until: float
    tracks: tuple[int, ...]
    born: TrackPoint
    box: Box
    clarity: float
    severity: int
    thresholds: thresholds.Thresholds
    explain: Callable[[], Explanation]
    reached: bool = True
    instant: bool = False
    cooldown_s: float = 0.0


M = TypeVar("M", bound=msgspec.Struct)


class Behaviour(Protocol[M]):
    """One kind of suspicious happening at one camera.

    The instance holds what is constant there; all that changes is in its memory, a frozen ``msgspec.Struct`` which
    must come back from msgpack as it was. ``step`` must not change the memory that it is given, must depend on
    nothing but its arguments, and returns the very same memory where nothing has changed. A memory that has an
    attribute ``idle`` and says True claims nothing, and is asked no more often than a fresh one: what is only
    remembered for later must not cost time at every record of an empty street.

    Attributes:
        kind: Names it in the site file and in events.
        name: What people call it.
        onvif: The ONVIF topic of its events, "" where there is none.
        kisa: The class of KISA's list, "" where there is none.
        places: The kinds of zones that it judges, "line" and "fence" for those kinds of lines; at a camera that has
            none of them it is not made. Empty where it needs neither.
        triggers: At which records it is asked when its memory is fresh; with any other memory it is asked at every
            record that is not blind. What it claimed stays as it is while it is not asked.
    """

    kind: ClassVar[str]
    name: ClassVar[LocalizedName]
    onvif: ClassVar[str]
    kisa: ClassVar[str]
    places: ClassVar[frozenset[str]]
    triggers: ClassVar[frozenset[Trigger]]
    Thresholds: ClassVar[type[thresholds.Thresholds]]
    Memory: ClassVar[type[msgspec.Struct]]

    def __init__(self, limits: Resolver[Any]) -> None: ...

    def start(self) -> M:
        """The memory before the first record."""
        ...

    def step(self, memory: M, view: Observation) -> tuple[M, Sequence[Candidate]]:
        """The memory after a record, and what is suspicious then."""
        ...


class BehaviourError(ValueError):
    """A behaviour that is unknown, or that could not be loaded."""
