"""Roaming: a person loiters at one camera after another.

Persons are not recognised by their face. A stay follows another one if it begins at a neighbouring camera within an
hour, and if the way can be made in that time. Both are then taken for the same person.
"""

from __future__ import annotations

import uuid

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
from lanewatch.records import Event, Factor, State
from lanewatch.sun import Condition

KIND = "roaming"
NAME = LocalizedName(ko="배회 연속", en="Roaming")

NAMESPACE = uuid.UUID("0d1c2a54-7f6e-5b0f-8f0e-6c1b7f3f5a29")
"""Of the events' ids. Never change it: archives and verdicts refer to them."""

WITHIN_S = 3600.0
"""From the end of one stay to the beginning of the next."""
NEIGHBOUR_M = 500.0
"""Between two cameras that are neighbours: six minutes' walk, the next lanes of a village."""
VIEW_M = 50.0
"""A person may be seen at this distance from the camera."""
MAX_SPEED_MPS = 8.0
"""A bicycle. If the next camera sees a person sooner, it is another person."""
OVERLAP_S = 5.0
"""Two cameras that see the same corner may see the same person at once for this time."""
MEMORY_S = 2 * WITHIN_S
"""A stay is remembered for the hour, and for the time that the next stay may take until it is loitering."""

TWO_CAMERAS = 0.4
"""Score of the second camera by day. It adds to the two events that exist already where to search next."""
FURTHER = 0.15
"""Added for each further camera, up to three."""


class RoamingEpisode(LinkedEvents, frozen=True):
    """Stays that are one roaming, in the order in which they joined."""


class RoamingMemory(LinkMemory, frozen=True):
    """Single stays, and stays that belong together."""

    groups: tuple[RoamingEpisode, ...] = msgspec.field(default=(), name="roams")


def _link(
    memory: RoamingMemory, stay: EventSummary, event: Event, cameras: CameraMap
) -> tuple[RoamingMemory, list[Event]]:
    """A stay joins the last one that it may follow."""
    known: list[tuple[EventSummary, int | None]] = [(part, None) for part in memory.single]
    known += [(part, index) for index, episode in enumerate(memory.groups) for part in episode.parts]
    followed = [(part, index) for part, index in known if _follows(stay, part, cameras)]
    if not followed:
        return msgspec.structs.replace(memory, single=(*memory.single, stay)), []
    last, index = max(
        followed, key=lambda pair: (pair[0].until, -cameras.distance_m(pair[0].camera, stay.camera), pair[0].id)
    )
    if index is not None:
        episode = memory.groups[index]
        parts = (*episode.parts, stay)
        revision = _revision(episode.event, parts, event, cameras)
        return with_group(memory, index, RoamingEpisode(parts, revision)), [revision]
    first = new_event(
        event,
        namespace=NAMESPACE,
        parts=(last.id, stay.id),
        kind=KIND,
        thresholds={"within_s": WITHIN_S, "near_m": NEIGHBOUR_M},
        began_at=last.began_at,
        tracks=(),  # track ids of one camera mean nothing at another
    )
    revision = _revision(first, (last, stay), event, cameras, state="open")
    single = tuple(part for part in memory.single if part.id != last.id)
    return RoamingMemory(single, (*memory.groups, RoamingEpisode((last, stay), revision))), [revision]


def _continue(
    episode: RoamingEpisode, stay: EventSummary, event: Event, cameras: CameraMap
) -> tuple[RoamingEpisode, list[Event]]:
    """One of its stays has a new revision. Roaming is over when all stays are."""
    parts = tuple(stay if part.id == stay.id else part for part in episode.parts)
    if any(part.open for part in parts) or is_over(episode.event):
        return RoamingEpisode(parts, episode.event), []
    revision = next_revision(episode.event, event, event.state, ended_at=max(part.until for part in parts))
    return RoamingEpisode(parts, revision), [revision]


CORRELATION = Correlation(
    kind=KIND,
    name=NAME,
    sources=frozenset({"loitering"}),
    memory_s=MEMORY_S,
    Memory=RoamingMemory,
    step=link_step(_continue, _link),
    forget=link_forget(MEMORY_S),
)


def _follows(stay: EventSummary, before: EventSummary, cameras: CameraMap) -> bool:
    if before.open or before.camera == stay.camera:
        return False
    passed_s = stay.began_at - before.until
    if not -OVERLAP_S <= passed_s <= WITHIN_S:
        return False
    distance_m = cameras.distance_m(before.camera, stay.camera)
    return distance_m <= NEIGHBOUR_M and distance_m - 2 * VIEW_M <= MAX_SPEED_MPS * max(passed_s, 0.0)


def _revision(
    roaming: Event, stays: tuple[EventSummary, ...], event: Event, camera_map: CameraMap, *, state: State = "updated"
) -> Event:
    cameras = tuple(dict.fromkeys(stay.camera for stay in stays))
    condition, night = _night(event)
    further = min(len(cameras) - 2, 3)
    factors = (
        scoring.make_factor("roaming", TWO_CAMERAS + FURTHER * further, cameras=len(cameras), stays=len(stays)),
        night,
    )
    severity = max(roaming.severity if state == "updated" else 1, min(1 + further, 3))
    if is_over(event) and not any(stay.open for stay in stays):  # its last revision came before it could be linked
        state = event.state
    return next_revision(
        roaming,
        event,
        state,
        ended_at=event.ended_at,
        severity=severity,
        score=scoring.total_score(factors),
        factors=factors,
        sentence=_sentence(cameras, stays, condition, camera_map),
    )


def _night(event: Event) -> tuple[Condition, Factor]:
    by_day = scoring.make_factor("night", 0.0, condition="day")
    factor = next((factor for factor in event.factors if factor.name == "night"), by_day)
    return next((name for name in scoring.WHEN if name == factor.detail.get("condition")), "day"), factor


def _sentence(
    cameras: tuple[str, ...], stays: tuple[EventSummary, ...], condition: Condition, camera_map: CameraMap
) -> dict[str, str]:
    when_ko, when_en = scoring.WHEN[condition]
    passed_ko, passed_en = scoring.duration(stays[-1].until - stays[0].began_at)
    names = [camera_map.name(camera) for camera in cameras]
    way_ko = " → ".join(f"'{name.ko}'" for name in names)
    way_en = " → ".join(f"'{name.en}'" for name in names)
    return {
        "ko": f"{when_ko} 카메라 {len(cameras)}곳에서 잇따라 배회: {way_ko} ({passed_ko} 동안)",
        "en": f"Loitering at {len(cameras)} cameras one after the other {when_en}: {way_en} (within {passed_en})",
    }
