"""Who gets which: the assignment of least cost between rows and columns, where a row may also go without.

R. Jonker and A. Volgenant, A shortest augmenting path algorithm for dense and sparse linear assignment problems,
Computing 38, 1987. A dozen rows take some microseconds, which is what scipy's needs to check its arguments.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lanewatch.records import Bool, Float64, Int64
from models.tracking.jit import compiled, compiled_cached

FAR: Final = 1e9
"""The cost of what cannot be: finite, so that sums stay comparable."""


@compiled_cached  # on its own too, for evaluations; it stands in one file with all of its parts
def assign(cost: Float64, limit: float) -> Int64:
    """For each row its column or -1, so that the sum of costs is least, where leaving a row out costs ``limit``.

    Ties go to the lower index. Costs at or above ``limit`` are never taken.
    """
    rows, columns = cost.shape
    wide = columns + rows  # a column of its own for each row that stays out
    row_price, column_price, least = np.zeros(rows + 1), np.zeros(wide + 1), np.zeros(wide + 1)
    owner, way = np.zeros(wide + 1, np.int64), np.zeros(wide + 1, np.int64)
    used = np.zeros(wide + 1, np.bool_)
    for row in range(1, rows + 1):
        owner[0] = row
        least[:] = np.inf
        used[:] = False
        column = 0
        while owner[column]:
            column = _widen(cost, limit, column, row_price, column_price, least, owner, way, used)
        while column:
            owner[column] = owner[way[column]]
            column = way[column]
    matched = np.full(rows, -1)
    for j in range(1, columns + 1):
        if owner[j] and cost[owner[j] - 1, j - 1] < limit:
            matched[owner[j] - 1] = j - 1
    return matched


@compiled
def _widen(
    cost: Float64,
    limit: float,
    column: int,
    row_price: Float64,
    column_price: Float64,
    least: Float64,
    owner: Int64,
    way: Int64,
    used: Bool,
) -> int:
    """Takes a column into the tree of ``assign`` and gives the next nearest."""
    columns = cost.shape[1]
    used[column] = True
    row = owner[column]
    nearest, delta = 0, np.inf
    for j in range(1, len(least)):
        if used[j]:
            continue
        price = cost[row - 1, j - 1] if j <= columns else (limit if j == len(least) - row else FAR)
        reduced = price - row_price[row] - column_price[j]
        if reduced < least[j]:
            least[j], way[j] = reduced, column
        if least[j] < delta:
            nearest, delta = j, least[j]
    for j in range(len(least)):
        if used[j]:
            row_price[owner[j]] += delta
            column_price[j] -= delta
        else:
            least[j] -= delta
    return nearest
