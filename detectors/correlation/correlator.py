"""What spans cameras: a pure fold over the events of all of them, of the watcher's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from detectors.correlation import event_ordering, outage, repeated_theft, roaming
from detectors.correlation.base import CameraMap, Correlation
from detectors.correlation.event_ordering import EventOrder
from lanewatch.config.revisions import SiteRevisions
from lanewatch.config.site import Site
from lanewatch.records import Event, Watermark, restore

CORRELATIONS: tuple[Correlation, ...] = (outage.CORRELATION, repeated_theft.CORRELATION, roaming.CORRELATION)
"""The table of all there are."""
KINDS = tuple(one.kind for one in CORRELATIONS)
"""What can be looked for."""
KEPT_S = {kind: max(one.kept_s for one in CORRELATIONS if kind in one.of) for row in CORRELATIONS for kind in row.of}
"""The kinds of events that any of them is made of, and for how long an event of that kind matters."""


class CorrelationError(ValueError):
    """A correlation that this release does not have; says which there are."""


def enabled_correlations(site: Site) -> tuple[str, ...]:
    """What is looked for at a site."""
    return KINDS if site.correlations is None else site.correlations


class CorrelatorState(msgspec.Struct, frozen=True):
    """All that the fold knows: it and the input's position make a checkpoint.

    ``memories`` are the correlations', by kind, of those that remember anything; in the types of msgpack until first
    used after a decoding.
    """

    order: EventOrder = EventOrder()
    memories: dict[str, Any] = {}


class Correlator:
    """Implements ``streams.stages.Correlate``.

    The same events give the same result, whichever way the cameras' events and marks come together and however often
    they come, as long as no camera is a minute behind the others (see ``detectors.correlation.event_ordering``). What it makes itself is
    none of its input. What a revision of the site looks for no more is not begun from its capture time on; what has
    begun goes on until it ends.

    Args:
        site: One site, or its revisions.
        run: The scoring whose events it takes, and to which its own belong.

    Raises:
        CorrelationError: the site names a correlation that there is not.
    """

    def __init__(self, site: Site | SiteRevisions, *, run: str = "live") -> None:
        self._revisions = site if isinstance(site, SiteRevisions) else SiteRevisions.of(site)
        for revision in self._revisions.all:
            _check(revision.site)
        self._run = run
        self._cameras = frozenset(camera.id for camera in self._revisions.latest.cameras)
        self._places: dict[int, CameraMap] = {}

    def start(self) -> CorrelatorState:
        """Nothing has happened anywhere."""
        return CorrelatorState()

    def step(self, state: CorrelatorState, event: Event) -> tuple[CorrelatorState, list[Event]]:
        """The state after a revision of an event came, and what it says about several cameras."""
        if event.kind not in KEPT_S or event.run != self._run:
            return state, []
        mark = state.order.marks.get(event.camera)
        if mark is not None and mark.reached - event.updated_at > KEPT_S[event.kind]:
            return state, []  # told again after a long time, and all that it belonged to is forgotten
        return self._go_on(msgspec.structs.replace(state, order=event_ordering.put(state.order, event)))

    def advance(self, state: CorrelatorState, reached: Mapping[str, Watermark]) -> tuple[CorrelatorState, list[Event]]:
        """The state after cameras have been judged further, and what can be said then."""
        state = msgspec.structs.replace(state, order=event_ordering.advance(state.order, reached))
        return self._go_on(state)

    def _go_on(self, state: CorrelatorState) -> tuple[CorrelatorState, list[Event]]:
        waiting, ready = event_ordering.release_ready(state.order, self._cameras)
        if not ready and not state.memories:
            return CorrelatorState(waiting, state.memories), []
        memories, told = {}, []
        for one in CORRELATIONS:
            memory, more = self._judge(one, state.memories.get(one.kind), ready)
            told += more
            if memory != one.Memory():
                memory = one.forget(memory, {camera: mark.reached for camera, mark in waiting.marks.items()})
            if memory != one.Memory():
                memories[one.kind] = memory
        return CorrelatorState(waiting, memories), told

    def _judge(self, one: Correlation, memory: Any, ready: list[Event]) -> tuple[Any, list[Event]]:
        if memory is None:
            memory = one.Memory()
        elif not isinstance(memory, msgspec.Struct):
            memory = restore(memory, one.Memory)
        told: list[Event] = []
        for event in ready:
            if event.kind in one.of:
                site = self._revisions.at(event.updated_at)
                memory, more = one.step(memory, event, self._place(site), begins=one.kind in enabled_correlations(site))
                told += more
        return memory, told

    def _place(self, site: Site) -> CameraMap:
        if id(site) not in self._places:
            self._places[id(site)] = CameraMap({camera.id: camera for camera in site.cameras})
        return self._places[id(site)]


def _check(site: Site) -> None:
    unknown = [kind for kind in enabled_correlations(site) if kind not in KINDS]
    if unknown:
        raise CorrelationError(f"correlations: no such correlation: {unknown[0]}; there are {', '.join(KINDS)}")
