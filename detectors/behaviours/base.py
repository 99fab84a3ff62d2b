"""The interface of a behaviour: a pure fold over one camera's observations that reports candidates for events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Generic, Literal, NamedTuple, Protocol, TypeVar, cast

import msgspec
from pydantic import Field

from detectors import thresholds
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackPoint
from detectors.thresholds import Resolver
from lanewatch.config.fields import LocalizedName
from lanewatch.records import Box, Factor

Trigger = Literal["tracks", "boxes", "still", "flames", "picture", "blind"]
"""What makes a record relevant. ``tracks``: a tracked object. ``boxes``: two or more boxes. ``still``: a stationary
region. ``flames``: possible flames. ``blind``: no observation of the scene. ``picture``: a picture, every two seconds
and at no other record, whatever the memory is."""

TOLERANCE_S = 1e-3
"""Capture times are float seconds since 1970: 10 s between two of them may be 9.9999998."""


class Explanation(NamedTuple):
    """The factors that add up to a score, and one sentence in each language."""

    factors: tuple[Factor, ...]
    sentence: dict[str, str]


class Candidate(NamedTuple):
    """A suspicious activity at the present record. It is reported again at every record while it lasts.

    Attributes:
        key: Identifies the activity among those of its kind at this camera. It is the same at every record.
        zone: The id of the zone or line, or "".
        since: Capture time at which the activity began. For loitering this is the entry, not the end of the dwell.
        until: Capture time at which it was last observed. An event that closes ends then.
        tracks: The tracks that take part, the first one first.
        first_point: The first track's first foot point. The event's id is made from it.
        box: The box to show, pixels.
        clarity: How well the present frame shows it, in any unit. The frame with the largest value is the event's peak.
        severity: 1 watch, 2 alert, 3 dispatch suggested.
        explain: Makes the explanation. It is called only for events that are published.
        thresholds_met: Whether the present record meets the thresholds. If it does not, the event continues with the
            explanation and the thresholds of the last record that did.
        instant: The event closes as soon as it opens, as for a line crossing.
        cooldown_s: Seconds after its end in which the same key raises no event.
    """

    key: str
    zone: str
    since: float
    until: float
    tracks: tuple[int, ...]
    first_point: TrackPoint
    box: Box
    clarity: float
    severity: int
    thresholds: thresholds.Thresholds
    explain: Callable[[], Explanation]
    thresholds_met: bool = True
    instant: bool = False
    cooldown_s: float = 0.0

    @classmethod
    def from_track(cls, track: TrackedObject, place: str, **values: Any) -> Candidate:
        """What one track does at one zone or line, shown by its present box. ``values`` are the other attributes."""
        return cls(
            key=f"{place}/{track.id}",
            zone=place,
            tracks=(track.id,),
            first_point=track.first_point,
            box=track.box,
            clarity=track.score * track.height,
            **values,
        )


def cooldown_field(seconds: float, subject: str = "it") -> Any:
    """The threshold ``cooldown_s`` with its default. ``subject`` completes "... raises no new event"."""
    description = f"Seconds after the end in which {subject} raises no new event."
    return Field(seconds, ge=0, le=3600, title="Cool-down", description=description)


T = TypeVar("T", bound=thresholds.Thresholds)
M = TypeVar("M", bound=msgspec.Struct)

Result = tuple[M, Sequence[Candidate]]
"""The new memory, and the candidates."""


class Behaviour(Protocol[M]):
    """A rule for one kind of suspicious activity at one camera.

    The instance holds only what is constant at the camera. All that changes is in the memory, a frozen
    ``msgspec.Struct`` that survives msgpack unchanged. If the memory has an attribute ``idle`` that is true, it gives
    no candidates and is evaluated as rarely as a new memory. So memories that matter later cost nothing while a street
    is empty.

    Attributes:
        kind: Its name in the site file and in events.
        name: Its name for operators.
        onvif: The ONVIF topic of its events, "" if there is none.
        kisa: The class of KISA's list, "" if there is none.
        places: The kinds of zones that it needs, or "line" and "fence" for those kinds of lines. At a camera without
            any of them it is not created. Empty if it needs neither.
        by_default: Whether it is on at a site that does not name it under ``behaviours``.
        triggers: The records at which it is evaluated while its memory is new. With any other memory it is evaluated at
            every record that is not blind. Between evaluations its last candidates stay in effect.
    """

    kind: ClassVar[str]
    name: ClassVar[LocalizedName]
    onvif: ClassVar[str]
    kisa: ClassVar[str]
    places: ClassVar[frozenset[str]]
    by_default: ClassVar[bool] = True
    triggers: ClassVar[frozenset[Trigger]]
    Thresholds: ClassVar[type[thresholds.Thresholds]]
    Memory: ClassVar[type[msgspec.Struct]]

    def __init__(self, limits: Resolver[Any]) -> None: ...

    def start(self) -> M:
        """The memory before the first record."""
        ...

    def step(self, memory: M, observation: Observation) -> Result[M]:
        """Evaluates one record. Returns the new memory, the same object if nothing changed, and the candidates.

        The result depends on the arguments alone, and the memory passed in is not changed.
        """
        ...


class BaseBehaviour(Behaviour[M], Generic[T, M]):
    """Defaults of the built-in behaviours: no standard topic, no place needed, evaluated while objects are tracked.

    A subclass declares ``kind``, ``name``, ``Thresholds`` and ``Memory``, and implements ``step``.
    """

    onvif: ClassVar[str] = ""
    kisa: ClassVar[str] = ""
    places: ClassVar[frozenset[str]] = frozenset()
    triggers: ClassVar[frozenset[Trigger]] = frozenset({"tracks"})

    def __init__(self, limits: Resolver[T]) -> None:
        self._limits = limits

    def start(self) -> M:
        return cast(M, self.Memory())


class BehaviourError(ValueError):
    """A behaviour is unknown or could not be loaded."""
