"""What is still found of a crowded scene when no frames come for a while, such as between a sampler's death and its
successor's first frame.

The records of ``benchmarks/events.py`` at 3.5 frames a second, each hole cut out of them at nine moments in turn; what
comes after it is of a newer epoch, as a successor's is. Everything that happens is asked for, in the hole too.

    LANEWATCH_DATA=... python -m benchmarks.frame_gaps [--json] [--seed 2009]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from benchmarks import events, truth
from benchmarks.events import KINDS, KISA, Count
from lanewatch.records import Detections

HOLES_S = (0.0, 5.0, 10.0, 15.0)
MOMENTS_S = range(8, 105, 12)
EVERY = 2
LAYOUTS = 6


def cut(records: Sequence[Detections], at_s: float, hole_s: float) -> list[Detections]:
    """The records without those of a hole; ``at_s`` after the first one's capture."""
    begin = records[0].captured_at + at_s
    before = [record for record in records if record.captured_at < begin]
    after = [record for record in records if record.captured_at >= begin + hole_s]
    return before + [msgspec.structs.replace(record, epoch=record.epoch + 1) for record in after]


def measure(records: Sequence[Detections], paths: list[truth.Path2D], seed: int) -> dict[str, Any]:
    """``rows`` by kind and length of the hole: F1, and what was found, false and missed at all moments together."""
    width, height = records[0].width, records[0].height
    layouts = truth.layouts(paths, width, height, events.HEIGHTS, seed, LAYOUTS)
    rows = []
    for hole_s in HOLES_S:
        total = dict.fromkeys(KINDS, Count())
        for at_s in MOMENTS_S:
            played = cut(records, at_s, hole_s)
            for layout in layouts:
                for kind, one in _scored(played, records[0].captured_at, paths, layout).items():
                    total[kind] = total[kind].plus(one)
        for kind, one in total.items():
            row = {"kind": kind, "hole_s": hole_s, "f1": round(one.f1, 4), "n": one.hits + one.missed}
            rows.append(row | one._asdict())
    rows.sort(key=lambda row: KINDS.index(str(row["kind"])))
    return {"set": "pets09-s2l1", "layouts": LAYOUTS, "seed": seed, "moments": len(MOMENTS_S), "rows": rows}


def _scored(
    records: Sequence[Detections], begin: float, paths: list[truth.Path2D], layout: truth.Layout
) -> dict[str, Count]:
    size = records[0].width, records[0].height
    site = events.site("file:none", events.zones_of(layout, *size), events.lines_of(layout, *size))
    raised = events.alarms(records, site)
    return {
        kind: events.count([at - begin for at in raised[kind]], happenings, KISA)
        for kind, happenings in events.truths_of(paths, layout).items()
    }


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    lines = [
        f"{report['set']}, {report['layouts']} layouts of seed {report['seed']}, a hole at {report['moments']} moments",
        f"{'kind':<14}{'hole':>6}{'n':>7}{'F1':>7}{'false':>7}{'missed':>7}",
    ]
    for row in report["rows"]:
        hole = f"{row['hole_s']:g} s"
        lines.append(f"{row['kind']:<14}{hole:>6}{row['n']:>7}{row['f1']:>7.3f}{row['false']:>7}{row['missed']:>7}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--json", action="store_true", help="one object instead of a table")
    parser.add_argument("--seed", type=int, default=events.SEED, help="of the layouts (%(default)s)")
    options = parser.parse_args(arguments)
    folder = truth.folder()
    paths = truth.people(folder / "pets09-s2l1" / "gt.txt", events.FPS)
    records = events.thinned(events.footage(folder), EVERY)
    report = measure(records, paths, options.seed)
    print(json.dumps(report) if options.json else table(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
