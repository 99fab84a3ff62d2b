"""The watch stage: a pure fold over one camera's detections, from tracks by way of behaviours to events."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np

from detectors import event_lifecycle
from detectors.behaviour_scheduler import PICTURE, CameraContext, Evaluation
from detectors.behaviours.base import BehaviourError
from detectors.behaviours.registry import behaviours_of, installed
from detectors.event_lifecycle import EventStates
from detectors.observation import false_detection_filter, tracked_objects
from detectors.observation.camera_geometry import CameraGeometry
from detectors.observation.false_detection_filter import FilterState
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackedObject, TrackMemory, TrackPoint
from detectors.thresholds import Resolver
from lanewatch.config.revisions import SiteRevisions
from lanewatch.config.site import Site
from lanewatch.records import BLIND, Detections, Event, Profile
from models.tracking.tracker import Tracker, TrackerState, Tracks

CARRY_S = 16.0
"""Over so long a hole, the 15 s in which a sampler that was killed is replaced and a second, those who are there
afterwards are taken for those who were there before where place, pace and look allow it: with a limit of 3 s a hole of
ten seconds cost half as many line crossings again (``benchmarks/frame_gaps.py``). After a longer one all tracks end; who
stayed is found again by place and look (``detectors.behaviours.common.zone_dwell``)."""
LOST_S = 30.0
"""A camera that nobody watched for longer than this has its open events expired: whoever comes back may be anybody. A
sampler that is killed is replaced within 15 s, and its successor's epoch is a new one."""
SETTLE_S = 2.0
"""After a camera has switched between colour and infrared nobody is looked at for so long: the exposure hunts, the
picture is learned anew, and looks don't compare."""
TRAIL_S = 5.0
"""How long the last step of somebody who isn't seen is kept."""


_NOBODY = Tracks.none()


class CameraState(msgspec.Struct, frozen=True, kw_only=True):
    """All that the fold knows of one camera: it and the input's position make a checkpoint.

    Attributes:
        epoch: Of the last record, and ``slot``, ``captured_at`` likewise.
        watched_at: When the camera was last not blind.
        tracker: The tracker's.
        looked_at: Capture time of the last record with a picture.
        trails: Where each track was seen last.
        memories: The behaviours', by kind; in the types of msgpack until first used after a decoding.
        episodes: What is open, and what rests.
        pictured_at: When the picture as a whole was judged last.
        profile: The last picture's.
        switched_at: When it last changed between colour and infrared.
        skipped: Records that were not taken, by reason.
        noted: What else is counted: behaviours that failed, boxes that were rain, insects or headlights.
        nuisances: What tells these from somebody.
    """

    camera: str
    epoch: int = -1
    slot: int = -1
    captured_at: float = 0.0
    watched_at: float = 0.0
    looked_at: float = 0.0
    tracker: TrackerState
    trails: dict[int, TrackMemory] = {}
    memories: dict[str, Any] = {}
    episodes: EventStates = EventStates()
    pictured_at: float = 0.0
    profile: Profile | None = None
    switched_at: float = 0.0
    skipped: dict[str, int] = {}
    noted: dict[str, int] = {}
    nuisances: FilterState = FilterState()


