"""Follows people and vehicles from frame to frame of one camera: a pure fold over its detections.

Made for 1-15 frames a second, where a walker's boxes no longer overlap: everything is in seconds of capture time and
in body heights, nothing in frames or in overlap of boxes.
"""

from __future__ import annotations

import msgspec
import numpy as np

from lanewatch.records import LABELS, Bool, Detections, Float32, Float64, Int64, UInt8
from models import association as kernel


class TrackerSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the tracker takes for possible.

    Attributes:
        start_score: Lowest score of a box that may start a track; raising it starts fewer false tracks, later ones.
        keep_score: Lowest score of a box that may keep one; raising it loses people that are half hidden or lie.
        speed: Fastest movement, body heights a second (2.5 is a run); raising it survives lower rates, switches more.
        coast_s: Seconds that a track is still alive without being seen.
        lost_s: Seconds unseen after which a track is forgotten and its id not used again.
    """

    start_score: float = 0.4
    keep_score: float = 0.1
    speed: float = 2.5
    coast_s: float = 1.0
    lost_s: float = 3.0


class TrackerState(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The fold's state, as arrays of one row a track; ``records.encode`` and ``decode`` give it back to the bit.

    Attributes:
        clock: Capture time of the last record, NaN before the first.
        next_id: The id that the next new track gets.
        ids: (T,) int64.
        motion: (T, C) float64, columns as ``models.association`` names them.
        votes: (T, L) float64, the summed scores of each label.
        look: (T, K) float32, the running mean of the boxes' colour descriptors.
    """

    clock: float
    next_id: int
    ids: Int64
    motion: Float64
    votes: Float64
    look: Float32


class Tracks(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """The confirmed tracks that are alive at a record, coasting ones included, by rising id.

    Attributes:
        ids: (N,) int64; a person found again keeps the old one.
        xyxy: (N, 4) float64, the last box seen, pixels.
        foot: (N, 2) float64, the foot point filtered over about 0.4 s, pixels.
        height: (N,) float64, the smoothed body height, pixels; a vehicle's is the diagonal of its box.
        velocity: (N, 2) float64, pixels a second.
        labels: (N,) uint8, the label that most of the evidence is for.
        scores: (N,) float32, the last box's.
        born_at: (N,) float64, capture time of the first hit.
        born_foot: (N, 2) float64, the foot point then.
        seen_at: (N,) float64, capture time of the last hit.
        seen: (N,) bool, matched in this very record.
        detection: (N,) int64, the index of the record's box, or -1.
        look: (N, K) uint8, the running colour descriptor.
    """

    ids: Int64
    xyxy: Float64
    foot: Float64
    height: Float64
    velocity: Float64
    labels: UInt8
    scores: Float32
    born_at: Float64
    born_foot: Float64
    seen_at: Float64
    seen: Bool
    detection: Int64
    look: UInt8

    def __len__(self) -> int:
        return len(self.ids)


class Tracker:
    """Associates each record's boxes with the tracks of one camera.

    It holds settings only. ``update`` is pure: the state that it is given is not changed, and the same state and
    record give the same result to the bit. A record with a ``gap`` is no look: time passes and nothing is missed.
    """

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        s = self.settings
        self._limits = np.array(
            [s.start_score, s.keep_score, s.speed, s.coast_s, s.lost_s, 0.07, 1.0, 0.5, 15.0, 8.0, 0.8, 0.8, 1.0]
        )

    def start(self) -> TrackerState:
        """The state before the first record."""
        return TrackerState(
            clock=float("nan"),
            next_id=1,
            ids=np.zeros(0, np.int64),
            motion=np.zeros((0, kernel.COLUMNS)),
            votes=np.zeros((0, len(LABELS))),
            look=np.zeros((0, 0), np.float32),
        )

    def update(self, state: TrackerState, detections: Detections) -> tuple[TrackerState, Tracks]:
        """The state after a record, and the tracks that are alive then. Records come in the order of capture."""
        now = detections.captured_at
        passed = max(now - state.clock, 0.0) if state.clock == state.clock else 0.0
        next_id, ids, motion, votes, look, detection = kernel.step(
            self._limits,
            now,
            passed,
            detections.gap is None,
            state.next_id,
            state.ids.copy(),
            state.motion.copy(),
            state.votes.copy(),
            state.look.copy(),
            detections.xyxy.astype(np.float64),
            detections.scores.astype(np.float64),
            detections.labels.copy(),
            detections.look.copy(),
        )
        after = TrackerState(clock=now, next_id=next_id, ids=ids, motion=motion, votes=votes, look=look)
        return after, self._tracks(after, detection)

    def _tracks(self, state: TrackerState, detection: Int64) -> Tracks:
        rows = state.motion
        alive = np.flatnonzero((rows[:, kernel.HITS] >= 2) & (rows[:, kernel.UNSEEN_S] <= self.settings.coast_s))
        rows, detection = rows[alive], detection[alive]
        return Tracks(
            ids=state.ids[alive],
            xyxy=rows[:, kernel.LEFT : kernel.BOTTOM + 1],
            foot=rows[:, kernel.FOOT_X : kernel.FOOT_Y + 1],
            height=rows[:, kernel.HEIGHT],
            velocity=rows[:, kernel.VX : kernel.VY + 1],
            labels=state.votes[alive].argmax(1).astype(np.uint8),
            scores=rows[:, kernel.SCORE].astype(np.float32),
            born_at=rows[:, kernel.BORN_AT],
            born_foot=rows[:, kernel.BORN_X : kernel.BORN_Y + 1],
            seen_at=rows[:, kernel.SEEN_AT],
            seen=detection >= 0,
            detection=detection,
            look=state.look[alive].astype(np.uint8),
        )
