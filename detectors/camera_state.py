"""The watch stage's state of one camera, and the transitions of it that need no site."""

from __future__ import annotations

import math
from typing import Any, Literal

import msgspec

from detectors.event_lifecycle import EventStates
from detectors.observation.false_detection_filter import FilterState
from detectors.observation.observation import Observation
from detectors.observation.tracked_objects import TrackMemory, TrackPoint
from lanewatch.records import Detections, Profile
from models.tracking.tracker import TrackerState

OVERLAP_S = 2.0
"""At a handover between two samplers a camera's records are out of order by less than this. A larger step back is a
clock that was set back."""
CARRY_S = 16.0
"""Tracks survive a hole of this length: 15 s in which a killed sampler is replaced, and a second. A limit of 3 s
cost half as many line crossings again at a hole of 10 s (``benchmarks/frame_gaps.py``). After a longer hole all
tracks end; a stay is then continued by position and appearance (``detectors.behaviours.common.zone_dwell``)."""
LOST_S = 30.0
"""Open events expire when a camera was blind for longer than this: the people may be others."""
SETTLE_S = 2.0
"""People are not judged for this time after the picture as a whole has changed, while exposure and boxes settle."""
MAX_SETTLE_S = 15.0
"""After so long of change, people are judged in spite of it: a lamp that flashes must not blind a camera."""
USUAL_S = 10.0
"""Time constant of what is usual: a lasting change, such as dusk or another view, is usual after some of these."""
LEARN_EVERY_S = 1.0
SHARPNESS_CHANGE = 2.7
"""Factor by which no scene changes the sharpness. On 193 clips of people, traffic, trees and fire it is 1.9 at most;
out of focus 15, covered much more."""
BRIGHTNESS_CHANGE = 40.0
"""Grey levels of the mean; on those clips 30 at most, but for a thermal camera that recalibrates."""
TRACK_MEMORY_S = 5.0
"""The last point of a track that is not seen is remembered for this time."""


class CameraState(msgspec.Struct, frozen=True, kw_only=True):
    """The fold's whole state of one camera. With the input's position it makes a checkpoint.

    All times are capture times, seconds UTC; 0 before the first record.

    Attributes:
        epoch: Of the last record; -1 before the first record.
        slot: Of the last record; -1 before the first record.
        captured_at: Of the last record.
        observed_at: Of the last record at which the camera was not blind.
        picture_at: Of the last record with a picture.
        picture_checked_at: Of the last record at which behaviours checked the picture as a whole.
        disturbed_at: Last picture that differed as a whole from what is usual, or showed another mode.
        disturbed_since: The first one of those without a pause of ``MAX_SETTLE_S``.
        usual_sharpness: Averaged over ``USUAL_S``; ``usual_brightness`` likewise. None before a picture.
        usual_at: When they were learned last.
        began_at: The first picture since the camera was last interrupted; None before it.
        warm: Whether the sampler knew the background at the last picture. When the whole picture changes, it does not.
        flooded: The whole picture changed, and the background is not yet known again.
        memories: The behaviours' memories by kind; plain msgpack values until first used after a decoding.
        skipped: Records that were not evaluated, by reason.
        noted: Failed behaviours and boxes left out by the filter, by name.
    """

    camera: str
    epoch: int = -1
    slot: int = -1
    captured_at: float = 0.0
    observed_at: float = 0.0
    picture_at: float = 0.0
    picture_checked_at: float = 0.0
    disturbed_at: float = -math.inf
    disturbed_since: float = -math.inf
    usual_at: float = -math.inf
    began_at: float | None = None
    usual_sharpness: float | None = None
    usual_brightness: float = 0.0
    warm: bool = False
    flooded: bool = False
    tracker: TrackerState
    track_memory: dict[int, TrackMemory] = {}
    memories: dict[str, Any] = {}
    events: EventStates = EventStates()
    profile: Profile | None = None
    filter: FilterState = FilterState()
    skipped: dict[str, int] = {}
    noted: dict[str, int] = {}


def refusal(state: CameraState, detections: Detections) -> str | None:
    """Why a record is not evaluated: ``stale``, ``duplicate`` or ``late``; None if it is evaluated.

    A newer epoch whose slots lie just behind comes from the overlap of a handover: its records are duplicates, but
    the epoch counts. If its slots lie further behind, the clock was set back, and the record is evaluated.
    """
    if detections.epoch < state.epoch:
        return "stale"
    if detections.epoch == state.epoch:
        if detections.slot == state.slot:
            return "duplicate"
        return "late" if detections.slot < state.slot or detections.captured_at <= state.captured_at else None
    behind_s = (state.slot - detections.slot) / 1000
    return "duplicate" if 0 <= behind_s <= OVERLAP_S else None


