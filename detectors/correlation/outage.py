"""Outage: many cameras lose their signal at once, so that a dead switch is one alarm and not forty.

Cameras that share a switch, a mast or a power line form a group in the site file. A site without groups is one group.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterable

import msgspec

from detectors import scoring
from detectors.correlation.base import (
    CameraMap,
    Correlation,
    EventSummary,
    LinkedEvents,
    LinkMemory,
    is_over,
    link_forget,
    link_step,
    new_event,
    next_revision,
    with_group,
)
from lanewatch.config.fields import LocalizedName
from lanewatch.records import Event, State

KIND = "outage"
NAME = LocalizedName(ko="카메라 동시 장애", en="Outage")

NAMESPACE = uuid.UUID("8b3f0c1e-2f5c-5a41-9a52-7f0a4b5f9e66")
"""Of the events' ids. Never change it: archives and verdicts refer to them."""

MIN_CAMERAS = 3
"""Two cameras may fail together by chance."""
MIN_SHARE = 0.25
"""Share of the group's cameras: in a district of hundreds, three fail every night."""
WITHIN_S = 60.0
"""From the first loss to the last. A switch takes all down within seconds; each camera's loss is noticed by itself."""
MEMORY_S = 3600.0
"""A loss is remembered for this time after its end; an outage is remembered while it lasts."""

BASE_SCORE = 0.5
"""Nothing is observed there."""
WHOLE_GROUP_SCORE = 0.3
"""Added in proportion to the share of the group that is lost."""


class GroupOutage(LinkedEvents, frozen=True):
    """Signal losses that are one outage of a group of cameras."""

    parts: tuple[EventSummary, ...] = msgspec.field(name="losses")
    event: Event
    group: str


class OutageMemory(LinkMemory, frozen=True):
    """Single losses, and outages."""

    groups: tuple[GroupOutage, ...] = msgspec.field(default=(), name="falls")


def _link(
    memory: OutageMemory, loss: EventSummary, event: Event, cameras: CameraMap
) -> tuple[OutageMemory, list[Event]]:
    """A loss joins its group's outage of the same time, or starts one with other losses."""
    group = cameras.group(loss.camera)
    for index, outage in enumerate(memory.groups):
        same = any(_together(part, loss) or part.camera == loss.camera for part in outage.parts)
        if outage.group == group and same and not is_over(outage.event):
            losses = (*outage.parts, loss)
            revision = _revision(outage.event, group, losses, event, cameras)
            return with_group(memory, index, GroupOutage(losses, revision, group)), [revision]
    single = (*memory.single, loss)
    joined = [part for part in single if part.open and cameras.group(part.camera) == group and _together(part, loss)]
    needed = max(MIN_CAMERAS, math.ceil(MIN_SHARE * cameras.group_size(group)))
    if len({part.camera for part in joined}) < needed:
        return msgspec.structs.replace(memory, single=single), []
    losses = tuple(sorted(joined, key=lambda part: (part.began_at, part.camera, part.id)))
    first = new_event(
        event,
        namespace=NAMESPACE,
        parts=[part.id for part in losses],
        kind=KIND,
        thresholds={"least": float(MIN_CAMERAS), "share": MIN_SHARE, "within_s": WITHIN_S},
        camera=losses[0].camera,
        began_at=losses[0].began_at,
        tracks=(),
    )
    revision = _revision(first, group, losses, event, cameras, state="open")
    single = tuple(part for part in single if part not in joined)
    return OutageMemory(single, (*memory.groups, GroupOutage(losses, revision, group))), [revision]


def _continue(
    outage: GroupOutage, loss: EventSummary, event: Event, cameras: CameraMap
) -> tuple[GroupOutage, list[Event]]:
    """One of its cameras has a new revision. The outage is over when no camera is lost any more."""
    was_open = next(part.open for part in outage.parts if part.id == loss.id)
    losses = tuple(loss if part.id == loss.id else part for part in outage.parts)
    if is_over(outage.event) or (loss.open and was_open):
        return msgspec.structs.replace(outage, parts=losses), []
    state = "updated" if any(part.open for part in losses) else event.state
    revision = _revision(outage.event, outage.group, losses, event, cameras, state=state)
    return GroupOutage(losses, revision, outage.group), [revision]


def ongoing_outages(events: Iterable[Event]) -> OutageMemory:
    """The memory of the outages that a former process left open; ``events`` has them and all their parts."""
    by_id = {event.id: event for event in events}
    groups = tuple(
        GroupOutage(
            tuple(EventSummary.of(by_id[part]) for part in event.parts if part in by_id),
            event,
            str(event.factors[0].detail["group"]),
        )
        for event in by_id.values()
        if event.kind == KIND
    )
    return OutageMemory(groups=groups)


CORRELATION = Correlation(
    kind=KIND,
    name=NAME,
    sources=frozenset({"signal_lost"}),
    memory_s=MEMORY_S,
    Memory=OutageMemory,
    step=link_step(_continue, _link),
    forget=link_forget(MEMORY_S),
)


def _together(loss: EventSummary, other: EventSummary) -> bool:
    return abs(loss.began_at - other.began_at) <= WITHIN_S


def _revision(
    outage: Event,
    group: str,
    losses: tuple[EventSummary, ...],
    event: Event,
    camera_map: CameraMap,
    *,
    state: State = "updated",
) -> Event:
    members = max(camera_map.group_size(group), 1)
    cameras = len({loss.camera for loss in losses})
    away = len({loss.camera for loss in losses if loss.open})
    score = BASE_SCORE + WHOLE_GROUP_SCORE * min(cameras / members, 1.0)
    where_ko, where_en = (f"'{group}' 그룹", f"group '{group}'") if group else ("전체", "the site")
    factors = (scoring.make_factor("outage", score, cameras=cameras, away=away, members=members, group=group),)
    return next_revision(
        outage,
        event,
        state,
        ended_at=max(loss.until for loss in losses),
        severity=2,
        score=scoring.total_score(factors),
        factors=factors,
        sentence={
            "ko": f"{where_ko} 카메라 {members}대 중 {cameras}대 동시 신호 끊김 (현재 {away}대)",
            "en": f"{cameras} of the {members} cameras of {where_en} lost their signal at once ({away} away now)",
        },
        parts=tuple(loss.id for loss in losses),
    )
