"""Simulated appearance descriptors are as similar as those of real people."""

from __future__ import annotations

import numpy as np
import pytest

from models.appearance import similarity
from streams.simulator import appearance


def test_descriptors_are_as_similar_as_those_of_real_people() -> None:
    """``models.appearance.similarity`` on pets09-s2l1: .87 after half a second, .78 after three, others .50."""
    rng = np.random.default_rng(5)
    identities = [appearance.random_identity(rng) for _ in range(30)]
    descriptors = np.stack([appearance.descriptors(identity, 40, 2.0, False, rng) for identity in identities])
    same = {lag: np.mean([similarity(person[[0]], person[[lag]])[0, 0] for person in descriptors]) for lag in (1, 6)}
    others = similarity(descriptors[:, 0], descriptors[:, 0])[np.triu_indices(30, 1)].mean()
    assert same[1] == pytest.approx(0.88, abs=0.05)
    assert same[6] == pytest.approx(0.80, abs=0.06)
    assert others == pytest.approx(0.52, abs=0.06)
    assert descriptors.shape == (30, 40, appearance.SIZE)
