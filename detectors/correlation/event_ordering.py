"""Events of many cameras in the order of capture time, in whatever order they arrive.

An event is released when the watermarks of all cameras have passed it. A camera that sends nothing delays the others
by a minute of capture time at most. One whose watermark lies further behind is not waited for: it is dead, or its clock
is wrong.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Mapping
from itertools import takewhile

import msgspec

from lanewatch.records import Event, Watermark

MAX_WAIT_S = 60.0
"""A killed watcher is replaced within 15 s. If the broker is away for a minute, it is away for all cameras."""


class CameraWatermark(msgspec.Struct, frozen=True):
    """How far a camera's records have been processed.

    Attributes:
        captured_at: Capture time of its last record.
        clock_offset: Its clock minus the order's clock, which the progress of all cameras drives and no jump does.
        ended: Its recording ended, so that nothing is waited for.
    """

    captured_at: float = msgspec.field(name="reached")
    clock_offset: float = msgspec.field(name="lead")
    ended: bool = msgspec.field(default=False, name="over")


class WaitingEvent(msgspec.Struct, frozen=True):
    """An event and its arrival, by the order's clock."""

    event: Event
    arrived_at: float = msgspec.field(name="since")


class EventOrder(msgspec.Struct, frozen=True):
    """The waiting events in order, and the cameras' watermarks. ``now`` is the order's clock, seconds from 0."""

    now: float = 0.0
    watermarks: dict[str, CameraWatermark] = msgspec.field(default_factory=dict, name="marks")
    waiting: tuple[WaitingEvent, ...] = ()


def order_key(event: Event) -> tuple[float, str, str, int]:
    """An event's position in the order in which events are released."""
    return event.updated_at, event.camera, event.id, event.revision


def insert(order: EventOrder, event: Event) -> EventOrder:
    """The order with one more event; the same object if the event waits already."""
    key, waiting = order_key(event), order.waiting
    index = bisect_left(waiting, key, key=lambda item: order_key(item.event))
    if index < len(waiting) and order_key(waiting[index].event) == key:
        return order
    after = (*waiting[:index], WaitingEvent(event, order.now), *waiting[index:])
    return msgspec.structs.replace(order, waiting=after)


def advance(order: EventOrder, watermarks: Mapping[str, Watermark]) -> EventOrder:
    """The order after cameras' watermarks advanced. A repeated or late watermark takes nothing back."""
    after = dict(order.watermarks)
    now = order.now
    for camera, watermark in watermarks.items():
        before = after.get(camera)
        captured_at = watermark.captured_at if before is None else max(watermark.captured_at, before.captured_at)
        offset = _clock_offset(captured_at, before, now, after)
        now = max(now, captured_at - offset)
        after[camera] = CameraWatermark(captured_at, offset, watermark.gap == "ended")
    return msgspec.structs.replace(order, now=now, watermarks=after)


def _clock_offset(
    captured_at: float, before: CameraWatermark | None, now: float, watermarks: Mapping[str, CameraWatermark]
) -> float:
    """A camera's clock minus the order's: as before, or that of a camera in step with it; a new one after a jump."""
    if before is not None and captured_at - before.clock_offset <= now + MAX_WAIT_S:
        return before.clock_offset
    offsets = (other.clock_offset for other in watermarks.values())
    nearest = min(offsets, key=lambda offset: (abs(captured_at - offset - now), offset), default=captured_at - now)
    return nearest if abs(captured_at - nearest - now) <= MAX_WAIT_S else captured_at - now


def release_ready(order: EventOrder, cameras: Collection[str]) -> tuple[EventOrder, list[Event]]:
    """The order without the events that need not wait any longer for the site's cameras, and these events in order."""

    def is_ready(item: WaitingEvent) -> bool:
        return order.now - item.arrived_at >= MAX_WAIT_S or not _must_wait(item.event, order, cameras)

    released = [item.event for item in takewhile(is_ready, order.waiting)]
    if not released:
        return order, []
    return msgspec.structs.replace(order, waiting=order.waiting[len(released) :]), released


def _must_wait(event: Event, order: EventOrder, cameras: Collection[str]) -> bool:
    updated_at = event.updated_at
    own = order.watermarks.get(event.camera)
    if own is None or (own.captured_at < updated_at and not own.ended):
        return True
    for camera in cameras:
        watermark = order.watermarks.get(camera)
        if watermark is None:
            if order.now < MAX_WAIT_S:
                return True
        elif not watermark.ended and updated_at - MAX_WAIT_S <= watermark.captured_at < updated_at:
            return True
    return False
