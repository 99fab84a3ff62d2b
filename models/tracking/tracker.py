"""The tracker of people and vehicles at one camera: a pure fold over its detections.

It works at 1-15 frames a second, where a walker's boxes no longer overlap. So its units are seconds of capture time
and body heights, never frames or the overlap of boxes.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
import numpy as np

from lanewatch.records import LABELS, PERSON, Bool, Detections, Float32, Float64, Frame, Int64, UInt8
from models.tracking import motion_model
from models.tracking.association import step


class TrackerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The tracker's limits."""

    # Lowest score of a named box that may start a track; raising it starts fewer false ones, and misses people
    # with low scores.
    start_score: float = 0.55
    # Lowest score of a named box that may continue a track; raising it loses people who lie or are half occluded,
    # lowering it continues tracks of people who have left.
    keep_score: float = 0.2
    # Seconds for which boxes below `start_score` alone may continue a track; raising it follows people who lie or
    # are half occluded for longer, and false boxes of the background too.
    weak_s: float = 1.5
    # Fastest movement, body heights a second (1.4 m/s are .8, a run is 2.5); raising it follows faster objects at
    # low rates and switches identities more.
    speed: float = 2.5
    # Seconds with frames for which an unseen track is alive and its box is predicted; raising it bridges misses
    # and predicts boxes of people who have left.
    coast_s: float = 0.5
    # Seconds with frames after which an unseen track ends; raising it finds people again behind objects, and may
    # confuse them with others.
    lost_s: float = 3.0
    foot_s: float = 0.4  # Time constant of the foot point's filter; raising it removes jitter, and shows turns later


class TrackerState(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The fold's state, as arrays of one row for each track; ``records.decode`` restores it to the bit."""

    clock: float  # Capture time of the last record, NaN before the first
    next_id: int  # The id that the next new track gets
    ids: Int64  # (T,) int64
    motion: Float64  # (T, C) float64, columns as `models.tracking.motion_model` names them
    votes: Float64  # (T, L) float64, the summed scores of each label
    appearance: Float32  # (T, K) float32, the running mean of the boxes' colour descriptors


class Tracks(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The confirmed tracks that are alive at a record, coasting ones included, by rising id."""

    ids: Int64  # (N,) int64; a person that is found again has the old one
    xyxy: Float64  # (N, 4) float64, the last box seen, pixels
    foot: Float64  # (N, 2) float64, the foot point filtered over about 0.4 s, pixels
    height: Float64  # (N,) float64, the smoothed body height, pixels; a vehicle's is the diagonal of its box
    velocity: Float64  # (N, 2) float64, pixels a second
    labels: UInt8  # (N,) uint8, the label with the most votes
    scores: Float32  # (N,) float32, of the last box
    born_at: Float64  # (N,) float64, capture time of the first hit
    born_foot: Float64  # (N, 2) float64, the foot point then
    seen_at: Float64  # (N,) float64, capture time of the last hit
    seen: Bool  # (N,) bool, matched in this record
    detection: Int64  # (N,) int64, the index of the record's box, or -1
    appearance: UInt8  # (N, K) uint8, the running colour descriptor

    def __len__(self) -> int:
        return len(self.ids)

    @staticmethod
    def none() -> Tracks:
        """No tracks."""
        nothing = np.zeros(0, np.int64)
        return _tracks(Tracker().start(), nothing, nothing)


class Tracker:
    """Associates each record's boxes with the tracks of one camera.

    It holds settings only. ``update`` is pure: its argument is not changed, and the same state and record give the
    same result to the bit. In a record with a ``gap`` time passes, and no track counts as missed.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        limits = msgspec.structs.asdict(self.settings)
        self._limits = motion_model.TrackerLimits(**limits, groups=motion_model.GROUPS)

    def start(self) -> TrackerState:
        """The state before the first record."""
        return TrackerState(
            clock=float("nan"),
            next_id=1,
            ids=np.zeros(0, np.int64),
            motion=np.zeros((0, motion_model.COLUMNS)),
            votes=np.zeros((0, len(LABELS))),
            appearance=np.zeros((0, 0), np.float32),
        )

    def update(self, state: TrackerState, detections: Detections) -> tuple[TrackerState, Tracks]:
        """The state after a record, and the tracks that are alive then. Records come in the order of capture."""
        now = detections.captured_at
        passed = max(now - state.clock, 0.0) if state.clock == state.clock else 0.0
        appearance, size = state.appearance, detections.appearance.shape[1]
        if len(detections) and appearance.shape[1] != size:  # another descriptor: the old one can't be compared
            appearance = np.zeros((len(appearance), size), np.float32)
        # The kernel changes no argument, but for a record's read-only arrays it would be compiled a second time
        ids, motion, votes, appearance, matched, alive = step(
            *self._limits,
            now,
            passed,
            detections.gap is None,
            state.next_id,
            _writable(state.ids),
            _writable(state.motion),
            _writable(state.votes),
            _writable(appearance),
            detections.xyxy.astype(np.float64),
            detections.scores.astype(np.float64),
            _writable(detections.labels),
            _writable(detections.appearance),
            float(detections.width),
            float(detections.height),
        )
        next_id = max(state.next_id, int(ids[-1]) + 1) if len(ids) else state.next_id
        after = TrackerState(clock=now, next_id=next_id, ids=ids, motion=motion, votes=votes, appearance=appearance)
        return after, _tracks(after, matched, alive)


def _tracks(state: TrackerState, matched: Int64, alive: Int64) -> Tracks:
    rows, ids, appearance = state.motion, state.ids, state.appearance
    if len(alive) < len(ids):  # otherwise they are the state's own, which are never written to
        rows, ids, appearance, matched = rows[alive], ids[alive], appearance[alive], matched[alive]
    return Tracks(
        ids=ids,
        xyxy=rows[:, motion_model.LEFT : motion_model.BOTTOM + 1],
        foot=rows[:, motion_model.FOOT_X : motion_model.FOOT_Y + 1],
        height=rows[:, motion_model.SCALE],
        velocity=rows[:, motion_model.VX : motion_model.VY + 1],
        labels=rows[:, motion_model.LABEL].astype(np.uint8),
        scores=rows[:, motion_model.SCORE].astype(np.float32),
        born_at=rows[:, motion_model.BORN_AT],
        born_foot=rows[:, motion_model.BORN_X : motion_model.BORN_Y + 1],
        seen_at=rows[:, motion_model.SEEN_AT],
        seen=matched >= 0,
        detection=matched,
        appearance=appearance.astype(np.uint8),
    )


def warm() -> None:
    """Loads the kernel before the first record; on a new machine it is compiled, which takes 15 s."""
    tick = Frame(camera="warm", epoch=0, slot=0, captured_at=0.0, received_at=0.0, width=640, height=360)
    seen = msgspec.structs.replace(
        Detections.empty(tick),
        xyxy=np.array([[0, 0, 10, 20]], np.float32),
        scores=np.ones(1, np.float32),
        labels=np.array([PERSON], np.uint8),
        appearance=np.zeros((1, 1), np.uint8),
    )
    tracker = Tracker()
    tracker.update(tracker.start(), seen)


A = TypeVar("A", UInt8, Int64, Float32, Float64)


def _writable(array: A) -> A:
    return array if array.flags.writeable else array.copy()
