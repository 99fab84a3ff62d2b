"""Camera faults that go on over a restart: a new process continues their events instead of raising them again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from detectors.behaviours.base import Behaviour
from detectors.behaviours.camera_health.base import CameraHealthBehaviour, CameraHealthMemory, HeldCondition
from detectors.behaviours.registry import behaviours_of
from detectors.camera_state import CameraState
from detectors.correlation import outage
from detectors.correlation.base import is_over
from detectors.event_lifecycle import EventStates, OpenEvent
from lanewatch.config.site import BehaviourConfig, Site
from lanewatch.records import Event


def continuing_events(site: Site, left_open: Iterable[Event]) -> list[Event]:
    """The events that the next process continues, of those that a former process left open.

    These are camera faults that are known without the former process's memory, and outages with such a fault. Of
    several events of one kind and camera, only the newest continues.
    """
    kinds = {kind for kind, behaviour in behaviours_of(site).items() if _continues(site, kind, behaviour)}
    cameras = {camera.id for camera in site.cameras}
    left_open = sorted(left_open, key=lambda event: event.began_at)
    faults = {
        (event.camera, event.kind): event for event in left_open if event.kind in kinds and event.camera in cameras
    }
    ids = {event.id for event in faults.values()}
    outages = [event for event in left_open if event.kind == outage.KIND and ids & set(event.parts)]
    return [*faults.values(), *outages]


def with_ongoing_faults(state: CameraState, ongoing: Sequence[Event]) -> CameraState:
    """A camera's first state, in which its faults of a former process are open."""
    faults = [
        event for event in ongoing if event.camera == state.camera and event.kind != outage.KIND and not is_over(event)
    ]
    if not faults:
        return state
    memories = {
        event.kind: CameraHealthMemory(HeldCondition(event.began_at, event.updated_at, active=True)) for event in faults
    }
    return msgspec.structs.replace(state, events=EventStates(tuple(map(_open_event, faults))), memories=memories)


def _continues(site: Site, kind: str, behaviour: type[Behaviour[Any]]) -> bool:
    enabled = site.behaviours.get(kind, BehaviourConfig()).enabled
    return enabled and issubclass(behaviour, CameraHealthBehaviour) and behaviour.survives_restart


def _open_event(event: Event) -> OpenEvent:
    return OpenEvent(
        id=event.id,
        kind=event.kind,
        key=event.kind,
        zone=event.zone,
        started_at=event.started_at,
        since=event.began_at,
        until=event.updated_at,
        published_at=event.updated_at,
        published_score=event.score,
        checked_at=event.updated_at,
        revision=event.revision,
        severity=event.severity,
        score=event.score,
        factors=event.factors,
        sentence=event.sentence,
        thresholds=event.thresholds,
        tracks=event.tracks,
        peak=event.peak,
        clarity=1.0,
        instant=False,
        cooldown_s=0.0,
        model=event.model,
        condition=event.condition or "day",
        onvif=event.onvif,
        kisa=event.kisa,
    )
