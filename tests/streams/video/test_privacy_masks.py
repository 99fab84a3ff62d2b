from __future__ import annotations

import numpy as np
import pytest
from shapely import Polygon, contains_xy

from streams.video.privacy_masks import PrivacyMasks

POLYGON = [(0.1, 0.2), (0.6, 0.15), (0.75, 0.7), (0.3, 0.9)]


@pytest.mark.parametrize("shape", [(90, 160), (576, 768, 3), (241, 333, 3)])
def test_pixels_inside_are_black_and_pixels_well_outside_are_unchanged(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 200, np.uint8)
    PrivacyMasks([POLYGON]).apply(picture)
    height, width = shape[:2]
    ys, xs = np.mgrid[:height, :width]
    outline = Polygon([(x * width, y * height) for x, y in POLYGON])
    assert not picture[contains_xy(outline, xs + 0.5, ys + 0.5)].any()
    assert (picture[~contains_xy(outline.buffer(4), xs + 0.5, ys + 0.5)] == 200).all()


def test_no_mask_changes_nothing() -> None:
    picture = np.full((10, 10, 3), 7, np.uint8)
    PrivacyMasks(()).apply(picture)
    assert (picture == 7).all()
    assert not PrivacyMasks(())
    assert PrivacyMasks([POLYGON])
