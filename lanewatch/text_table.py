"""Tables on a terminal, in columns that Korean letters keep to as well."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def columns(rows: Sequence[Sequence[str]], *, indent: str = "") -> list[str]:
    """Lines with the cells of each row below each other; the last cell is not filled up."""
    widths = [max(width(row[column]) for row in rows) for column in range(len(rows[0]) - 1)] if rows else []
    lines = []
    for row in rows:
        cells = [cell + " " * (room - width(cell)) for cell, room in zip(row, widths, strict=False)]
        lines.append((indent + "  ".join([*cells, row[-1]])).rstrip())
    return lines


def width(text: str) -> int:
    """Columns that a text takes on a terminal: Korean letters take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)
