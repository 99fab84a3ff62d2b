"""The judgement under perturbations of real footage: mirrored, darker, compressed, cropped, shaken, slower, faster.

Each part is a module of ``benchmarks.acts`` with a function ``robust``. The worst perturbation counts. PROTOCOLS.md
defines the counts, and ``benchmarks.perturbations`` the changes. Detections are kept in var/benchmarks: the first run
takes hours, the next ones minutes.

    LANEWATCH_DATA=... python -m benchmarks.robustness [--json] [--only demo,falls] [--changes none,mirrored]
"""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks import command
from benchmarks.perturbations import PERTURBATIONS

PARTS = {
    "demo": "demo",
    "falls": "falls",
    "fights": "fights",
    "harmless": "harmless_footage",
    "faint": "faint_people",
    "loitering": "loitering_tracks",
}
"""Names of the parts and their modules."""
KEYS = (
    "demo_found_worst, demo_false_worst, falls_worst, falls_false_worst, fights_balanced_worst, false_per_hour, "
    "faint_found, loitering_auc"
)


def main() -> None:
    """Prints the report."""
    parser = command.parser(__doc__, KEYS)
    parser.add_argument("--only", metavar="PARTS", help=f"some of {','.join(PARTS)}")
    names = [change.name for change in PERTURBATIONS]
    listed = ", ".join(names).replace("%", "%%")
    parser.add_argument("--changes", metavar="NAMES", help=f"some of {listed}, with commas; the worst of them counts")
    options = parser.parse_args()
    changes = names if options.changes is None else options.changes.split(",")
    if unknown := [name for name in changes if name not in names]:
        parser.error(f"no change {unknown[0]!r}; there are {', '.join(names)}")
    chosen = tuple(change for change in PERTURBATIONS if change.name in changes)
    parts = list(PARTS) if options.only is None else options.only.split(",")
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    folder = command.data_folder()
    modules = [importlib.import_module(f"benchmarks.acts.{PARTS[part]}") for part in parts]
    figures: dict[str, Any] = {}
    for module in modules:
        figures |= module.robust(folder, chosen)
    command.show(figures, lambda report: "\n".join(module.robust_table(report) for module in modules), options.json)


if __name__ == "__main__":
    main()
