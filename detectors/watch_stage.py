"""The watch stage: a pure fold over one camera's detections, from boxes to events."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from detectors import event_lifecycle
from detectors.behaviour_scheduler import PICTURE, CameraContext, Evaluation
from detectors.behaviours.base import BehaviourError
from detectors.behaviours.registry import behaviours_of, installed
from detectors.camera_state import (
    CARRY_S,
    CameraState,
    advanced,
    counted,
    is_interrupted,
    is_settling,
    refusal,
    refused,
    updated_track_memory,
    was_unobserved,
    with_profile,
    with_scene,
)
from detectors.event_lifecycle import EventStates
from detectors.observation import false_detection_filter
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, tracked_objects
from detectors.ongoing_faults import with_ongoing_faults
from detectors.thresholds import Resolver
from lanewatch.config.revisions import SiteRevisions
from lanewatch.config.site import Site
from lanewatch.records import BLIND, Detections, Event
from models.tracking.tracker import Tracker, TrackerState, Tracks

_NO_TRACKS = Tracks.none()


class WatchStage:
    """Implements ``streams.stages.Watch``. It holds what is constant: the site, and each camera's geometry in pixels.

    A record is evaluated with the site revision of its capture time. The state survives a change of revision: tracks
    and stays continue, and an event in a zone that was removed closes. If the revision has no such camera, its open
    events expire, and its records are counted as ``removed``. ``ongoing`` are events of a former process that go on.

    Raises:
        ThresholdError: the site gives a behaviour a threshold that it does not have.
        BehaviourError: the site names a behaviour that is not installed.
    """

    def __init__(
        self,
        site: Site | SiteRevisions,
        *,
        run: str = "live",
        tracker: Tracker | None = None,
        ongoing: Sequence[Event] = (),
    ) -> None:
        self._ongoing = ongoing
        self._revisions = site if isinstance(site, SiteRevisions) else SiteRevisions.from_site(site)
        for revision in self._revisions.entries:
            _check(revision.site)
        self._run = run
        self._tracker = tracker or Tracker()
        self._contexts: dict[tuple[int, str], CameraContext | None] = {}

    def start(self, camera: str) -> CameraState:
        """The state before a camera's first record.

        Raises:
            KeyError: no revision of the site has such a camera.
        """
        self._latest_context(camera)
        return with_ongoing_faults(CameraState(camera=camera, tracker=self._tracker.start()), self._ongoing)

    def step(self, state: CameraState, detections: Detections) -> tuple[CameraState, list[Event]]:
        """The state after a record, and the event revisions that it causes, in the order of the behaviours."""
        # Step 1: admit the record, or count it
        reason = refusal(state, detections)
        if reason is not None:
            return refused(state, detections, reason), []
        context = self._context(self._revisions.site_at(detections.captured_at), state.camera)
        if context is None:
            state, events = self._expire(state, detections, self._latest_context(state.camera))
            return counted(advanced(state, detections), "skipped", "removed"), events

        # Step 2: end what cannot continue
        state, events = self._end_interrupted(state, detections, context)
        if detections.gap == "ended":
            return advanced(state, detections), events
        state = with_profile(state, detections)
        state = with_scene(state, detections)
        if is_settling(state, detections):
            state, revised = self._settle(state, detections, context)
            return state, events + revised
        blind = detections.gap in BLIND
        elapsed_s = 0.0 if state.slot < 0 else detections.captured_at - state.captured_at
        if not blind and was_unobserved(state, detections):
            state, elapsed_s = self._without_tracks(state), 0.0

        # Step 3: filter out ignored regions and false detections
        if not blind and len(detections):
            state, detections = _filtered(state, detections, context)

        # Step 4: track
        triggers = context.triggers_of(detections, state.picture_checked_at)
        tracker, tracks = state.tracker, _NO_TRACKS
        objects: tuple[TrackedObject, ...] = ()
        if not blind and (len(detections) or len(state.tracker.ids) or state.track_memory):
            tracker, tracks = self._tracker.update(state.tracker, detections)
            objects = tracked_objects(tracks, state.track_memory, state.picture_at, detections.captured_at)
        elif not triggers and (blind or _is_idle(state, context)):
            return advanced(state, detections, blind=blind), events

        # Step 5: observe
        geometry = context.geometry(detections.width, detections.height)
        observation = Observation(detections, tracks, objects, geometry, context.schedules, elapsed_s, state.began_at)
        track_memory = state.track_memory if blind else updated_track_memory(state.track_memory, observation)

        # Step 6: evaluate the behaviours
        evaluation = context.evaluate(state.memories, observation, triggers)
        for kind in evaluation.failed:
            state = counted(state, "noted", f"behaviour {kind}")

        # Step 7: update the events
        event_states, revised = _updated_events(state.events, evaluation, observation, context)
        state = msgspec.structs.replace(
            state,
            tracker=tracker,
            track_memory=track_memory,
            memories=evaluation.memories,
            events=event_states,
            picture_checked_at=detections.captured_at if triggers & PICTURE else state.picture_checked_at,
        )
        return advanced(state, detections, blind=blind), events + revised

    def _settle(
        self, state: CameraState, detections: Detections, context: CameraContext
    ) -> tuple[CameraState, list[Event]]:
        """The state after a picture that has changed as a whole. Nothing is tracked, and events about people wait.

        Only the behaviours that look at the picture as a whole are evaluated, if it is time.
        """
        if detections.captured_at - state.picture_at > CARRY_S:
            state = self._without_tracks(state)
        state = counted(state, "skipped", "picture change")
        triggers = context.triggers_of(detections, state.picture_checked_at) & PICTURE
        if not triggers:
            return advanced(state, detections, settling=True), []
        geometry = context.geometry(detections.width, detections.height)
        observation = Observation(detections, _NO_TRACKS, (), geometry, context.schedules, 0.0)
        evaluation = context.evaluate(state.memories, observation, triggers, context.picture_kinds)
        for kind in evaluation.failed:
            state = counted(state, "noted", f"behaviour {kind}")
        event_states, revised = _updated_events(state.events, evaluation, observation, context)
        state = msgspec.structs.replace(
            state, memories=evaluation.memories, events=event_states, picture_checked_at=detections.captured_at
        )
        return advanced(state, detections, settling=True), revised

    def skipped(self, state: CameraState) -> dict[str, int]:
        """Records that were not evaluated, by reason: those of ``refusal``, ``removed`` and ``picture change``."""
        return state.skipped

    def counters(self, state: CameraState) -> dict[str, int]:
        """``behaviour KIND``: records at which it failed. ``rain``, ``insect``, ``headlights``: boxes left out."""
        return state.noted

    def _context(self, site: Site, camera: str) -> CameraContext | None:
        """A camera's context in one revision, made when first needed; None where that revision has no such camera."""
        key = (id(site), camera)  # the revisions hold their sites, so an id is never reused
        if key not in self._contexts:
            config = next((item for item in site.cameras if item.id == camera), None)
            self._contexts[key] = None if config is None else CameraContext(site, config, self._run)
        return self._contexts[key]

    def _latest_context(self, camera: str) -> CameraContext:
        """A camera's context in the last revision that has it."""
        for revision in reversed(self._revisions.entries):
            context = self._context(revision.site, camera)
            if context is not None:
                return context
        raise KeyError(f"site {self._revisions.latest.id} has no camera {camera!r}")

    def _end_interrupted(
        self, state: CameraState, detections: Detections, context: CameraContext
    ) -> tuple[CameraState, list[Event]]:
        """Expires what cannot continue. A camera that was out of reach keeps the events that say so."""
        if not is_interrupted(state, detections):
            return state, []
        out_of_reach = detections.gap != "ended" and detections.captured_at > state.captured_at
        return self._expire(state, detections, context, context.blind_kinds if out_of_reach else frozenset())

    def _expire(
        self,
        state: CameraState,
        detections: Detections,
        context: CameraContext,
        kept_kinds: frozenset[str] = frozenset(),
    ) -> tuple[CameraState, list[Event]]:
        """Expires open events and forgets tracks and memories, but for the kinds that are kept."""
        now = max(detections.captured_at, state.captured_at)
        event_states, events = event_lifecycle.expire_events(state.events, now, context.source, kept_kinds)
        memories = {kind: memory for kind, memory in state.memories.items() if kind in kept_kinds}
        state = msgspec.structs.replace(
            self._without_tracks(state), memories=memories, events=event_states, began_at=None, usual_sharpness=None
        )
        return state, events

    def _without_tracks(self, state: CameraState) -> CameraState:
        """The state without tracks. Track ids keep rising, so that no id stands for two objects."""
        tracker: TrackerState = msgspec.structs.replace(self._tracker.start(), next_id=state.tracker.next_id)
        return msgspec.structs.replace(state, tracker=tracker, track_memory={})


