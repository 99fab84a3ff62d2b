"""How people walk: steps of 0.4 s, cut from real walkers' paths where those are at hand, else from a walking model.

The real ones are ETH and Hotel (Pellegrini et al. 2009) and UCY zara01 (Lerner et al. 2007), metres and seconds, as
OpenTraj publishes them. The model's figures were measured on them: speed 1.40 +- .31 m/s between people, within a walk
+- .15 m/s along it and +- .20 m/s across, each remembered from step to step by .3.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from lanewatch.records import Float64

STEP_S: Final = 0.4
_SETS: Final = (("ETH/seq_eth", 15.0), ("ETH/seq_hotel", 25.0), ("UCY/zara01", 25.0))
"""Folders below the trajectories', and the frames a second that their annotations count."""
_SPEED, _SPREAD, _ALONG, _ACROSS, _KEPT = 1.40, 0.31, 0.15, 0.20, 0.3
_LEAST_M = 3.0  # walked in all, as the crow flies: who stands is nobody's gait
_PIECE = 40  # steps that the model makes at a time


class WalkingPaths:
    """Whose steps walkers take.

    Args:
        folder: ``trajectories`` with ``ETH`` and ``UCY`` in it; None for the walking model.

    Raises:
        FileNotFoundError: a set's ``obsmat.txt`` is not below the folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._real = [] if folder is None else [walk for name, fps in _SETS for walk in _walks(folder, name, fps)]

    @property
    def source(self) -> str:
        """What the truth file says of them."""
        if self._real:
            return f"steps of {len(self._real)} real walkers (ETH, Hotel, UCY zara01)"
        return "a walking model with figures measured on ETH, Hotel and UCY zara01"

    def steps(self, metres: float, pace: float, rng: np.random.Generator) -> Float64:
        """(N + 1, 2) way along and aside, metres, one row each ``STEP_S``: from (0, 0) to (``metres``, 0).

        Args:
            metres: how far.
            pace: of the real speed; a carried sack slows.
            rng: draws whose steps they are.
        """
        pieces: list[Float64] = []
        gone = 0.0
        speed = rng.normal(_SPEED, _SPREAD)
        while gone < metres:
            piece = self._piece(float(np.clip(speed, 0.6, 2.2)), rng) * pace
            pieces.append(piece)
            gone += float(piece[:, 0].sum())
        way = np.concatenate([np.zeros((1, 2)), np.cumsum(np.concatenate(pieces), axis=0)])
        last = int(np.argmax(way[:, 0] >= metres))
        way = way[: last + 1]
        way[-1, 0] = metres
        way[:, 1] -= np.linspace(0, way[-1, 1], len(way))  # so that it ends where it is to end
        way[:, 1] *= min(1.0, 0.25 * metres / max(float(np.abs(way[:, 1]).max()), 1e-6))
        return way

    def _piece(self, speed: float, rng: np.random.Generator) -> Float64:
        if self._real:
            return self._real[int(rng.integers(len(self._real)))]
        wander = rng.normal(size=(_PIECE, 2))
        for row in range(1, _PIECE):
            wander[row] = _KEPT * wander[row - 1] + (1 - _KEPT**2) ** 0.5 * wander[row]
        along = np.maximum(speed + _ALONG * wander[:, 0], 0.1)
        return np.stack([along, _ACROSS * wander[:, 1]], axis=1) * STEP_S


def _walks(folder: Path, name: str, fps: float) -> list[Float64]:
    """The steps (N, 2) of each walker of a set: along his way as the crow flies, and aside."""
    file = folder / name / "obsmat.txt"
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no walkers there; give the folder in which ETH and UCY lie, or none")
    rows = np.loadtxt(file)
    walks = []
    for person in np.unique(rows[:, 1]):
        own = rows[rows[:, 1] == person]
        times, spots = own[:, 0] / fps, own[:, [2, 4]]
        grid = np.arange(times[0], times[-1], STEP_S)
        steps = np.diff(np.stack([np.interp(grid, times, spots[:, axis]) for axis in (0, 1)], axis=1), axis=0)
        net = steps.sum(axis=0) if len(steps) else np.zeros(2)
        length = float(np.hypot(*net))
        if length >= _LEAST_M:
            u = net / length
            walks.append(np.stack([steps @ u, steps @ np.array([-u[1], u[0]])], axis=1))
    return walks
