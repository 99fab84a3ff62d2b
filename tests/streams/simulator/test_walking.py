"""The simulator's walking paths have the length and speed of real walkers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from streams.simulator.walking import STEP_S, WalkingPaths


@pytest.mark.parametrize("metres", [2.0, 12.0, 60.0])
def test_the_walking_model_has_the_given_distance_and_the_speed_of_people(metres: float) -> None:
    rng = np.random.default_rng(3)
    walks = [WalkingPaths().path(metres, 1.0, rng) for _ in range(60)]
    assert all(walk[0].tolist() == [0, 0] and walk[-1, 0] == metres and abs(walk[-1, 1]) < 1e-9 for walk in walks)
    speeds = np.array([metres / ((len(walk) - 1) * STEP_S) for walk in walks])
    assert np.median(speeds) == pytest.approx(1.4, abs=0.2)  # ETH and Hotel: 1.5, zara01: 1.2 m/s
    assert np.all((speeds > 0.3) & (speeds < 3))


def test_steps_of_real_walkers_are_used_if_they_are_available(data: Path) -> None:
    walking = WalkingPaths(data / "trajectories")
    assert "724 real walkers" in walking.source
    rng = np.random.default_rng(4)
    walks = [walking.path(20.0, 1.0, rng) for _ in range(100)]
    assert np.median([20 / ((len(walk) - 1) * STEP_S) for walk in walks]) == pytest.approx(1.4, abs=0.15)


def test_a_folder_without_walkers_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no walkers there"):
        WalkingPaths(tmp_path)
