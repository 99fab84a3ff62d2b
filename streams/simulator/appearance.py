"""Made-up looks: the colour descriptors that a detect worker would write for somebody's clothes.

A look is the square root of two histograms (8 steps of lightness by 3 by 3 of colour, one for each half of a box).
Each identity has one of its own, which wavers from frame to frame. The three spreads were set so that likeness is
what the bundled descriptor shows on pets09-s2l1: the same person .89 after half a second and .83 after three, two
people in one frame .53. Under infrared all colour is gone and people are more alike.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from lanewatch.records import Float64, UInt8

SIZE: Final = 144
_LIGHTNESS, _COLOURS, _GREY = 8, 9, 4
_BETWEEN: Final = 1.5  # spread of log shares between identities
_WAVERS: Final = 0.95  # of one identity over seconds
_SHIMMERS: Final = 0.6  # from frame to frame
_WAVERS_S: Final = 2.5
_PLAIN: Final = 2.2  # how much more of the common, nearly grey colours there is


def identity(rng: np.random.Generator) -> Float64:
    """(144,) log shares of one identity's colours."""
    usual = np.full((2, _LIGHTNESS, _COLOURS), -_PLAIN)
    usual[:, :, _GREY] = _PLAIN * 0.3
    usual -= np.abs(np.arange(_LIGHTNESS) - 3.0)[None, :, None] * 0.45
    steps = rng.normal(0, _BETWEEN, (2, _LIGHTNESS, _COLOURS))
    return (usual + steps).reshape(SIZE)


def describe(base: Float64, count: int, fps: float, grey: bool, rng: np.random.Generator) -> UInt8:
    """(N, 144) looks of one identity in frames that follow each other."""
    keep = math.exp(-1 / (fps * _WAVERS_S))
    drift = rng.normal(0, _WAVERS, (count, SIZE))
    drift[1:] *= math.sqrt(1 - keep * keep)
    for row in range(1, count):
        drift[row] += keep * drift[row - 1]
    shares = np.exp(base + drift + rng.normal(0, _SHIMMERS, (count, SIZE))).reshape(count, 2, _LIGHTNESS, _COLOURS)
    if grey:
        whole = shares.sum(axis=3)
        shares = np.zeros_like(shares)
        shares[..., _GREY] = whole
    shares /= shares.sum(axis=(2, 3), keepdims=True)
    return np.round(np.sqrt(shares) * 255).reshape(count, SIZE).astype(np.uint8)
