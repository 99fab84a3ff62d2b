"""Events of many cameras in the order of capture time, whichever way they came together.

A camera's events come in their order; those of several cameras in any, and some come twice. An event is let go when all
cameras have been judged past it, so that the order is by time, camera, id and revision every time. Who does not come
holds the others back for a minute of capture time at most, and a clock that is off holds nobody back for longer:

- A camera that was judged up to more than a minute before an event is not waited for: it is dead, or its clock is off.
- An event that has waited while the other cameras went on by a minute is let go.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping
from typing import NamedTuple

import msgspec

from lanewatch.records import Event, Watermark

HOLD_S = 60.0
"""A watcher that is killed is replaced within 15 s; a broker that is away for a minute is away for everybody."""


class CameraWatermark(msgspec.Struct, frozen=True):
    """How far a camera has been judged.

    Attributes:
        reached: Capture time.
        lead: Its clock less the order's own, which all cameras' progress drives and no clock's jump.
        over: It ended, and nothing is waited for.
    """

    reached: float
    lead: float
    over: bool = False


class WaitingEvent(msgspec.Struct, frozen=True):
    """An event and when it came, by the order's own clock."""

    event: Event
    since: float


class EventOrder(msgspec.Struct, frozen=True):
    """What waits, first things first, and how far the cameras are. ``now`` counts seconds from 0."""

    now: float = 0.0
    marks: dict[str, CameraWatermark] = {}
    waiting: tuple[WaitingEvent, ...] = ()


class OrderKey(NamedTuple):
    """What is let go first."""

    at: float
    camera: str
    id: str
    revision: int


def order_key(event: Event) -> OrderKey:
    """An event's place in the order."""
    return OrderKey(event.updated_at, event.camera, event.id, event.revision)


def put(order: EventOrder, event: Event) -> EventOrder:
    """The order with one event more; the very same where it waits already."""
    place, waiting = order_key(event), order.waiting
    number = bisect_left(waiting, place, key=lambda one: order_key(one.event))
    if number < len(waiting) and order_key(waiting[number].event) == place:
        return order
    after = (*waiting[:number], WaitingEvent(event, order.now), *waiting[number:])
    return msgspec.structs.replace(order, waiting=after)


def advance(order: EventOrder, reached: Mapping[str, Watermark]) -> EventOrder:
    """The order after cameras have been judged further. What comes again, or late, takes nothing back."""
    marks = dict(order.marks)
    now = order.now
    for camera, one in reached.items():
        before = marks.get(camera)
        at = one.captured_at if before is None else max(one.captured_at, before.reached)
        lead = _lead(at, before, now, marks)
        now = max(now, at - lead)
        marks[camera] = CameraWatermark(at, lead, one.gap == "ended")
    return msgspec.structs.replace(order, now=now, marks=marks)


def _lead(at: float, before: CameraWatermark | None, now: float, marks: Mapping[str, CameraWatermark]) -> float:
    """A camera's clock less the order's: its own, or another's that it is in step with, or, after a jump, a new one."""
    if before is not None and at - before.lead <= now + HOLD_S:
        return before.lead
    lead = min((one.lead for one in marks.values()), key=lambda lead: (abs(at - lead - now), lead), default=at - now)
    return lead if abs(at - lead - now) <= HOLD_S else at - now


def release_ready(order: EventOrder, cameras: Collection[str]) -> tuple[EventOrder, list[Event]]:
    """What need not wait any longer, in order.

    Args:
        order: before.
        cameras: that are waited for: the site's.
    """
    free = 0
    for one in order.waiting:
        if order.now - one.since < HOLD_S and _held(one.event, order, cameras):
            break
        free += 1
    if not free:
        return order, []
    gone = [one.event for one in order.waiting[:free]]
    return msgspec.structs.replace(order, waiting=order.waiting[free:]), gone


def _held(event: Event, order: EventOrder, cameras: Collection[str]) -> bool:
    at = event.updated_at
    own = order.marks.get(event.camera)
    if own is None or (own.reached < at and not own.over):
        return True
    for camera in cameras:
        mark = order.marks.get(camera)
        if mark is None:
            if order.now < HOLD_S:
                return True
        elif not mark.over and at - HOLD_S <= mark.reached < at:
            return True
    return False
