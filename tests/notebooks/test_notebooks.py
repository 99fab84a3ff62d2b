from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[2] / "notebooks"


def run(name: str) -> Any:
    notebook: Any = nbformat.read(FOLDER / name, as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": FOLDER}}).execute()
    return notebook


def texts(notebook: Any) -> str:
    outputs = (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    return "".join(output.get("text", "") for output in outputs)


def pictures(notebook: Any) -> int:
    outputs = (output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs)
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the kernel's client, not ours
def test_clip_to_events_finds_the_labelled_events_and_a_longer_loitering_threshold_finds_fewer() -> None:
    notebook = run("01-clip-to-events.ipynb")
    output = texts(notebook)
    shipped = next(line for line in output.splitlines() if line.startswith("as shipped"))
    longer = next(line for line in output.splitlines() if line.startswith("30 s"))
    assert float(shipped.split()[-1]) >= 0.9
    assert float(longer.split()[-1]) < float(shipped.split()[-1])
    assert pictures(notebook) == 3
    assert "playing lane-01: |" in output, "the progress of detect"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of the kernel's client, not ours
def test_simulated_nights_are_made_and_evaluated_and_labelled_as_simulated() -> None:
    notebook = run("02-simulate-and-evaluate.ipynb")
    output = texts(notebook)
    labelled = [line for line in output.splitlines() if line.startswith("lane-")]
    assert f"{len(labelled)} thefts, in " in output, "the simulator's own count"
    assert f"\n| all | {len(labelled)} |" in output, "the count of evaluate"
    counts = next(line.split() for line in output.splitlines() if line.startswith("SIMULATED: ") and "alerts" in line)
    assert len(labelled) / 2 <= int(counts[1]) <= 2 * len(labelled)
    assert pictures(notebook) == 1
