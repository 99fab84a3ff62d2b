"""The correlator: a pure fold over the events of all cameras, shaped like the watch stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from detectors.correlation import event_ordering, outage, repeated_theft, roaming
from detectors.correlation.base import CameraMap, Correlation
from detectors.correlation.event_ordering import EventOrder
from lanewatch.config.revisions import SiteRevisions
from lanewatch.config.site import Site
from lanewatch.records import Event, Watermark, restore

CORRELATIONS: tuple[Correlation, ...] = (outage.CORRELATION, repeated_theft.CORRELATION, roaming.CORRELATION)
"""All correlations of this release."""
KINDS = tuple(correlation.kind for correlation in CORRELATIONS)
MEMORY_S = {
    kind: max(other.memory_s for other in CORRELATIONS if kind in other.sources)
    for correlation in CORRELATIONS
    for kind in correlation.sources
}
"""The kinds of events that a correlation links, and how long an event of that kind is remembered."""


class CorrelationError(ValueError):
    """The site names a correlation that this release does not have; the message lists those it has."""


def enabled_correlations(site: Site) -> tuple[str, ...]:
    """The kinds of correlations that a site enables."""
    return KINDS if site.correlations is None else site.correlations


class CorrelatorState(msgspec.Struct, frozen=True):
    """The fold's whole state. With the input's position it makes a checkpoint.

    ``memories`` are those of the correlations, by kind, without empty ones; plain msgpack values until first used
    after a decoding.
    """

    order: EventOrder = EventOrder()
    memories: dict[str, Any] = {}


class Correlator:
    """Implements ``streams.stages.Correlate``.

    The same events give the same result, in any interleaving of cameras and with any repetitions. The condition is
    that no camera is a minute behind the others (see ``detectors.correlation.event_ordering``). If a revision of the
    site disables a correlation, it starts no new link from that capture time on; links that exist continue. ``run`` is
    the scoring whose events it takes, and to which its own belong. ``ongoing`` are outages of a former process that go
    on, and all their parts.

    Raises:
        CorrelationError: the site names an unknown correlation.
    """

    def __init__(self, site: Site | SiteRevisions, *, run: str = "live", ongoing: Iterable[Event] = ()) -> None:
        self._outages = outage.ongoing_outages(ongoing)
        self._revisions = site if isinstance(site, SiteRevisions) else SiteRevisions.from_site(site)
        for revision in self._revisions.entries:
            _check(revision.site)
        self._run = run
        self._cameras = frozenset(camera.id for camera in self._revisions.latest.cameras)
        self._camera_maps: dict[int, CameraMap] = {}

    def start(self) -> CorrelatorState:
        """The state before the first event."""
        return CorrelatorState(memories={outage.KIND: self._outages} if self._outages.groups else {})

    def step(self, state: CorrelatorState, event: Event) -> tuple[CorrelatorState, list[Event]]:
        """The state after a revision of an event arrived, and the revisions of correlated events that it causes."""
        if event.kind not in MEMORY_S or event.run != self._run:
            return state, []
        watermark = state.order.watermarks.get(event.camera)
        if watermark is not None and watermark.captured_at - event.updated_at > MEMORY_S[event.kind]:
            return state, []  # a repetition after a long time: everything that it belonged to is forgotten
        return self._evaluate(msgspec.structs.replace(state, order=event_ordering.insert(state.order, event)))

    def advance(
        self, state: CorrelatorState, watermarks: Mapping[str, Watermark]
    ) -> tuple[CorrelatorState, list[Event]]:
        """The state after cameras' watermarks advanced, and the revisions that this allows."""
        order = event_ordering.advance(state.order, watermarks)
        return self._evaluate(msgspec.structs.replace(state, order=order))

    def _evaluate(self, state: CorrelatorState) -> tuple[CorrelatorState, list[Event]]:
        order, ready = event_ordering.release_ready(state.order, self._cameras)
        if not ready and not state.memories:
            return CorrelatorState(order, state.memories), []
        captured_at = {camera: watermark.captured_at for camera, watermark in order.watermarks.items()}
        memories: dict[str, Any] = {}
        revisions: list[Event] = []
        for correlation in CORRELATIONS:
            memory = state.memories.get(correlation.kind, correlation.Memory())
            if not isinstance(memory, msgspec.Struct):  # plain msgpack values after a decoding
                memory = restore(memory, correlation.Memory)
            for event in ready:
                if event.kind in correlation.sources:
                    site = self._revisions.site_at(event.updated_at)
                    begins = correlation.kind in enabled_correlations(site)
                    memory, more = correlation.step(memory, event, self._camera_map(site), begins=begins)
                    revisions += more
            memory = correlation.forget(memory, captured_at)
            if memory != correlation.Memory():
                memories[correlation.kind] = memory
        return CorrelatorState(order, memories), revisions

    def _camera_map(self, site: Site) -> CameraMap:
        if id(site) not in self._camera_maps:  # the revisions hold their sites, so an id is never reused
            self._camera_maps[id(site)] = CameraMap({camera.id: camera for camera in site.cameras})
        return self._camera_maps[id(site)]


def _check(site: Site) -> None:
    unknown = [kind for kind in enabled_correlations(site) if kind not in KINDS]
    if unknown:
        raise CorrelationError(f"correlations: no such correlation: {unknown[0]}; there are {', '.join(KINDS)}")
