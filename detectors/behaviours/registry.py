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
"""The entry points' group by which a package of somebody else's brings its behaviours."""


@cache
def installed() -> dict[str, type[Behaviour[Any]]]:
    """All behaviours that are installed, by kind: those of this project and those that entry points bring.

    Raises:
        BehaviourError: an entry point cannot be loaded, is no behaviour, or takes a kind that is taken.
    """
    found: dict[str, type[Behaviour[Any]]] = {one.kind: one for one in BUILT_IN}
    for point in entry_points(group=GROUP):
        try:
            one = point.load()
        except (Exception, SystemExit) as error:
            raise BehaviourError(f"behaviour {point.name!r} ({point.value}) cannot be loaded: {error}") from error
        if not all(hasattr(one, name) for name in ("kind", "places", "triggers", "Thresholds", "Memory", "step")):
            raise BehaviourError(
                f"{point.value} is no behaviour: it lacks kind, places, triggers, Thresholds, Memory or step"
            )
        if one.kind in found:
            raise BehaviourError(f"{point.value} takes the kind {one.kind!r}, which {found[one.kind].__name__} has")
        found[one.kind] = one
    return found


def find(kind: str) -> type[Behaviour[Any]]:
    """The behaviour of that kind.

    Raises:
        BehaviourError: there is none; the message lists those that there are.
    """
    try:
        return installed()[kind]
    except KeyError:
        raise BehaviourError(f"no behaviour {kind!r}; there are {', '.join(sorted(installed()))}") from None


def behaviours_of(site: Site) -> dict[str, type[Behaviour[Any]]]:
    """All that is watched for at a site, by kind: what is installed, and its own composites.

    Raises:
        BehaviourError: an entry point is broken, or a composite takes the kind of a behaviour.
    """
    found = dict(installed())
    for composite in site.composites:
        if composite.id in found:
            raise BehaviourError(f"composites: {composite.id} is a behaviour's kind; choose another id")
        found[composite.id] = _declared(composite, site)
    return found


def _declared(composite: EventSequence, site: Site) -> type[Behaviour[Any]]:
    """The behaviour that a site's composite describes."""
    return type(
        "SiteComposite",
        (SequenceBehaviour,),
        {
            "kind": composite.id,
            "name": composite.name,
            "onvif": composite.onvif,
            "kisa": composite.kisa,
            "places": frozenset(_kinds(composite, site)),
            "composite": composite,
        },
    )


def _kinds(composite: EventSequence, site: Site) -> Iterator[str]:
    """Of the zones at which it may begin."""
    for sign in composite.steps[0].conditions:
        for name in sign.where:
            if name == OFF_LANE:
                yield "lane"
            yield from (zone.kind for camera in site.cameras for zone in camera.zones if name in (zone.id, zone.kind))