class WatchStage:
    """Implements ``streams.stages.Watch``. It holds what is constant: the site, and each camera's geometry in pixels.

    The same state and record give the same state and events, in any process. The clock is the records' own. A record
    is judged by the revision of the site that holds at its capture time, and a state goes on over the change: who is
    there stays there, and what is open in a zone that is no more closes. A record of a camera that the site does not
    have then expires what is open there, and is counted (``removed``).

    Args:
        site: One site, or its revisions.
        run: The name of this scoring.
        tracker: The usual one if None.

    Raises:
        ThresholdError: the site gives a behaviour thresholds that it does not take.
        BehaviourError: the site names a behaviour that is not installed.
    """

    def __init__(self, site: Site | SiteRevisions, *, run: str = "live", tracker: Tracker | None = None) -> None:
        revisions = site if isinstance(site, SiteRevisions) else SiteRevisions.of(site)
        for one in revisions.all:
            _check(one.site)
        self._run = run
        self._tracker = tracker or Tracker()
        self._revisions = revisions
        self._posts: dict[tuple[int, str], CameraContext | None] = {}

    def start(self, camera: str) -> CameraState:
        """The state before a camera's first record.

        Raises:
            KeyError: no revision of the site has such a camera.
        """
        if all(self._made(one.site, camera) is None for one in self._revisions.all):
            raise KeyError(f"site {self._revisions.latest.id} has no camera {camera!r}")
        return CameraState(camera=camera, tracker=self._tracker.start())

    def step(self, state: CameraState, detections: Detections) -> tuple[CameraState, list[Event]]:
        """The state after a record, and the revisions of events that it causes, in the order of the behaviours.

        Late and duplicate records change nothing but ``skipped``. A recording's end, a camera out of reach for half a
        minute and a clock that is set back expire what is open and forget who was there. Over a shorter time without
        records, such as that between a sampler that was killed and its successor, stays go on.
        """
        reason = _unwanted(state, detections)
        if reason is not None:
            counts = state.skipped | {reason: state.skipped.get(reason, 0) + 1}
            epoch = max(state.epoch, detections.epoch) if reason == "duplicate" else state.epoch
            return msgspec.structs.replace(state, skipped=counts, epoch=epoch), []
        post = self._made(self._revisions.at(detections.captured_at), state.camera)
        if post is None:
            return self._removed(state, detections)
        events: list[Event] = []
        if _broken(state, detections):
            lost = detections.gap != "ended" and detections.captured_at > state.captured_at
            spared = post.of_blindness if lost else frozenset()  # that a camera is out of reach goes on being so
            state, events = self._forget(state, max(detections.captured_at, state.captured_at), post, spared)
        if detections.gap == "ended":
            return _at(state, detections), events
        if detections.gap in BLIND:
            state, more = self._miss(state, detections, post)
            return state, events + more
        if detections.gap is None:
            state = _lit(state, detections)
            if detections.captured_at - state.switched_at < SETTLE_S:
                return _counted(_at(state, detections, blind=True), "skipped", "mode switch"), events
        unwatched = _unwatched(state, detections)
        if unwatched:
            state = msgspec.structs.replace(state, tracker=self._nobody(state), trails={})
        after, more = self._look(state, detections, post, unwatched)
        return after, events + more

    def skipped(self, state: CameraState) -> dict[str, int]:
        """Records that were not taken: ``duplicate`` and ``late`` by their slot, ``stale`` by their epoch, of a camera
        that was ``removed``; around a ``mode switch`` between colour and infrared."""
        return state.skipped

    def noted(self, state: CameraState) -> dict[str, int]:
        """``behaviour KIND``: records at which one failed. ``rain``, ``insect``, ``headlights``: boxes without a name
        that were taken for that and left out."""
        return state.noted

    def _removed(self, state: CameraState, detections: Detections) -> tuple[CameraState, list[Event]]:
        """What was open at a camera that the site has no more is in nobody's sight."""
        before = (self._made(one.site, state.camera) for one in reversed(self._revisions.all))
        post = next((one for one in before if one is not None), None)
        if post is None:
            raise KeyError(f"site {self._revisions.latest.id} has no camera {state.camera!r}")
        state, events = self._forget(state, max(detections.captured_at, state.captured_at), post)
        return _counted(_at(state, detections), "skipped", "removed"), events

    def _made(self, site: Site, camera: str) -> CameraContext | None:
        """A camera's post by one revision, made when it is first asked for; None where that has no such camera."""
        key = (id(site), camera)  # the revisions hold their sites, so that no other takes this one's place
        if key not in self._posts:
            found = next((one for one in site.cameras if one.id == camera), None)
            self._posts[key] = None if found is None else CameraContext(site, found, self._run)
        return self._posts[key]

    def _miss(self, state: CameraState, detections: Detections, post: CameraContext) -> tuple[CameraState, list[Event]]:
        """A record of which nobody knows what happened; that there are such ones is a camera's trouble."""
        triggers = post.triggers_of(detections, state.pictured_at)
        after = _at(state, detections, blind=True)
        if not triggers:
            return after, []
        ground = post.geometry(detections.width, detections.height)
        elapsed_s = 0.0 if state.slot < 0 else detections.captured_at - state.captured_at
        shown = Observation(detections, Tracks.none(), (), ground, post.schedules, elapsed_s)
        judgement = post.evaluate(state.memories, shown, triggers)
        episodes, events = _told(state, judgement, shown, post)
        after = msgspec.structs.replace(after, memories=judgement.memories, episodes=episodes)
        return _failed(after, judgement), events

    def _look(
        self, state: CameraState, detections: Detections, post: CameraContext, unwatched: bool
    ) -> tuple[CameraState, list[Event]]:
        ground = post.geometry(detections.width, detections.height)
        if ground.ignored and len(detections):
            detections = _without_ignored(detections, ground)
        if detections.gap is None and len(detections):
            state, detections = _sifted(state, detections)
        triggers = post.triggers_of(detections, state.pictured_at)
        tracker, tracks = state.tracker, _NOBODY
        people: tuple[TrackedObject, ...] = ()
        if len(detections) or len(tracker.ids) or state.trails:
            tracker, tracks = self._tracker.update(tracker, detections)
            people = tracked_objects.tracked_objects(tracks, state.trails, state.looked_at, detections.captured_at)
        elif not triggers and _quiet(state, post):
            looked_at = detections.captured_at if detections.gap is None else state.looked_at
            return _at(state, detections, looked_at=looked_at), []
        elapsed_s = 0.0 if state.slot < 0 or unwatched else detections.captured_at - state.captured_at
        shown = Observation(detections, tracks, people, ground, post.schedules, elapsed_s)
        judgement = post.evaluate(state.memories, shown, triggers)
        episodes, events = _told(state, judgement, shown, post)
        after = CameraState(
            camera=state.camera,
            epoch=detections.epoch,
            slot=detections.slot,
            captured_at=detections.captured_at,
            watched_at=detections.captured_at,
            looked_at=detections.captured_at if shown.has_frame else state.looked_at,
            tracker=tracker,
            trails=_trails(state.trails, shown),
            memories=judgement.memories,
            episodes=episodes,
            pictured_at=detections.captured_at if triggers & PICTURE else state.pictured_at,
            profile=state.profile,
            switched_at=state.switched_at,
            skipped=state.skipped,
            noted=state.noted,
            nuisances=state.nuisances,
        )
        return _failed(after, judgement), events

    def _forget(
        self, state: CameraState, now: float, post: CameraContext, spared: frozenset[str] = frozenset()
    ) -> tuple[CameraState, list[Event]]:
        """Ends what is open and forgets everybody. Tracks' ids go on rising, so that none stands for two people."""
        episodes, events = event_lifecycle.expire_events(state.episodes, now, post.origin, spared)
        tracker = self._nobody(state)
        memories = {kind: one for kind, one in state.memories.items() if kind in spared}
        return msgspec.structs.replace(state, tracker=tracker, trails={}, memories=memories, episodes=episodes), events

    def _nobody(self, state: CameraState) -> TrackerState:
        """A tracker that follows nobody and gives no id again."""
        return msgspec.structs.replace(self._tracker.start(), next_id=state.tracker.next_id)