def refused(state: CameraState, detections: Detections, reason: str) -> CameraState:
    """The state after a record that is not evaluated: it is counted, and a newer epoch is noted."""
    epoch = max(state.epoch, detections.epoch) if reason == "duplicate" else state.epoch
    return msgspec.structs.replace(counted(state, "skipped", reason), epoch=epoch)


def is_interrupted(state: CameraState, detections: Detections) -> bool:
    """Whether open events cannot continue: a recording ended, the clock was set back, or the camera was blind."""
    if state.slot < 0:
        return False
    clock_set_back = detections.captured_at <= state.captured_at
    return detections.gap == "ended" or clock_set_back or detections.captured_at - state.observed_at > LOST_S


def is_settling(state: CameraState, detections: Detections) -> bool:
    """Whether a picture comes too soon after a change of the picture as a whole, which has not lasted too long."""
    now = detections.captured_at
    soon = now - state.disturbed_at < SETTLE_S and now - state.disturbed_since < MAX_SETTLE_S
    return detections.gap is None and soon


def was_unobserved(state: CameraState, detections: Detections) -> bool:
    """Whether the hole before a record is too long for tracks. Such time does not count against grace periods."""
    return state.slot >= 0 and detections.captured_at - state.observed_at > CARRY_S


def advanced(state: CameraState, detections: Detections, *, blind: bool = False, settling: bool = False) -> CameraState:
    """The state with the times of a record.

    ``blind``: it does not count as an observation. ``settling``: nothing was tracked in its picture.
    """
    return msgspec.structs.replace(
        state,
        epoch=detections.epoch,
        slot=detections.slot,
        captured_at=detections.captured_at,
        observed_at=state.observed_at if blind else detections.captured_at,
        picture_at=state.picture_at if blind or settling or detections.gap is not None else detections.captured_at,
    )


def with_profile(state: CameraState, detections: Detections) -> CameraState:
    """The state with the profile of a picture, and the time of a switch between colour and infrared."""
    profile = detections.profile
    if detections.gap is not None or profile == state.profile:
        return state
    if state.profile is None or "infrared" not in (profile, state.profile):
        return msgspec.structs.replace(state, profile=profile)
    # In another mode everything else is usual.
    changed = msgspec.structs.replace(state, profile=profile, usual_sharpness=None, flooded=False)
    return _disturbed(changed, detections.captured_at)


def _disturbed(state: CameraState, now: float) -> CameraState:
    since = state.disturbed_since if now - state.disturbed_at < MAX_SETTLE_S else now
    return msgspec.structs.replace(state, disturbed_at=now, disturbed_since=since)


def with_scene(state: CameraState, detections: Detections) -> CameraState:
    """The state with what is usual, and the time of a change of the whole picture.

    The camera is turned, covered or defocused, or its exposure steps. The same state while nothing changes, but once a
    second.
    """
    if detections.gap is not None:
        return state
    scene, now = detections.scene, detections.captured_at
    sharpness = max(scene.sharpness, 1.0)
    usual, brightness = state.usual_sharpness, state.usual_brightness
    if usual is None:
        usual, brightness = sharpness, scene.brightness
    flooded = detections.epoch == state.epoch and not scene.warm and (state.warm or state.flooded)
    as_usual = usual < sharpness * SHARPNESS_CHANGE and sharpness < usual * SHARPNESS_CHANGE
    changed = not as_usual or abs(scene.brightness - brightness) > BRIGHTNESS_CHANGE
    elapsed_s = now - state.usual_at
    if 0 <= elapsed_s < LEARN_EVERY_S and scene.warm == state.warm and not (flooded or changed or state.flooded):
        return state
    weight = 1 - math.exp(-max(elapsed_s, 0.0) / USUAL_S)
    state = msgspec.structs.replace(
        state,
        warm=scene.warm,
        flooded=flooded,
        usual_at=now,
        began_at=now if state.began_at is None else state.began_at,
        usual_sharpness=usual * (sharpness / usual) ** weight,
        usual_brightness=brightness + weight * (scene.brightness - brightness),
    )
    return _disturbed(state, now) if changed or flooded else state


def updated_track_memory(memory: dict[int, TrackMemory], observation: Observation) -> dict[int, TrackMemory]:
    """The last points of the tracks, by id, without those not seen for ``TRACK_MEMORY_S``."""
    if not memory and not observation.objects:
        return memory
    now = observation.captured_at
    memory = {track: last for track, last in memory.items() if now - last.last.at <= TRACK_MEMORY_S}
    for track in observation.objects:
        if track.seen:
            memory[track.id] = TrackMemory(TrackPoint(track.x, track.y, now), track.credible)
    return memory


def counted(state: CameraState, counter: Literal["skipped", "noted"], name: str, count: int = 1) -> CameraState:
    """The state with a count added to one of its counters."""
    counts: dict[str, int] = getattr(state, counter)
    return msgspec.structs.replace(state, **{counter: counts | {name: counts.get(name, 0) + count}})
