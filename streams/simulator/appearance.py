"""Simulated appearance descriptors, in the format that a detect worker writes for a person's clothes.

A descriptor is the square root of two histograms, one for each half of a box. Each has 8 steps of lightness by 3 by 3
of colour. Each identity has its own descriptor, which varies from frame to frame. The three spreads were set to match
the similarities that the bundled descriptor gives on pets09-s2l1. There one person has .89 after half a second and .83
after three; two people in one frame have .53. Under infrared there is no colour, and people are more alike.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from lanewatch.records import Float64, UInt8
from streams.simulator.noise import autoregressive

SIZE: Final = 144
_LIGHTNESS, _COLOURS, _GREY = 8, 9, 4
_BETWEEN_IDENTITIES: Final = 1.5  # spread of log shares
_OVER_SECONDS: Final = 0.95
_BETWEEN_FRAMES: Final = 0.6
_MEMORY_S: Final = 2.5
_GREY_EXCESS: Final = 2.2  # log; nearly grey colours are more common


def random_identity(rng: np.random.Generator) -> Float64:
    """(144,) log shares of an identity's colours."""
    usual = np.full((2, _LIGHTNESS, _COLOURS), -_GREY_EXCESS)
    usual[:, :, _GREY] = _GREY_EXCESS * 0.3
    usual -= np.abs(np.arange(_LIGHTNESS) - 3.0)[None, :, None] * 0.45
    return (usual + rng.normal(0, _BETWEEN_IDENTITIES, usual.shape)).reshape(SIZE)


def descriptors(identity: Float64, count: int, fps: float, infrared: bool, rng: np.random.Generator) -> UInt8:
    """(N, 144) descriptors of an identity in consecutive frames."""
    variation = autoregressive(rng.normal(0, _OVER_SECONDS, (count, SIZE)), math.exp(-1 / (fps * _MEMORY_S)))
    shares = np.exp(identity + variation + rng.normal(0, _BETWEEN_FRAMES, (count, SIZE)))
    shares = shares.reshape(count, 2, _LIGHTNESS, _COLOURS)
    if infrared:
        lightness = shares.sum(axis=3)
        shares = np.zeros_like(shares)
        shares[..., _GREY] = lightness
    shares /= shares.sum(axis=(2, 3), keepdims=True)
    return np.round(np.sqrt(shares) * 255).reshape(count, SIZE).astype(np.uint8)
