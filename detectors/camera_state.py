"""The watch stage's state of one camera, and the transitions of it that need no site."""

from __future__ import annotations

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
"""Pictures are ignored for this time after a switch between colour and infrared, while exposure settles."""
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
        switched_at: Last switch between colour and infrared.
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
    switched_at: float = 0.0
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
    """Whether a picture comes too soon after a switch between colour and infrared."""
    return detections.gap is None and detections.captured_at - state.switched_at < SETTLE_S


def was_unobserved(state: CameraState, detections: Detections) -> bool:
    """Whether the hole before a record is too long for tracks. Such time does not count against grace periods."""
    return state.slot >= 0 and detections.captured_at - state.observed_at > CARRY_S


def advanced(state: CameraState, detections: Detections, *, blind: bool = False) -> CameraState:
    """The state with the times of a record; ``blind``: it does not count as an observation."""
    return msgspec.structs.replace(
        state,
        epoch=detections.epoch,
        slot=detections.slot,
        captured_at=detections.captured_at,
        observed_at=state.observed_at if blind else detections.captured_at,
        picture_at=state.picture_at if blind or detections.gap is not None else detections.captured_at,
    )


def with_profile(state: CameraState, detections: Detections) -> CameraState:
    """The state with the profile of a picture, and the time of a switch between colour and infrared."""
    profile = detections.profile
    if detections.gap is not None or profile == state.profile:
        return state
    if state.profile is None or "infrared" not in (profile, state.profile):
        return msgspec.structs.replace(state, profile=profile)
    return msgspec.structs.replace(state, profile=profile, switched_at=detections.captured_at)


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
