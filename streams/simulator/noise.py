"""Random noise that is correlated in time."""

from __future__ import annotations

import numpy as np

from lanewatch.records import Float64


def autoregressive(noise: Float64, memory: float) -> Float64:
    """Turns independent rows into a first-order autoregressive series of the same variance, in place.

    ``memory`` is the correlation of a row with the row before.
    """
    noise[1:] *= np.sqrt(1 - memory * memory)
    for row in range(1, len(noise)):
        noise[row] += memory * noise[row - 1]
    return noise
