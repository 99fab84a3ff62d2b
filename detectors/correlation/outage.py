"""Outage: many cameras lose their signal at once, so that a dead switch is one alarm and not forty.

Cameras that a switch, a mast or a power line has in common are those of one group of the site file; a city that names
no groups is one. The single cameras' events stay, as the outage's parts; whoever shows events shows them under it.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping

import msgspec

from detectors import scoring
from detectors.correlation.base import CameraMap, Correlation, EventSummary
from lanewatch.config.fields import LocalizedName
from lanewatch.records import Event, State

KIND = "outage"
NAME = LocalizedName(ko="카메라 동시 장애", en="Outage")
OF = "signal_lost"

NAMESPACE = uuid.UUID("8b3f0c1e-2f5c-5a41-9a52-7f0a4b5f9e66")
"""Of the events' ids. Never to be changed: archives and verdicts refer to them."""

LEAST = 3
"""Cameras. Two that fail together may have done so by chance."""
SHARE = 0.25
"""Of the group's cameras, as many: in a district of hundreds, three are every night's."""
WITHIN_S = 60.0
"""From the first loss to the last: a switch takes all within seconds, and each camera is told lost by its own clock."""
KEPT_S = 3600.0
"""A loss is remembered for so long after it is over; an outage is as long as it lasts."""

REACHED = 0.5
"""Score: nothing is watched there."""
WHOLE = 0.3
"""More when the whole group is away."""


class GroupOutage(msgspec.Struct, frozen=True):
    """Losses that are one outage of a group; ``event`` is its last revision."""

    group: str
    losses: tuple[EventSummary, ...]
    event: Event

    @property
    def over(self) -> bool:
        """Whether it has been told to be over."""
        return self.event.state in ("closed", "expired")


class OutageMemory(msgspec.Struct, frozen=True):
    """What is remembered: losses that stand alone, and outages."""

    alone: tuple[EventSummary, ...] = ()
    falls: tuple[GroupOutage, ...] = ()


def step(memory: OutageMemory, event: Event, place: CameraMap, *, begins: bool) -> tuple[OutageMemory, list[Event]]:
    """See ``detectors.correlation.base.StepFunction``. The events are those of cameras that lost their signal."""
    loss = EventSummary.of(event)
    for number, fall in enumerate(memory.falls):
        before = next((one for one in fall.losses if one.id == loss.id), None)
        if before is None:
            continue
        if before.revision >= loss.revision:
            return memory, []
        fall, told = _gone_on(fall, loss, event, place)
        return msgspec.structs.replace(memory, falls=_with(memory.falls, number, fall)), told
    known = next((one for one in memory.alone if one.id == loss.id), None)
    if known is not None and known.revision >= loss.revision:
        return memory, []
    alone = tuple(one for one in memory.alone if one.id != loss.id)
    if not begins:
        return msgspec.structs.replace(memory, alone=alone), []
    return _joined(msgspec.structs.replace(memory, alone=(*alone, loss)), loss, event, place)


def forget(memory: OutageMemory, reached: Mapping[str, float]) -> OutageMemory:
    """See ``detectors.correlation.base.ForgetFunction``."""

    def old(one: EventSummary) -> bool:
        return not one.open and reached.get(one.camera, -math.inf) - one.until > KEPT_S

    alone = tuple(one for one in memory.alone if not old(one))
    falls = tuple(one for one in memory.falls if not (one.over and all(map(old, one.losses))))
    if len(alone) == len(memory.alone) and len(falls) == len(memory.falls):
        return memory
    return OutageMemory(alone, falls)


CORRELATION = Correlation(KIND, NAME, frozenset({OF}), KEPT_S, OutageMemory, step, forget)


def _with(falls: tuple[GroupOutage, ...], number: int, fall: GroupOutage) -> tuple[GroupOutage, ...]:
    return (*falls[:number], fall, *falls[number + 1 :])


def _group(place: CameraMap, camera: str) -> str:
    found = place.cameras.get(camera)
    return "" if found is None else found.group


def _needed(place: CameraMap, group: str) -> int:
    members = sum(camera.group == group for camera in place.cameras.values())
    return max(LEAST, math.ceil(SHARE * members))


