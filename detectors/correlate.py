"""What spans cameras: a pure fold over the events of all of them, of the watcher's shape."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from detectors import order, roaming
from detectors.order import Order
from detectors.roaming import Place, Roaming
from lanewatch.records import Event, Reached
from lanewatch.revisions import Revisions
from lanewatch.site import Site

KINDS = (roaming.KIND,)
"""What can be looked for."""


class CorrelationError(ValueError):
    """A correlation that this release does not have; says which there are."""


def wanted(site: Site) -> tuple[str, ...]:
    """What is looked for at a site."""
    return KINDS if site.correlations is None else site.correlations


class CorrelatorState(msgspec.Struct, frozen=True):
    """All that the fold knows: it and the input's position make a checkpoint."""

    order: Order = Order()
    roaming: Roaming = Roaming()


class Correlator:
    """Implements ``streams.stage.Correlate``.

    The same events give the same result, whichever way the cameras' events and marks come together and however often
    they come, as long as no camera is a minute behind the others (see ``detectors.order``). What it makes itself is
    none of its input. What a revision of the site looks for no more is not begun from its capture time on; what has
    begun goes on until it ends.

    Args:
        site: One site, or its revisions.
        run: The scoring whose events it takes, and to which its own belong.

    Raises:
        CorrelationError: the site names a correlation that there is not.
    """

    def __init__(self, site: Site | Revisions, *, run: str = "live") -> None:
        self._revisions = site if isinstance(site, Revisions) else Revisions.of(site)
        for revision in self._revisions.all:
            _check(revision.site)
        self._run = run
        self._cameras = frozenset(camera.id for camera in self._revisions.latest.cameras)
        self._places: dict[int, Place] = {}

    def start(self) -> CorrelatorState:
        """Nothing has happened anywhere."""
        return CorrelatorState()

    def step(self, state: CorrelatorState, event: Event) -> tuple[CorrelatorState, list[Event]]:
        """The state after a revision of an event came, and what it says about several cameras."""
        if event.kind != roaming.OF or event.run != self._run:
            return state, []
        mark = state.order.marks.get(event.camera)
        if mark is not None and mark.reached - event.updated_at > roaming.KEPT_S:
            return state, []  # told again after a long time, and all that it belonged to is forgotten
        return self._go_on(msgspec.structs.replace(state, order=order.put(state.order, event)))

    def advance(self, state: CorrelatorState, reached: Mapping[str, Reached]) -> tuple[CorrelatorState, list[Event]]:
        """The state after cameras have been judged further, and what can be said then."""
        state = msgspec.structs.replace(state, order=order.advance(state.order, reached))
        return self._go_on(state)

    def _go_on(self, state: CorrelatorState) -> tuple[CorrelatorState, list[Event]]:
        waiting, ready = order.let_go(state.order, self._cameras)
        memory = state.roaming
        told: list[Event] = []
        for event in ready:
            site = self._revisions.at(event.updated_at)
            memory, more = roaming.step(memory, event, self._place(site), begins=roaming.KIND in wanted(site))
            told += more
        if memory.alone or memory.roams:
            memory = roaming.forget(memory, {camera: mark.reached for camera, mark in waiting.marks.items()})
        return CorrelatorState(waiting, memory), told

    def _place(self, site: Site) -> Place:
        if id(site) not in self._places:
            self._places[id(site)] = Place({camera.id: camera for camera in site.cameras})
        return self._places[id(site)]


def _check(site: Site) -> None:
    unknown = [kind for kind in wanted(site) if kind not in KINDS]
    if unknown:
        raise CorrelationError(f"correlations: no such correlation: {unknown[0]}; there are {', '.join(KINDS)}")
