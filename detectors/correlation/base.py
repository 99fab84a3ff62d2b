"""The protocol of a correlation: a pure fold over the events of all cameras. And what several correlations share."""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec

from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera
from lanewatch.records import Event, State

_EARTH_M = 6_371_000.0


class CameraMap(NamedTuple):
    """The positions and names of the site's cameras."""

    cameras: Mapping[str, Camera]

    def distance_m(self, camera: str, other: str) -> float:
        """Metres between two cameras, on a plane that touches the earth there; infinite if one is unknown."""
        a, b = self.cameras.get(camera), self.cameras.get(other)
        if a is None or b is None:
            return math.inf
        north = math.radians(b.latitude - a.latitude)
        east = math.radians(b.longitude - a.longitude) * math.cos(math.radians((a.latitude + b.latitude) / 2))
        return _EARTH_M * math.hypot(north, east)

    def name(self, camera: str) -> LocalizedName:
        """A camera's name; its id if it is unknown."""
        return self.cameras[camera].name if camera in self.cameras else LocalizedName(ko=camera, en=camera)

    def zone_name(self, camera: str, zone: str) -> LocalizedName | None:
        """The name of a camera's zone; None if there is no such zone."""
        zones = self.cameras[camera].zones if camera in self.cameras else ()
        return next((item.name for item in zones if item.id == zone), None)

    def group(self, camera: str) -> str:
        """A camera's group; "" if it has none."""
        return self.cameras[camera].group if camera in self.cameras else ""

    def group_size(self, group: str) -> int:
        """The number of cameras of a group."""
        return sum(camera.group == group for camera in self.cameras.values())


class EventSummary(msgspec.Struct, frozen=True):
    """The last revision of one camera's event, in short. ``until`` is its end, or the time of the revision."""

    id: str
    camera: str
    began_at: float
    until: float
    open: bool
    revision: int

    @classmethod
    def of(cls, event: Event) -> EventSummary:
        """The summary of a revision."""
        until = event.updated_at if event.ended_at is None else event.ended_at
        return cls(event.id, event.camera, event.began_at, until, not is_over(event), event.revision)


class LinkedEvents(msgspec.Struct, frozen=True):
    """Events that are linked, in the order in which they joined; ``event`` is the last revision of their link."""

    parts: tuple[EventSummary, ...]
    event: Event


class LinkMemory(msgspec.Struct, frozen=True):
    """The memory of a correlation that links events of several cameras: single events, and groups of linked ones."""

    single: tuple[EventSummary, ...] = msgspec.field(default=(), name="alone")
    groups: tuple[LinkedEvents, ...] = ()


class StepFunction(Protocol):
    """Returns the memory after a revision of an event, and the correlation's own revisions.

    Revisions come in the order of capture time. A revision that came before changes nothing. Unless ``begins``,
    nothing new is linked or remembered: only links that exist continue.
    """

    def __call__(self, memory: Any, event: Event, cameras: CameraMap, *, begins: bool) -> tuple[Any, list[Event]]: ...


class ForgetFunction(Protocol):
    """Returns the memory without events that nothing can be linked to any more; the same object if all are needed.

    ``watermarks`` are the capture times up to which each camera's records have been processed.
    """

    def __call__(self, memory: Any, watermarks: Mapping[str, float]) -> Any: ...


class Correlation(NamedTuple):
    """One row of the table of correlations.

    Attributes:
        kind: Names it in the site file and in events.
        sources: The kinds of events that it links.
        memory_s: How long after its last revision an event may still be linked. A later revision changes nothing.
        Memory: A frozen ``msgspec.Struct`` that survives msgpack. Its default value is the memory before any event.
    """

    kind: str
    name: LocalizedName
    sources: frozenset[str]
    memory_s: float
    Memory: type[msgspec.Struct]
    step: StepFunction
    forget: ForgetFunction


LinkFunction = Callable[[Any, EventSummary, Event, CameraMap], tuple[Any, list[Event]]]
"""From a group (or the whole memory), the summary of a revision, the revision and the cameras: the group (or memory)
after it, and the new revisions of its link."""

M = TypeVar("M", bound=LinkMemory)


def link_step(continue_group: LinkFunction, link: LinkFunction) -> StepFunction:
    """The step of a correlation that links events of several cameras.

    ``continue_group`` is for an event that belongs to a group. ``link`` gets the memory without this event.
    """

    def step(memory: M, event: Event, cameras: CameraMap, *, begins: bool) -> tuple[M, list[Event]]:
        part = EventSummary.of(event)
        known = [*memory.single, *(item for group in memory.groups for item in group.parts)]
        if any(item.id == part.id and item.revision >= part.revision for item in known):
            return memory, []
        for index, group in enumerate(memory.groups):
            if any(item.id == part.id for item in group.parts):
                group, revisions = continue_group(group, part, event, cameras)
                return with_group(memory, index, group), revisions
        memory = msgspec.structs.replace(memory, single=tuple(item for item in memory.single if item.id != part.id))
        return link(memory, part, event, cameras) if begins else (memory, [])

    return step


def link_forget(memory_s: float) -> ForgetFunction:
    """Forgets events that ended longer ago than ``memory_s``, each by its camera's watermark, and groups of them."""

    def forget(memory: M, watermarks: Mapping[str, float]) -> M:
        def is_needed(part: EventSummary) -> bool:
            return part.open or watermarks.get(part.camera, -math.inf) - part.until <= memory_s

        single = tuple(filter(is_needed, memory.single))
        groups = tuple(group for group in memory.groups if not is_over(group.event) or any(map(is_needed, group.parts)))
        if len(single) == len(memory.single) and len(groups) == len(memory.groups):
            return memory
        return msgspec.structs.replace(memory, single=single, groups=groups)

    return forget


def with_group(memory: M, index: int, group: LinkedEvents) -> M:
    """The memory with one group replaced."""
    return msgspec.structs.replace(memory, groups=(*memory.groups[:index], group, *memory.groups[index + 1 :]))


def is_over(event: Event) -> bool:
    """Whether an event is closed or has expired."""
    return event.state in ("closed", "expired")


def new_event(
    event: Event, *, namespace: uuid.UUID, parts: Iterable[str], kind: str, thresholds: dict[str, float], **changes: Any
) -> Event:
    """The event of a new link, before its first revision, from the revision that causes it.

    Its id is made from the namespace and the ids of its parts.
    """
    return msgspec.structs.replace(
        event,
        id=str(uuid.uuid5(namespace, "|".join(parts))),
        kind=kind,
        started_at=event.updated_at,
        thresholds=thresholds,
        onvif="",
        kisa="",
        revision=0,
        **changes,
    )


def next_revision(linked: Event, event: Event, state: State, *, ended_at: float | None = None, **changes: Any) -> Event:
    """The next revision of a link's event, caused by a revision of one of its parts.

    ``ended_at`` is used only if the link's new state is closed.
    """
    return msgspec.structs.replace(
        linked,
        state=state,
        updated_at=event.updated_at,
        ended_at=ended_at if state == "closed" else None,
        revision=max(round(event.updated_at * 1000), linked.revision + 1),
        model=event.model,
        site=event.site,
        **changes,
    )
