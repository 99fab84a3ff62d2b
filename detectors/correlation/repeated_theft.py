"""Repeated theft: the same pattern at the same place on a later night.

A theft that becomes an alert is linked to earlier thefts at the same zone. They lie on other nights of the last
thirty, within two hours of the same time of day.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping

import msgspec

from detectors import scoring
from detectors.correlation.base import CameraMap, Correlation, is_over, new_event, next_revision
from lanewatch.config.fields import LocalizedName
from lanewatch.records import Event
from lanewatch.sun import Condition

KIND = "repeated_theft"
NAME = LocalizedName(ko="농산물 도난 반복", en="Repeated produce theft")

NAMESPACE = uuid.UUID("3c1f6a0d-90c4-5f57-8f43-6a8f0f4f7b52")
"""Of the events' ids. Never change it: archives and verdicts refer to them."""

ALERT = 2
"""Lowest severity that counts: a vehicle that only stopped is no pattern."""
DAY_S = 86_400.0
WITHIN_S = 30 * DAY_S
SAME_HOUR_S = 2 * 3600.0
"""Largest difference between two times of the day."""
MAX_THEFTS = 32
"""Thefts that are remembered at one place; the oldest is forgotten first."""

SECOND_NIGHT = 0.5
"""Score of the second night by day: the same theft at the same place and hour is no chance."""
FURTHER = 0.1
"""Added for each further night, up to three."""


class Theft(msgspec.Struct, frozen=True):
    """The last revision of a theft alert, in short; ``event`` is the last revision of the link that it caused."""

    id: str
    camera: str
    zone: str
    began_at: float
    night: int
    updated_at: float = msgspec.field(name="told_at")
    revision: int
    event: Event | None = None


class RepeatedTheftMemory(msgspec.Struct, frozen=True):
    """The thefts that are remembered, in the order in which they became an alert."""

    thefts: tuple[Theft, ...] = ()


def step(
    memory: RepeatedTheftMemory, event: Event, cameras: CameraMap, *, begins: bool
) -> tuple[RepeatedTheftMemory, list[Event]]:
    """See ``StepFunction``: links a theft to those of the nights before."""
    known = next((theft for theft in memory.thefts if theft.id == event.id), None)
    if known is not None:
        return (memory, []) if known.revision >= event.revision else _continue(memory, known, event)
    if event.severity < ALERT or not begins:
        return memory, []
    theft = Theft(
        event.id, event.camera, event.zone, event.began_at, _night(event, cameras), event.updated_at, event.revision
    )
    before = [other for other in memory.thefts if _repeats(theft, other)]
    revisions: list[Event] = []
    if before:
        revisions = [_link(event, [*before, theft], cameras)]
        theft = msgspec.structs.replace(theft, event=revisions[0])
    return _with(memory, theft), revisions


def forget(memory: RepeatedTheftMemory, watermarks: Mapping[str, float]) -> RepeatedTheftMemory:
    """See ``ForgetFunction``: forgets thefts older than thirty days, each by its camera's watermark."""
    thefts = tuple(
        theft for theft in memory.thefts if watermarks.get(theft.camera, -math.inf) - theft.updated_at <= WITHIN_S
    )
    return memory if len(thefts) == len(memory.thefts) else RepeatedTheftMemory(thefts)


CORRELATION = Correlation(
    kind=KIND,
    name=NAME,
    sources=frozenset({"produce_theft"}),
    memory_s=WITHIN_S,
    Memory=RepeatedTheftMemory,
    step=step,
    forget=forget,
)


def _night(event: Event, cameras: CameraMap) -> int:
    """The number of the night: days are counted from noon to noon by the sun over the camera."""
    camera = cameras.cameras.get(event.camera)
    ahead_s = 0.0 if camera is None else camera.longitude / 360 * DAY_S
    return math.floor((event.began_at + ahead_s) / DAY_S - 0.5)


def _repeats(theft: Theft, before: Theft) -> bool:
    passed_s = theft.began_at - before.began_at
    if (before.camera, before.zone) != (theft.camera, theft.zone) or not before.night < theft.night:
        return False
    off_s = abs((passed_s + DAY_S / 2) % DAY_S - DAY_S / 2)
    return passed_s <= WITHIN_S and off_s <= SAME_HOUR_S


def _with(memory: RepeatedTheftMemory, theft: Theft) -> RepeatedTheftMemory:
    here = [other.id for other in memory.thefts if (other.camera, other.zone) == (theft.camera, theft.zone)]
    forgotten = here[0] if len(here) >= MAX_THEFTS else ""
    return RepeatedTheftMemory((*(other for other in memory.thefts if other.id != forgotten), theft))


def _continue(memory: RepeatedTheftMemory, known: Theft, event: Event) -> tuple[RepeatedTheftMemory, list[Event]]:
    """A theft has a new revision: the link that it caused ends with it."""
    linked, revisions = known.event, []
    if linked is not None and is_over(event):
        linked = next_revision(linked, event, event.state, ended_at=event.ended_at)
        revisions = [linked]
    changed = msgspec.structs.replace(known, updated_at=event.updated_at, revision=event.revision, event=linked)
    return RepeatedTheftMemory(tuple(changed if theft.id == known.id else theft for theft in memory.thefts)), revisions


def _link(event: Event, thefts: list[Theft], cameras: CameraMap) -> Event:
    nights = len({theft.night for theft in thefts})
    condition: Condition = "night" if event.condition == "infrared" else event.condition or "day"
    score = SECOND_NIGHT + FURTHER * min(nights - 2, 3)
    factors = (
        scoring.make_factor("repeated", score, nights=nights, thefts=len(thefts)),
        scoring.make_factor("night", scoring.NIGHT[condition], condition=condition),
    )
    thresholds = {"within_s": WITHIN_S, "alike_s": SAME_HOUR_S}
    ids = tuple(theft.id for theft in thefts)
    return next_revision(
        new_event(event, namespace=NAMESPACE, parts=ids, kind=KIND, thresholds=thresholds),
        event,
        event.state if is_over(event) else "open",
        ended_at=event.ended_at,
        severity=2 if nights == 2 else 3,
        score=scoring.total_score(factors),
        factors=factors,
        sentence=_sentence(event, thefts, nights, cameras),
        parts=ids,
    )


def _sentence(event: Event, thefts: list[Theft], nights: int, cameras: CameraMap) -> dict[str, str]:
    name = cameras.name(event.camera)
    zone = cameras.zone_name(event.camera, event.zone)
    ago = thefts[-1].night - thefts[-2].night
    where_ko = f"'{name.ko}' 카메라" + ("" if zone is None else f" '{zone.ko}' 구역")
    where_en = f"'{name.en}'" + ("" if zone is None else f", '{zone.en}'")
    ago_en = "the night before" if ago == 1 else f"{ago} nights before"
    return {
        "ko": f"{where_ko}에서 비슷한 시각에 같은 도난 의심이 {nights}번째 밤 되풀이됨 (지난번은 {ago}일 전)",
        "en": f"The same suspected theft at {where_en} on {nights} nights at much the same hour, the last one {ago_en}",
    }