def _check(site: Site) -> None:
    unknown = sorted(set(site.behaviours) - set(installed()))
    if unknown:
        raise BehaviourError(f"behaviours.{unknown[0]}: no such behaviour; there are {', '.join(sorted(installed()))}")
    for kind, behaviour in behaviours_of(site).items():
        Resolver(site, site.cameras[0].id, kind, behaviour.Thresholds)


def _updated_events(
    before: EventStates, evaluation: Evaluation, observation: Observation, context: CameraContext
) -> tuple[EventStates, list[Event]]:
    candidates = evaluation.candidates
    if not (candidates or before.open or before.cooldowns):
        return before, []
    return event_lifecycle.update_events(before, candidates, observation, context.source, evaluation.not_evaluated)


def _is_idle(state: CameraState, context: CameraContext) -> bool:
    """Whether a record without boxes changes nothing but the times: true of most records of most cameras."""
    return not (state.events.open or state.events.cooldowns) and context.is_idle(state.memories)


def _filtered(state: CameraState, detections: Detections, context: CameraContext) -> tuple[CameraState, Detections]:
    """The record without boxes in ignored regions, and without unnamed ones that are rain, insects or headlights."""
    ignored = context.geometry(detections.width, detections.height).ignores(detections)
    if any(ignored):
        detections = _rows(detections, [row for row, ignore in enumerate(ignored) if not ignore])
    if detections.gap is not None or not len(detections):
        return state, detections
    result = false_detection_filter.apply_filter(state.filter, detections)
    if result.memory is not state.filter:
        state = msgspec.structs.replace(state, filter=result.memory)
    if result.keep is None:
        return state, detections
    for reason, count in result.left_out.items():
        state = counted(state, "noted", reason, count)
    return state, _rows(detections, np.flatnonzero(result.keep).tolist())


def _rows(detections: Detections, rows: list[int]) -> Detections:
    """The record with some of its boxes only."""
    names = ("xyxy", "scores", "labels", "appearance", "keypoints", "pose_requested")
    columns = {name: column[rows] for name in names if (column := getattr(detections, name)) is not None}
    return msgspec.structs.replace(detections, **columns)
