"""Roaming: somebody loiters at one camera after the other.

Nobody is recognised by his face: one who loiters at a neighbouring camera within an hour after somebody loitered here
and left, and who can have come that way in the time, is taken for the same. It is an event of its own, graver with
each further camera. Repeated visits within the hour are what control centres call suspicious.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping

import msgspec

from detectors import scoring
from detectors.correlation.base import CameraMap, Correlation, EventSummary
from lanewatch.config.fields import LocalizedName
from lanewatch.records import Event, Factor, State
from lanewatch.sun import Condition

KIND = "roaming"
NAME = LocalizedName(ko="배회 연속", en="Roaming")
OF = "loitering"

NAMESPACE = uuid.UUID("0d1c2a54-7f6e-5b0f-8f0e-6c1b7f3f5a29")
"""Of the events' ids. Never to be changed: archives and verdicts refer to them."""

WITHIN_S = 3600.0
"""From the end of one stay to the beginning of the next."""
NEAR_M = 500.0
"""Between two cameras that are neighbours: six minutes' walk, the next lanes of a village."""
VIEW_M = 50.0
"""So far from its camera somebody may be seen."""
FASTEST_MPS = 8.0
"""A bicycle. Who was seen sooner at the next camera is somebody else."""
OVERLAP_S = 5.0
"""Two cameras that see the same corner may see the same man at once for so long."""
KEPT_S = 2 * WITHIN_S
"""A stay is remembered for the hour, and for as long as another may take until it is loitering."""

TWO_CAMERAS = 0.4
"""Score of the second camera by day: it adds to the two events that there are already, where to look next."""
FURTHER = 0.15
"""More for each further camera, up to three."""


class RoamingEpisode(msgspec.Struct, frozen=True):
    """Stays that are one roaming, in the order in which they were joined; ``event`` is its last revision."""

    parts: tuple[EventSummary, ...]
    event: Event


class RoamingMemory(msgspec.Struct, frozen=True):
    """What is remembered: the stays that stand alone, and those that belong together."""

    alone: tuple[EventSummary, ...] = ()
    roams: tuple[RoamingEpisode, ...] = ()


def step(
    memory: RoamingMemory, event: Event, place: CameraMap, *, begins: bool = True
) -> tuple[RoamingMemory, list[Event]]:
    """The memory after a revision of a loitering event, and what it says about roaming.

    Revisions come in the order of capture time; one that came before changes nothing.

    Args:
        memory: before.
        event: the revision.
        place: where the cameras are.
        begins: whether anything may be joined or remembered; else what is known only goes on, and the stay that this
            tells of is forgotten.
    """
    part = EventSummary.of(event)
    for number, roam in enumerate(memory.roams):
        before = next((one for one in roam.parts if one.id == part.id), None)
        if before is None:
            continue
        if before.revision >= part.revision:
            return memory, []
        roam, events = _gone_on(roam, part, event)
        return _with(memory, number, roam), events
    known = next((one for one in memory.alone if one.id == part.id), None)
    if known is not None and known.revision >= part.revision:
        return memory, []
    others = tuple(one for one in memory.alone if one.id != part.id)
    memory = msgspec.structs.replace(memory, alone=others)
    return _joined(memory, part, event, place) if begins else (memory, [])


def forget(memory: RoamingMemory, reached: Mapping[str, float]) -> RoamingMemory:
    """The memory without what nothing can be joined to any more; each camera's by its own clock."""

    def old(part: EventSummary) -> bool:
        return not part.open and reached.get(part.camera, -math.inf) - part.until > KEPT_S

    alone = tuple(one for one in memory.alone if not old(one))
    roams = tuple(one for one in memory.roams if not all(old(part) for part in one.parts))
    if len(alone) == len(memory.alone) and len(roams) == len(memory.roams):
        return memory
    return RoamingMemory(alone, roams)


def _with(memory: RoamingMemory, number: int, roam: RoamingEpisode) -> RoamingMemory:
    roams = (*memory.roams[:number], roam, *memory.roams[number + 1 :])
    return msgspec.structs.replace(memory, roams=roams)


def _gone_on(roam: RoamingEpisode, part: EventSummary, event: Event) -> tuple[RoamingEpisode, list[Event]]:
    """A stay that belongs to it was told again: what has ended all over is ended."""
    parts = tuple(part if one.id == part.id else one for one in roam.parts)
    if part.open or any(one.open for one in parts) or roam.event.state in ("closed", "expired"):
        return RoamingEpisode(parts, roam.event), []
    state: State = "expired" if event.state == "expired" else "closed"
    ended_at = max(one.until for one in parts) if state == "closed" else None
    told = _revised(roam.event, event, state, ended_at=ended_at)
    return RoamingEpisode(parts, told), [told]


