"""The simulator's scene is a pinhole camera, and its zones are in the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streams.simulator import scene


def test_projection_is_that_of_opencv() -> None:
    lane = scene.random_scene(np.random.default_rng(1))
    points = np.random.default_rng(2).uniform((-8, 6, 0), (8, 30, 3), (50, 3))
    axes = np.array(
        [[1, 0, 0], [0, -np.sin(lane.tilt), -np.cos(lane.tilt)], [0, np.cos(lane.tilt), -np.sin(lane.tilt)]]
    )
    intrinsics = np.array([[lane.focal_px, 0, scene.WIDTH / 2], [0, lane.focal_px, scene.HEIGHT / 2], [0, 0, 1]])
    rotation, shift = cv2.Rodrigues(axes)[0], -axes @ np.array([0, 0, lane.height_m])
    expected = cv2.projectPoints(points, rotation, shift, intrinsics, np.zeros(4))[0].reshape(-1, 2)
    np.testing.assert_allclose(lane.project(points), expected, atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_zones_are_within_the_picture_and_not_too_small(seed: int) -> None:
    lane = scene.random_scene(np.random.default_rng(seed))
    camera = scene.site(lane, "lane", ("05:00-07:00",), (), 2.0).cameras[0]
    assert {zone.kind for zone in camera.zones} == {"lane", "produce"}
    for zone in camera.zones:
        corners = np.array(zone.polygon)
        assert len(corners) >= 3
        assert np.ptp(corners, axis=0).min() > 0.04
