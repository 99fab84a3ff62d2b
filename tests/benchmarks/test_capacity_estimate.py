from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.capacity_estimate import Deployment, UnitCosts, requirements

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"


@pytest.mark.parametrize(
    ("column", "cameras"),
    [
        (1, 700),
        (2, 3_500),
        (3, 100_000),
    ],
)
def test_the_documentation_shows_the_computed_figures(column: int, cameras: int) -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    begin = next(number for number, line in enumerate(lines) if re.match(r"\| *\| 700 cameras", line))
    cells = []
    for line in lines[begin + 2 :]:
        if not line.startswith("|"):
            break
        cells.append(float(line.strip("|").split("|")[column].strip().replace(",", "")))
    computed = requirements(Deployment(cameras), UnitCosts())
    assert computed.pop("cameras") == cameras
    assert cells == list(computed.values())
