"""Event F1 in a crowded scene if frames are missing for a while, such as between a sampler's death and its successor.

LANEWATCH_DATA=... python -m benchmarks.frame_gaps [--json] [--seed 2009]    (protocol: benchmarks/PROTOCOLS.md)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from benchmarks import command, events, zone_event_ground_truth
from benchmarks.clips import thinned
from benchmarks.datasets import KISA_WINDOW_S, PETS, PETS_FPS
from benchmarks.events import KINDS, Count
from benchmarks.zone_event_ground_truth import Layout, PersonPath
from lanewatch.records import Detections

GAPS_S = (0.0, 5.0, 10.0, 15.0)
MOMENTS_S = range(8, 105, 12)
EVERY = 2
LAYOUTS = 6


def cut(records: Sequence[Detections], at_s: float, gap_s: float) -> list[Detections]:
    """The records without those of a gap that begins ``at_s`` seconds after the first one."""
    begin = records[0].captured_at + at_s
    before = [record for record in records if record.captured_at < begin]
    after = [record for record in records if record.captured_at >= begin + gap_s]
    return before + [msgspec.structs.replace(record, epoch=record.epoch + 1) for record in after]


def measure(records: Sequence[Detections], paths: list[PersonPath], seed: int) -> dict[str, Any]:
    """``rows`` by kind and length of the gap: F1 and counts over all moments."""
    width, height = records[0].width, records[0].height
    layouts = zone_event_ground_truth.layouts(paths, width, height, events.ZONE_HEIGHTS, seed, LAYOUTS)
    rows = []
    for gap_s in GAPS_S:
        total = dict.fromkeys(KINDS, Count())
        for at_s in MOMENTS_S:
            played = cut(records, at_s, gap_s)
            for layout in layouts:
                for kind, counts in _counts(played, records[0].captured_at, paths, layout).items():
                    total[kind] = total[kind].plus(counts)
        for kind, counts in total.items():
            row = {"kind": kind, "hole_s": gap_s, "f1": round(counts.f1, 4), "n": counts.hits + counts.missed}
            rows.append(row | counts._asdict())
    rows.sort(key=lambda row: KINDS.index(str(row["kind"])))
    return {"set": PETS, "layouts": LAYOUTS, "seed": seed, "moments": len(MOMENTS_S), "rows": rows}


def _counts(records: Sequence[Detections], begin: float, paths: list[PersonPath], layout: Layout) -> dict[str, Count]:
    raised = events.alarms(records, events.layout_site(layout, records[0].width, records[0].height))
    return {
        kind: events.count([at - begin for at in raised[kind]], truths, KISA_WINDOW_S)
        for kind, truths in events.ground_truth(paths, layout).items()
    }


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    formats = {"kind": "", "hole_s": "g", "n": "", "f1": ".3f", "false": "", "missed": ""}
    layouts = f"{report['set']}, {report['layouts']} layouts of seed {report['seed']}"
    title = f"{layouts}, a gap at {report['moments']} moments"
    return "\n".join([title, *command.aligned(report["rows"], formats)])


def main() -> None:
    """Prints the report."""
    parser = command.parser(__doc__)
    parser.add_argument("--seed", type=int, default=events.SEED, help="of the layouts (%(default)s)")
    options = parser.parse_args()
    folder = command.data_folder()
    paths = zone_event_ground_truth.person_paths(folder / PETS / "gt.txt", PETS_FPS)
    records = thinned(events.pets_detections(folder), EVERY)
    command.show(measure(records, paths, options.seed), table, options.json)


if __name__ == "__main__":
    main()
