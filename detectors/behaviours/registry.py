"""The behaviours that are installed, and those that a site declares, by kind."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from typing import Any

from detectors.behaviours.abandoned_object import AbandonedObject
from detectors.behaviours.base import Behaviour, BehaviourError
from detectors.behaviours.camera_health.clock_drift import ClockDrift
from detectors.behaviours.camera_health.covered import Covered
from detectors.behaviours.camera_health.defocused import Defocused
from detectors.behaviours.camera_health.frozen import Frozen
from detectors.behaviours.camera_health.moved import Moved
from detectors.behaviours.camera_health.signal_lost import SignalLost
from detectors.behaviours.camera_health.too_dark import TooDark
from detectors.behaviours.climbing import Climbing
from detectors.behaviours.fall.behaviour import Fall
from detectors.behaviours.fight.behaviour import Fight
from detectors.behaviours.fire import Fire
from detectors.behaviours.gathering import Gathering
from detectors.behaviours.intrusion import Intrusion
from detectors.behaviours.line_crossing import LineCrossing
from detectors.behaviours.loitering import Loitering
from detectors.behaviours.removed_object import RemovedObject
from detectors.behaviours.running import Running
from detectors.behaviours.sequences.behaviour import SequenceBehaviour
from detectors.behaviours.sequences.produce_theft import ProduceTheft
from detectors.behaviours.stopped_vehicle import StoppedVehicleBehaviour
from detectors.behaviours.wrong_way import WrongWay
from lanewatch.config.sequences import OFF_LANE, EventSequence
from lanewatch.config.site import Site

BUILT_IN: tuple[type[Behaviour[Any]], ...] = (
    AbandonedObject,
    Climbing,
    ClockDrift,
    Covered,
    LineCrossing,
    Defocused,
    Fight,
    Fall,
    Fire,
    Frozen,
    Gathering,
    Intrusion,
    Loitering,
    Moved,
    ProduceTheft,
    RemovedObject,
    Running,
    SignalLost,
    StoppedVehicleBehaviour,
    TooDark,
    WrongWay,
)

GROUP = "lanewatch.behaviours"
"""The entry point group in which other packages declare their behaviours."""

REQUIRED_ATTRIBUTES = ("kind", "places", "triggers", "Thresholds", "Memory", "step")


@cache
def installed() -> dict[str, type[Behaviour[Any]]]:
    """All installed behaviours by kind: the built-in ones and those of entry points.

    Raises:
        BehaviourError: an entry point cannot be loaded, is not a behaviour, or has a kind that exists already.
    """
    behaviours: dict[str, type[Behaviour[Any]]] = {behaviour.kind: behaviour for behaviour in BUILT_IN}
    for point in entry_points(group=GROUP):
        try:
            behaviour = point.load()
        except (Exception, SystemExit) as error:
            raise BehaviourError(f"behaviour {point.name!r} ({point.value}) cannot be loaded: {error}") from error
        missing = [name for name in REQUIRED_ATTRIBUTES if not hasattr(behaviour, name)]
        if missing:
            raise BehaviourError(f"{point.value} is not a behaviour: it lacks {', '.join(missing)}")
        if behaviour.kind in behaviours:
            other = behaviours[behaviour.kind].__name__
            raise BehaviourError(f"{point.value} has the kind {behaviour.kind!r}, which {other} already has")
        behaviours[behaviour.kind] = behaviour
    return behaviours


def find(kind: str) -> type[Behaviour[Any]]:
    """The behaviour of that kind.

    Raises:
        BehaviourError: the kind is unknown; the message lists the known kinds.
    """
    try:
        return installed()[kind]
    except KeyError:
        raise BehaviourError(f"no behaviour {kind!r}; there are {', '.join(sorted(installed()))}") from None


def behaviours_of(site: Site) -> dict[str, type[Behaviour[Any]]]:
    """All behaviours of a site by kind: the installed ones and the sequences that its file declares.

    Raises:
        BehaviourError: an entry point is broken, or a sequence has the kind of an installed behaviour.
    """
    behaviours = dict(installed())
    for sequence in site.composites:
        if sequence.id in behaviours:
            raise BehaviourError(f"composites: {sequence.id} is a behaviour's kind; choose another id")
        behaviours[sequence.id] = _sequence_behaviour(sequence, site)
    return behaviours


def enabled(site: Site) -> dict[str, type[Behaviour[Any]]]:
    """The behaviours that are on at a site, by kind: those that it switches on, and the others that are by default.

    Raises:
        BehaviourError: as ``behaviours_of``.
    """
    configs = site.behaviours
    return {
        kind: behaviour
        for kind, behaviour in behaviours_of(site).items()
        if (configs[kind].enabled if kind in configs else getattr(behaviour, "by_default", True))
    }


def _sequence_behaviour(sequence: EventSequence, site: Site) -> type[Behaviour[Any]]:
    attributes = {name: getattr(sequence, name) for name in ("name", "onvif", "kisa")}
    places = frozenset(_zone_kinds(sequence, site))
    attributes |= {"kind": sequence.id, "places": places, "sequence": sequence}
    return type("SiteSequence", (SequenceBehaviour,), attributes)


def _zone_kinds(sequence: EventSequence, site: Site) -> Iterator[str]:
    """The kinds of the zones at which a sequence may begin."""
    for condition in sequence.steps[0].conditions:
        for name in condition.where:
            if name == OFF_LANE:
                yield "lane"
            yield from (zone.kind for camera in site.cameras for zone in camera.zones if name in (zone.id, zone.kind))