def _joined(
    memory: OutageMemory, loss: EventSummary, event: Event, place: CameraMap
) -> tuple[OutageMemory, list[Event]]:
    """A loss is joined to the outage of its group that it came with, or begins one with others."""
    group = _group(place, loss.camera)
    for number, fall in enumerate(memory.falls):
        near = any(abs(one.began_at - loss.began_at) <= WITHIN_S or one.camera == loss.camera for one in fall.losses)
        if fall.group == group and not fall.over and near:
            losses = (*fall.losses, loss)
            told = _told(fall.event, group, losses, event, place)
            alone = tuple(one for one in memory.alone if one.id != loss.id)
            return OutageMemory(alone, _with(memory.falls, number, GroupOutage(group, losses, told))), [told]
    together = tuple(
        one
        for one in memory.alone
        if one.open and _group(place, one.camera) == group and abs(one.began_at - loss.began_at) <= WITHIN_S
    )
    if len({one.camera for one in together}) < _needed(place, group):
        return memory, []
    losses = tuple(sorted(together, key=lambda one: (one.began_at, one.camera, one.id)))
    told = _told(_blank(losses, event), group, losses, event, place, state="open")
    alone = tuple(one for one in memory.alone if one not in together)
    return OutageMemory(alone, (*memory.falls, GroupOutage(group, losses, told))), [told]


def _gone_on(fall: GroupOutage, loss: EventSummary, event: Event, place: CameraMap) -> tuple[GroupOutage, list[Event]]:
    """A camera of it is told again; when none is away any more, it is over."""
    before = next(one for one in fall.losses if one.id == loss.id)
    losses = tuple(loss if one.id == loss.id else one for one in fall.losses)
    if fall.over or (loss.open and before.open):
        return GroupOutage(fall.group, losses, fall.event), []
    state: State = "updated"
    if not any(one.open for one in losses):
        state = "expired" if event.state == "expired" else "closed"
    told = _told(fall.event, fall.group, losses, event, place, state=state)
    return GroupOutage(fall.group, losses, told), [told]


def _blank(losses: tuple[EventSummary, ...], event: Event) -> Event:
    return msgspec.structs.replace(
        event,
        id=str(uuid.uuid5(NAMESPACE, "|".join(one.id for one in losses))),
        camera=losses[0].camera,
        kind=KIND,
        began_at=losses[0].began_at,
        started_at=event.updated_at,
        thresholds={"least": float(LEAST), "share": SHARE, "within_s": WITHIN_S},
        tracks=(),
        onvif="",
        kisa="",
        revision=0,
    )


def _told(
    known: Event,
    group: str,
    losses: tuple[EventSummary, ...],
    event: Event,
    place: CameraMap,
    *,
    state: State = "updated",
) -> Event:
    members = max(sum(camera.group == group for camera in place.cameras.values()), 1)
    cameras = len({one.camera for one in losses})
    away = len({one.camera for one in losses if one.open})
    share = min(cameras / members, 1.0)
    factors = (
        scoring.make_factor(
            "outage", REACHED + WHOLE * share, cameras=cameras, away=away, members=members, group=group
        ),
    )
    return msgspec.structs.replace(
        known,
        state=state,
        severity=2,
        score=scoring.total_score(factors),
        factors=factors,
        sentence=_sentence(group, cameras, away, members),
        parts=tuple(one.id for one in losses),
        updated_at=event.updated_at,
        ended_at=max(one.until for one in losses) if state == "closed" else None,
        revision=max(round(event.updated_at * 1000), known.revision + 1),
        model=event.model,
        site=event.site,
    )


def _sentence(group: str, cameras: int, away: int, members: int) -> dict[str, str]:
    where_ko = f"'{group}' 그룹" if group else "전체"
    where_en = f"group '{group}'" if group else "the site"
    return {
        "ko": f"{where_ko} 카메라 {members}대 중 {cameras}대 동시 신호 끊김 (현재 {away}대)",
        "en": f"{cameras} of the {members} cameras of {where_en} lost their signal at once ({away} away now)",
    }
