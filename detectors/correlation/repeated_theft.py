"""Repeated theft: the same pattern at the same place on a later night.

Produce thieves come back to where it went well, at much the same hour. A theft that becomes an alert at a zone where
there was one on another night of the last thirty, within two hours of the same time, is linked to it: an event of its
own, made of all of them.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping

import msgspec

from detectors import scoring
from detectors.correlation.base import CameraMap, Correlation
from lanewatch.config.fields import LocalizedName
from lanewatch.records import Event, State
from lanewatch.sun import Condition

KIND = "repeated_theft"
NAME = LocalizedName(ko="농산물 도난 반복", en="Repeated produce theft")
OF = "produce_theft"

NAMESPACE = uuid.UUID("3c1f6a0d-90c4-5f57-8f43-6a8f0f4f7b52")
"""Of the events' ids. Never to be changed: archives and verdicts refer to them."""

ALERT = 2
"""Severity from which one counts: a vehicle that only stopped is no pattern."""
DAY_S = 86_400.0
WITHIN_S = 30 * DAY_S
ALIKE_S = 2 * 3600.0
"""Between two times of the day that are alike."""
MOST = 32
"""Thefts that are remembered at one place; the oldest go first."""

AGAIN = 0.5
"""Score of the second night by day; that one thing happened twice at one place and hour is no chance."""
FURTHER = 0.1
"""More for each further night, up to three."""


class Theft(msgspec.Struct, frozen=True):
    """One alert of theft as it was last told; ``event`` is the last revision of what it is said to repeat."""

    id: str
    camera: str
    zone: str
    began_at: float
    night: int
    told_at: float
    revision: int
    event: Event | None = None


class RepeatedTheftMemory(msgspec.Struct, frozen=True):
    """What is remembered, in the order in which it became an alert."""

    thefts: tuple[Theft, ...] = ()


def step(
    memory: RepeatedTheftMemory, event: Event, place: CameraMap, *, begins: bool = True
) -> tuple[RepeatedTheftMemory, list[Event]]:
    """The memory after a revision of a theft, and what it says about the nights before."""
    known = next((one for one in memory.thefts if one.id == event.id), None)
    if known is not None:
        if known.revision >= event.revision:
            return memory, []
        return _gone_on(memory, known, event)
    if event.severity < ALERT or not begins:
        return memory, []
    theft = Theft(
        event.id,
        event.camera,
        event.zone,
        event.began_at,
        _night(event, place),
        event.updated_at,
        event.revision,
    )
    before = [one for one in memory.thefts if _repeats(theft, one)]
    told: list[Event] = []
    if before:
        told = [_told(event, [*before, theft], place)]
        theft = msgspec.structs.replace(theft, event=told[0])
    return _with(memory, theft), told


def forget(memory: RepeatedTheftMemory, reached: Mapping[str, float]) -> RepeatedTheftMemory:
    """The memory without what is older than thirty days; each camera's by its own clock."""
    kept = tuple(one for one in memory.thefts if reached.get(one.camera, -math.inf) - one.told_at <= WITHIN_S)
    return memory if len(kept) == len(memory.thefts) else RepeatedTheftMemory(kept)


def _night(event: Event, place: CameraMap) -> int:
    """Which night: days are counted from noon to noon by the sun over the camera."""
    camera = place.cameras.get(event.camera)
    ahead_s = 0.0 if camera is None else camera.longitude / 360 * DAY_S
    return math.floor((event.began_at + ahead_s) / DAY_S - 0.5)


def _repeats(theft: Theft, before: Theft) -> bool:
    passed_s = theft.began_at - before.began_at
    if (before.camera, before.zone) != (theft.camera, theft.zone) or not before.night < theft.night:
        return False
    off_s = abs((passed_s + DAY_S / 2) % DAY_S - DAY_S / 2)
    return passed_s <= WITHIN_S and off_s <= ALIKE_S


def _with(memory: RepeatedTheftMemory, theft: Theft) -> RepeatedTheftMemory:
    here = [one for one in memory.thefts if (one.camera, one.zone) == (theft.camera, theft.zone)]
    drop = here[0].id if len(here) >= MOST else ""
    return RepeatedTheftMemory((*(one for one in memory.thefts if one.id != drop), theft))


def _gone_on(memory: RepeatedTheftMemory, known: Theft, event: Event) -> tuple[RepeatedTheftMemory, list[Event]]:
    """A theft was told again: what says that it repeats others ends with it."""
    told: list[Event] = []
    linked = known.event
    if linked is not None and event.state in ("closed", "expired"):
        linked = _revised(linked, event, event.state)
        told = [linked]
    changed = msgspec.structs.replace(known, told_at=event.updated_at, revision=event.revision, event=linked)
    return RepeatedTheftMemory(tuple(changed if one.id == known.id else one for one in memory.thefts)), told


def _told(event: Event, thefts: list[Theft], place: CameraMap) -> Event:
    nights = len({one.night for one in thefts})
    condition: Condition = "night" if event.condition == "infrared" else event.condition or "day"
    factors = (
        scoring.make_factor("repeated", AGAIN + FURTHER * min(nights - 2, 3), nights=nights, thefts=len(thefts)),
        scoring.make_factor("night", scoring.NIGHT[condition], condition=condition),
    )
    blank = msgspec.structs.replace(
        event,
        id=str(uuid.uuid5(NAMESPACE, "|".join(one.id for one in thefts))),
        kind=KIND,
        started_at=event.updated_at,
        severity=2 if nights == 2 else 3,
        score=scoring.total_score(factors),
        factors=factors,
        thresholds={"within_s": WITHIN_S, "alike_s": ALIKE_S},
        sentence=_sentence(event, thefts, nights, place),
        onvif="",
        kisa="",
        revision=0,
        parts=tuple(one.id for one in thefts),
    )
    state: State = "open" if event.state in ("open", "updated") else event.state
    return _revised(blank, event, state)


def _revised(known: Event, event: Event, state: State) -> Event:
    return msgspec.structs.replace(
        known,
        state=state,
        updated_at=event.updated_at,
        ended_at=event.ended_at if state == "closed" else None,
        revision=max(round(event.updated_at * 1000), known.revision + 1),
        model=event.model,
        site=event.site,
    )


def _sentence(event: Event, thefts: list[Theft], nights: int, place: CameraMap) -> dict[str, str]:
    name = place.name(event.camera)
    zone = place.zone(event.camera, event.zone)
    ago = thefts[-1].night - thefts[-2].night
    where_ko = f"'{name.ko}' 카메라" + ("" if zone is None else f" '{zone.ko}' 구역")
    where_en = f"'{name.en}'" + ("" if zone is None else f", '{zone.en}'")
    ago_en = "the night before" if ago == 1 else f"{ago} nights before"
    return {
        "ko": f"{where_ko}에서 비슷한 시각에 같은 도난 의심이 {nights}번째 밤 되풀이됨 (지난번은 {ago}일 전)",
        "en": f"The same suspected theft at {where_en} on {nights} nights at much the same hour, the last one {ago_en}",
    }


CORRELATION = Correlation(KIND, NAME, frozenset({OF}), WITHIN_S, RepeatedTheftMemory, step, forget)
