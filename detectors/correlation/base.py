"""What a correlation is: a pure fold over the events of all cameras, of the kinds that it is made of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec

from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera
from lanewatch.records import Event

_EARTH_M = 6_371_000.0


class CameraMap(NamedTuple):
    """Where the site's cameras are, and what they are called."""

    cameras: Mapping[str, Camera]

    def apart_m(self, one: str, other: str) -> float:
        """Metres between two cameras, over a plane that touches the earth there; infinite where one is not known."""
        a, b = self.cameras.get(one), self.cameras.get(other)
        if a is None or b is None:
            return math.inf
        north = math.radians(b.latitude - a.latitude)
        east = math.radians(b.longitude - a.longitude) * math.cos(math.radians((a.latitude + b.latitude) / 2))
        return _EARTH_M * math.hypot(north, east)

    def name(self, camera: str) -> LocalizedName:
        """What it is called."""
        found = self.cameras.get(camera)
        return LocalizedName(ko=camera, en=camera) if found is None else found.name

    def zone(self, camera: str, zone: str) -> LocalizedName | None:
        """What a camera's zone is called, None where there is none."""
        found = self.cameras.get(camera)
        zones = () if found is None else found.zones
        return next((one.name for one in zones if one.id == zone), None)


class EventSummary(msgspec.Struct, frozen=True):
    """One event of one camera as it was last told. ``until`` is its end, or when it was told."""

    id: str
    camera: str
    began_at: float
    until: float
    open: bool
    revision: int

    @classmethod
    def of(cls, event: Event) -> EventSummary:
        """A revision of it."""
        going_on = event.state in ("open", "updated")
        until = event.updated_at if event.ended_at is None else event.ended_at
        return cls(event.id, event.camera, event.began_at, until, going_on, event.revision)


class StepFunction(Protocol):
    """The memory after a revision of an event, and what it says. Revisions come in the order of capture time; one that
    came before changes nothing. Where it does not begin anything, what is known only goes on."""

    def __call__(self, memory: Any, event: Event, place: CameraMap, *, begins: bool) -> tuple[Any, list[Event]]: ...


class ForgetFunction(Protocol):
    """The memory without what nothing can be joined to any more, by how far each camera has been judged; the very same
    where that is all of it."""

    def __call__(self, memory: Any, reached: Mapping[str, float]) -> Any: ...


class Correlation(NamedTuple):
    """One row of the table of correlations.

    Attributes:
        kind: Names it in the site file and in events.
        name: What people call it.
        of: The kinds of the events that it is made of.
        kept_s: For how long after its last revision an event may still be joined to; one that is told again later
            than this changes nothing.
        Memory: A frozen ``msgspec.Struct`` which must come back from msgpack as it was; as it is made, nothing has
            happened yet.
        step: See there.
        forget: See there.
    """

    kind: str
    name: LocalizedName
    of: frozenset[str]
    kept_s: float
    Memory: type[msgspec.Struct]
    step: StepFunction
    forget: ForgetFunction
