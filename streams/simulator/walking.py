"""How people walk: steps of 0.4 s, from recorded walkers if available, otherwise from a walking model.

The recorded walkers are ETH and Hotel (Pellegrini et al. 2009) and UCY zara01 (Lerner et al. 2007), in metres and
seconds, as OpenTraj publishes them. The model's constants were measured on them. Speed is 1.40 +- .31 m/s between
people. Within a walk it varies by +- .15 m/s along and +- .20 m/s across, with a correlation of .3 from step to step.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from lanewatch.records import Float64
from streams.simulator.noise import autoregressive

STEP_S: Final = 0.4
_SETS: Final = (("ETH/seq_eth", 15.0), ("ETH/seq_hotel", 25.0), ("UCY/zara01", 25.0))
"""Folders below ``trajectories``, and the frame rate in which their annotations count."""
_SPEED, _SPEED_SPREAD, _ALONG, _ACROSS, _MEMORY = 1.40, 0.31, 0.15, 0.20, 0.3
_LEAST_M = 3.0  # from start to end; shorter tracks are people who stand
_PIECE = 40  # steps that the model makes at a time


class WalkingPaths:
    """Makes walking paths from a folder ``trajectories`` with ``ETH`` and ``UCY`` in it; None: from the model.

    Raises ``FileNotFoundError`` if the folder does not have a set's ``obsmat.txt``.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._recorded = [] if folder is None else [walk for name, fps in _SETS for walk in _walks(folder, name, fps)]

    @property
    def source(self) -> str:
        """Where the steps are from, as the truth file states it."""
        if self._recorded:
            return f"steps of {len(self._recorded)} real walkers (ETH, Hotel, UCY zara01)"
        return "a walking model with figures measured on ETH, Hotel and UCY zara01"

    def path(self, metres: float, pace: float, rng: np.random.Generator) -> Float64:
        """(N + 1, 2) metres along and across, one row each ``STEP_S``, from (0, 0) to (``metres``, 0).

        ``pace`` is a factor on the speed, below 1 for a person who carries a sack.
        """
        pieces: list[Float64] = []
        walked = 0.0
        speed = rng.normal(_SPEED, _SPEED_SPREAD)
        while walked < metres:
            piece = self._piece(float(np.clip(speed, 0.6, 2.2)), rng) * pace
            pieces.append(piece)
            walked += float(piece[:, 0].sum())
        path = np.concatenate([np.zeros((1, 2)), np.cumsum(np.concatenate(pieces), axis=0)])
        path = path[: int(np.argmax(path[:, 0] >= metres)) + 1]
        path[-1, 0] = metres
        path[:, 1] -= np.linspace(0, path[-1, 1], len(path))  # so that it ends at 0
        path[:, 1] *= min(1.0, 0.25 * metres / max(float(np.abs(path[:, 1]).max()), 1e-6))
        return path

    def _piece(self, speed: float, rng: np.random.Generator) -> Float64:
        if self._recorded:
            return self._recorded[int(rng.integers(len(self._recorded)))]
        variation = autoregressive(rng.normal(size=(_PIECE, 2)), _MEMORY)
        along = np.maximum(speed + _ALONG * variation[:, 0], 0.1)
        return np.stack([along, _ACROSS * variation[:, 1]], axis=1) * STEP_S


def interpolate(times: Float64, path_times: Float64, points: Float64) -> Float64:
    """(N, 2) points of a path at the given times."""
    return np.stack([np.interp(times, path_times, points[:, axis]) for axis in (0, 1)], axis=1)


def _walks(folder: Path, name: str, fps: float) -> list[Float64]:
    """(N, 2) steps of each walker of a set, along and across the line from start to end."""
    file = folder / name / "obsmat.txt"
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no walkers there; name the folder that holds ETH and UCY, or none")
    rows = np.loadtxt(file)
    walks = []
    for person in np.unique(rows[:, 1]):
        track = rows[rows[:, 1] == person]
        times = track[:, 0] / fps
        grid = np.arange(times[0], times[-1], STEP_S)
        steps = np.diff(interpolate(grid, times, track[:, [2, 4]]), axis=0)
        net = steps.sum(axis=0) if len(steps) else np.zeros(2)
        length = float(np.hypot(*net))
        if length >= _LEAST_M:
            along = net / length
            walks.append(np.stack([steps @ along, steps @ np.array([-along[1], along[0]])], axis=1))
    return walks