def _joined(
    memory: RoamingMemory, part: EventSummary, event: Event, place: CameraMap
) -> tuple[RoamingMemory, list[Event]]:
    """A stay that stands alone as yet is joined to the last one next door."""
    candidates = [(one, None) for one in memory.alone] + [
        (one, number) for number, roam in enumerate(memory.roams) for one in roam.parts
    ]
    follows = [(one, number) for one, number in candidates if _follows(part, one, place)]
    if not follows:
        return msgspec.structs.replace(memory, alone=(*memory.alone, part)), []
    before, number = max(
        follows, key=lambda pair: (pair[0].until, -place.apart_m(pair[0].camera, part.camera), pair[0].id)
    )
    if number is None:
        roam = _begun(before, part, event, place)
        alone = tuple(one for one in memory.alone if one.id != before.id)
        return RoamingMemory(alone, (*memory.roams, roam)), [roam.event]
    roam = memory.roams[number]
    parts = (*roam.parts, part)
    told = _told(roam.event, parts, event, place)
    return _with(memory, number, RoamingEpisode(parts, told)), [told]


def _follows(part: EventSummary, before: EventSummary, place: CameraMap) -> bool:
    if before.open or before.camera == part.camera:
        return False
    passed_s = part.began_at - before.until
    if not -OVERLAP_S <= passed_s <= WITHIN_S:
        return False
    apart_m = place.apart_m(before.camera, part.camera)
    return apart_m <= NEAR_M and apart_m - 2 * VIEW_M <= FASTEST_MPS * max(passed_s, 0.0)


def _begun(before: EventSummary, part: EventSummary, event: Event, place: CameraMap) -> RoamingEpisode:
    blank = msgspec.structs.replace(
        event,
        id=str(uuid.uuid5(NAMESPACE, f"{before.id}|{part.id}")),
        kind=KIND,
        began_at=before.began_at,
        started_at=event.updated_at,
        thresholds={"within_s": WITHIN_S, "near_m": NEAR_M},
        tracks=(),  # of several cameras: ids of one mean nothing at another
        onvif="",
        kisa="",
        revision=0,
    )
    parts = (before, part)
    return RoamingEpisode(parts, _told(blank, parts, event, place, state="open"))


def _told(
    known: Event, parts: tuple[EventSummary, ...], event: Event, place: CameraMap, *, state: State = "updated"
) -> Event:
    cameras = tuple(dict.fromkeys(one.camera for one in parts))
    condition, night = _night(event)
    further = min(len(cameras) - 2, 3)
    factors = (
        scoring.make_factor("roaming", TWO_CAMERAS + FURTHER * further, cameras=len(cameras), stays=len(parts)),
        night,
    )
    told = msgspec.structs.replace(
        known,
        severity=max(known.severity if state == "updated" else 1, min(1 + further, 3)),
        score=scoring.total_score(factors),
        factors=factors,
        sentence=_sentence(cameras, parts, condition, place),
    )
    ended = event.state in ("closed", "expired") and not any(one.open for one in parts)
    if ended:  # it was told too late to be joined before
        state = "closed" if event.state == "closed" else "expired"
    return _revised(told, event, state, ended_at=event.ended_at if state == "closed" else None)


def _revised(known: Event, event: Event, state: State, *, ended_at: float | None) -> Event:
    return msgspec.structs.replace(
        known,
        state=state,
        updated_at=event.updated_at,
        ended_at=ended_at,
        revision=max(round(event.updated_at * 1000), known.revision + 1),
        model=event.model,
        site=event.site,
    )


def _night(event: Event) -> tuple[Condition, Factor]:
    factor = next(
        (one for one in event.factors if one.name == "night"), scoring.make_factor("night", 0.0, condition="day")
    )
    found = factor.detail.get("condition")
    for condition in scoring.WHEN:
        if condition == found:
            return condition, factor  # type: ignore[return-value]
    return "day", factor


def _sentence(
    cameras: tuple[str, ...], parts: tuple[EventSummary, ...], condition: Condition, place: CameraMap
) -> dict[str, str]:
    when_ko, when_en = scoring.WHEN[condition]
    passed_ko, passed_en = scoring.duration(parts[-1].until - parts[0].began_at)
    names = [place.name(one) for one in cameras]
    way_ko = " → ".join(f"'{one.ko}'" for one in names)
    way_en = " → ".join(f"'{one.en}'" for one in names)
    return {
        "ko": f"{when_ko} 카메라 {len(cameras)}곳에서 잇따라 배회: {way_ko} ({passed_ko} 동안)",
        "en": f"Loitering at {len(cameras)} cameras one after the other {when_en}: {way_en} (within {passed_en})",
    }


CORRELATION = Correlation(KIND, NAME, frozenset({OF}), KEPT_S, RoamingMemory, step, forget)