def _check(site: Site) -> None:
    unknown = sorted(set(site.behaviours) - set(installed()))
    if unknown:
        raise BehaviourError(f"behaviours.{unknown[0]}: no such behaviour; there are {', '.join(sorted(installed()))}")
    for kind, one in behaviours_of(site).items():
        Resolver(site, site.cameras[0].id, kind, one.Thresholds)


def _unwanted(state: CameraState, detections: Detections) -> str | None:
    """Why a record is not taken: it is of an epoch that has been followed by a newer one, or its slot has been.

    A newer epoch whose slots lie just behind is a handover's overlap: its records are duplicates, its word counts from
    then on. Further behind, the clock was set back, and it is taken.
    """
    if detections.epoch < state.epoch:
        return "stale"
    if detections.epoch == state.epoch:
        if detections.slot == state.slot:
            return "duplicate"
        return "late" if detections.slot < state.slot or detections.captured_at <= state.captured_at else None
    behind_s = (state.slot - detections.slot) / 1000
    return "duplicate" if 0 <= behind_s <= OVERLAP_S else None


OVERLAP_S = 2.0
"""A jump of the clock by more than this opens a new epoch; an overlap of two samplers is less."""


def _broken(state: CameraState, detections: Detections) -> bool:
    """Whether who is there now has nothing to do with who was there before."""
    if state.slot < 0:
        return False
    passed_s = detections.captured_at - state.captured_at
    if detections.gap == "ended":
        return True
    if passed_s <= 0:  # the clock was set back
        return True
    return detections.captured_at - state.watched_at > LOST_S


