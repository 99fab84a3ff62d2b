"""The assignment of least cost between rows and columns, where a row may also stay unassigned.

R. Jonker and A. Volgenant, A shortest augmenting path algorithm for dense and sparse linear assignment problems,
Computing 38, 1987. A dozen rows take some microseconds. Compiled code can't call scipy's function.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from lanewatch.records import Bool, Float64, Int64
from models.tracking.jit import compiled, compiled_cached

FAR: Final = 1e9
"""The cost of an impossible pair: finite, so that sums stay comparable."""


@compiled_cached  # cached on its own too, for evaluations; all its parts are in this file
def assign(cost: Float64, limit: float) -> Int64:
    """For each row its column or -1, so that the sum of costs is least, where an unassigned row costs ``limit``.

    Ties go to the lower index. Costs at or above ``limit`` are never taken.
    """
    rows, columns = cost.shape
    total = columns + rows  # one more column for each row, for staying unassigned
    row_price, column_price, least = np.zeros(rows + 1), np.zeros(total + 1), np.zeros(total + 1)
    row_of, previous = np.zeros(total + 1, np.int64), np.zeros(total + 1, np.int64)
    used = np.zeros(total + 1, np.bool_)
    for row in range(1, rows + 1):
        row_of[0] = row
        least[:] = np.inf
        used[:] = False
        column = 0
        while row_of[column]:
            column = _grow_tree(cost, limit, column, row_price, column_price, least, row_of, previous, used)
        while column:
            row_of[column] = row_of[previous[column]]
            column = previous[column]
    matched = np.full(rows, -1)
    for j in range(1, columns + 1):
        if row_of[j] and cost[row_of[j] - 1, j - 1] < limit:
            matched[row_of[j] - 1] = j - 1
    return matched


@compiled
def _grow_tree(
    cost: Float64,
    limit: float,
    column: int,
    row_price: Float64,
    column_price: Float64,
    least: Float64,
    row_of: Int64,
    previous: Int64,
    used: Bool,
) -> int:
    """Adds a column to the shortest path tree of ``assign`` and returns the nearest column outside."""
    columns = cost.shape[1]
    used[column] = True
    row = row_of[column]
    nearest, delta = 0, np.inf
    for j in range(1, len(least)):
        if used[j]:
            continue
        price = cost[row - 1, j - 1] if j <= columns else (limit if j == len(least) - row else FAR)
        reduced = price - row_price[row] - column_price[j]
        if reduced < least[j]:
            least[j], previous[j] = reduced, column
        if least[j] < delta:
            nearest, delta = j, least[j]
    for j in range(len(least)):
        if used[j]:
            row_price[row_of[j]] += delta
            column_price[j] -= delta
        else:
            least[j] -= delta
    return nearest
