"""The simulator's models against what they stand for: a lens, people's gait, clothes, the detector's errors."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.acts import errors
from benchmarks.events import FPS
from models.appearance import similarity
from streams.simulator import appearance, scene
from streams.simulator.walking import STEP_S, WalkingPaths


def test_the_lens_is_opencvs_pinhole() -> None:
    place = scene.draw(np.random.default_rng(1))
    points = np.random.default_rng(2).uniform((-8, 6, 0), (8, 30, 3), (50, 3))
    axes = np.array(
        [[1, 0, 0], [0, -np.sin(place.tilt), -np.cos(place.tilt)], [0, np.cos(place.tilt), -np.sin(place.tilt)]]
    )
    lens = np.array([[place.focal, 0, scene.WIDTH / 2], [0, place.focal, scene.HEIGHT / 2], [0, 0, 1]])
    turn, shift = cv2.Rodrigues(axes)[0], -axes @ np.array([0, 0, place.high_m])
    expected = cv2.projectPoints(points, turn, shift, lens, np.zeros(4))[0].reshape(-1, 2)
    np.testing.assert_allclose(place.project(points), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_places_are_drawn_within_the_picture_and_apart(seed: int) -> None:
    place = scene.draw(np.random.default_rng(seed))
    drawn = scene.site(place, "lane", ("05:00-07:00",), (), 2.0).cameras[0]
    assert {zone.kind for zone in drawn.zones} == {"lane", "produce"}
    for zone in drawn.zones:
        corners = np.array(zone.polygon)
        assert len(corners) >= 3
        assert np.ptp(corners, axis=0).min() > 0.04


@pytest.mark.parametrize("metres", [2.0, 12.0, 60.0])
def test_the_walking_model_walks_as_far_as_it_is_to_and_as_fast_as_people_do(metres: float) -> None:
    rng = np.random.default_rng(3)
    walks = [WalkingPaths().steps(metres, 1.0, rng) for _ in range(60)]
    assert all(walk[0].tolist() == [0, 0] and walk[-1, 0] == metres and abs(walk[-1, 1]) < 1e-9 for walk in walks)
    speeds = np.array([metres / ((len(walk) - 1) * STEP_S) for walk in walks])
    assert np.median(speeds) == pytest.approx(1.4, abs=0.2)  # ETH and Hotel: 1.5, zara01: 1.2 m/s
    assert np.all((speeds > 0.3) & (speeds < 3))


def test_real_walkers_steps_are_taken_where_they_are_at_hand(data: Path) -> None:
    gaits = WalkingPaths(data / "trajectories")
    assert "724 real walkers" in gaits.source
    rng = np.random.default_rng(4)
    walks = [gaits.steps(20.0, 1.0, rng) for _ in range(100)]
    assert np.median([20 / ((len(walk) - 1) * STEP_S) for walk in walks]) == pytest.approx(1.4, abs=0.15)


def test_a_folder_without_walkers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no walkers there"):
        WalkingPaths(tmp_path)


def test_looks_are_as_alike_as_the_descriptors_of_real_people() -> None:
    """``models.appearance.similarity`` says of pets09-s2l1: .87 after half a second, .78 after three, others .50."""
    rng = np.random.default_rng(5)
    bases = [appearance.identity(rng) for _ in range(30)]
    shown = np.stack([appearance.describe(base, 40, 2.0, False, rng) for base in bases])
    same = {lag: np.mean([similarity(one[[0]], one[[lag]])[0, 0] for one in shown]) for lag in (1, 6)}
    others = similarity(shown[:, 0], shown[:, 0])[np.triu_indices(30, 1)].mean()
    assert same[1] == pytest.approx(0.88, abs=0.05)
    assert same[6] == pytest.approx(0.80, abs=0.06)
    assert others == pytest.approx(0.52, abs=0.06)
    assert shown.shape == (30, 40, appearance.SIZE)


REAL = {
    "miss_rate": 0.057,
    "miss_rate_clear": 0.045,
    "miss_by_hidden": [0.044, 0.083, 0.229, 0.542],
    "miss_run_s_mean": 0.281,
    "again_150_ms": 0.494,
    "jitter": [0.045, 0.040, 0.059, 0.185],
    "jitter_kept_150_ms": [0.708, 0.448, 0.535, 0.608],
    "score_quantiles": [0.570, 0.668, 0.726, 0.766, 0.796],
    "same_half_s": 0.891,
    "same_3_s": 0.825,
    "others": 0.535,
}
"""The bundled detector's on pets09-s2l1, as ``python -m benchmarks.acts.errors`` measures them."""
TOLERANCE = {
    "miss_rate": 0.015,
    "miss_rate_clear": 0.015,
    "miss_by_hidden": 0.06,
    "miss_run_s_mean": 0.08,
    "again_150_ms": 0.12,
    "jitter": 0.02,
    "jitter_kept_150_ms": 0.1,
    "score_quantiles": 0.05,
    "same_half_s": 0.05,
    "same_3_s": 0.05,
    "others": 0.06,
}
"""How well a model of few parameters follows the clip that it was fitted to."""


def test_errors_are_those_of_the_bundled_detector_on_real_footage(data: Path) -> None:
    truths = errors.labels(data / "pets09-s2l1" / "gt.txt", FPS)
    made = errors.statistics(truths, errors.met(truths, errors.modelled(truths)))
    for name, real in REAL.items():
        assert made[name] == pytest.approx(real, abs=TOLERANCE[name]), name