def _unwatched(state: CameraState, detections: Detections) -> bool:
    """Whether nobody knows what happened just before: no records came, or blind ones. It uses up nobody's graces."""
    return state.slot >= 0 and detections.captured_at - state.watched_at > CARRY_S


def _quiet(state: CameraState, post: CameraContext) -> bool:
    """Whether there is nothing that a record with nobody could change but the time: most records of most cameras."""
    episodes = state.episodes
    return not (episodes.open or episodes.resting) and post.is_idle(state.memories)


def _lit(state: CameraState, detections: Detections) -> CameraState:
    """The state with the picture's profile, and when it switched between colour and infrared."""
    profile = detections.profile
    if profile == state.profile:
        return state
    if state.profile is None or "infrared" not in (profile, state.profile):
        return msgspec.structs.replace(state, profile=profile)
    return msgspec.structs.replace(state, profile=profile, switched_at=detections.captured_at)


def _counted(state: CameraState, where: Literal["skipped", "noted"], what: str, count: int = 1) -> CameraState:
    counts: dict[str, int] = getattr(state, where)
    return msgspec.structs.replace(state, **{where: counts | {what: counts.get(what, 0) + count}})


def _sifted(state: CameraState, detections: Detections) -> tuple[CameraState, Detections]:
    """The record without boxes that have no name and are rain, insects or headlights, which are counted."""
    sifted = false_detection_filter.apply_filter(state.nuisances, detections)
    if sifted.memory is not state.nuisances:
        state = msgspec.structs.replace(state, nuisances=sifted.memory)
    if sifted.keep is None:
        return state, detections
    for what, count in sifted.left_out.items():
        state = _counted(state, "noted", what, count)
    return state, _only(detections, np.flatnonzero(sifted.keep).tolist())


def _failed(state: CameraState, judgement: Evaluation) -> CameraState:
    for kind in judgement.failed:
        state = _counted(state, "noted", f"behaviour {kind}")
    return state


def _told(
    state: CameraState, judgement: Evaluation, shown: Observation, post: CameraContext
) -> tuple[EventStates, list[Event]]:
    episodes = state.episodes
    if judgement.candidates or episodes.open or episodes.resting:
        return event_lifecycle.update_events(episodes, judgement.candidates, shown, post.origin, judgement.not_evaluated)
    return episodes, []


def _at(
    state: CameraState, detections: Detections, *, blind: bool = False, looked_at: float | None = None
) -> CameraState:
    """The state with nothing but the time gone on."""
    return CameraState(
        camera=state.camera,
        epoch=detections.epoch,
        slot=detections.slot,
        captured_at=detections.captured_at,
        watched_at=state.watched_at if blind else detections.captured_at,
        looked_at=state.looked_at if looked_at is None else looked_at,
        tracker=state.tracker,
        trails=state.trails,
        memories=state.memories,
        episodes=state.episodes,
        pictured_at=state.pictured_at,
        profile=state.profile,
        switched_at=state.switched_at,
        skipped=state.skipped,
        noted=state.noted,
        nuisances=state.nuisances,
    )


def _trails(trails: dict[int, TrackMemory], shown: Observation) -> dict[int, TrackMemory]:
    if not trails and not shown.objects:
        return trails
    now = shown.captured_at
    after = {track: trail for track, trail in trails.items() if now - trail.last.at <= TRAIL_S}
    for one in shown.objects:
        if one.seen:
            after[one.id] = TrackMemory(TrackPoint(one.x, one.y, now), one.credible)
    return after


def _without_ignored(detections: Detections, ground: CameraGeometry) -> Detections:
    ignored = ground.ignores(detections)
    if not any(ignored):
        return detections
    return _only(detections, [row for row, ignore in enumerate(ignored) if not ignore])


def _only(detections: Detections, keep: list[int]) -> Detections:
    keypoints, asked = detections.keypoints, detections.pose_requested
    return msgspec.structs.replace(
        detections,
        xyxy=detections.xyxy[keep],
        scores=detections.scores[keep],
        labels=detections.labels[keep],
        appearance=detections.appearance[keep],
        keypoints=None if keypoints is None else keypoints[keep],
        pose_requested=None if asked is None else asked[keep],
    )
