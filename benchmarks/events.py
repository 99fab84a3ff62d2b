"""Events against the ground truth of pets09-s2l1, at 7, 3.5 and 2.33 frames a second, in KISA's window.

LANEWATCH_DATA=... python -m benchmarks.events [--json] [--seed 1]    (protocol: benchmarks/PROTOCOLS.md)
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import shapely

from benchmarks import clips, command, zone_event_ground_truth
from benchmarks.clips import NAME, thinned
from benchmarks.datasets import KISA_WINDOW_S, PETS, PETS_FPS, videos
from benchmarks.zone_event_ground_truth import LabelledEvent, Layout, PersonPath
from detectors.evaluation.matching import Instant, f1, match
from lanewatch.config.site import BehaviourConfig, Line, Site, Zone
from lanewatch.records import Detections

EVERY = (1, 2, 3)
ZONE_HEIGHTS = 4.5
"""Least width of a zone in body heights."""
SMALLER_ZONE_HEIGHTS = (3.0, 2.0, 1.0)
LAYOUTS = 20
SEED = 2009
"""Of the reported layouts. Those of seeds 1-5 were used while the behaviours were developed."""
TIGHT_WINDOW_S = (1.0, 2.0)
RANDOM_DRAWS = 200
THRESHOLDS = {"loitering": {"dwell_s": zone_event_ground_truth.LOITERING_S}}
"""All other thresholds are the defaults."""
KINDS = ("loitering", "intrusion", "line_crossing")


class Count(NamedTuple):
    """Alarms that match a truth, false alarms, and missed truths."""

    hits: int = 0
    false: int = 0
    missed: int = 0

    @property
    def f1(self) -> float:
        return f1(*self)

    def plus(self, other: Count) -> Count:
        return Count(self.hits + other.hits, self.false + other.false, self.missed + other.missed)


def pets_detections(folder: Path, name: str = PETS) -> list[Detections]:
    """The bundled detector's records of each frame of a PETS 2009 clip."""
    clip = next(iter(videos(folder, f"{name}/*")), None)
    if clip is None:
        raise FileNotFoundError(f"{folder / name}: there is no video")
    return clips.detections(clip, PETS_FPS)


def score(
    records: Sequence[Detections], paths: list[PersonPath], layouts: Sequence[Layout]
) -> tuple[dict[str, Count], ...]:
    """By kind: counts in KISA's window, in the tight one, and for as many alarms at random times."""
    size = records[0].width, records[0].height
    begin, end = records[0].captured_at, records[-1].captured_at
    wide, tight, chance = ({kind: Count() for kind in KINDS} for _ in range(3))
    draw = random.Random(0)
    for layout in layouts:
        raised = alarms(records, layout_site(layout, *size))
        for kind, truths in ground_truth(paths, layout).items():
            times = [at - begin for at in raised[kind]]
            wide[kind] = wide[kind].plus(count(times, truths, KISA_WINDOW_S))
            tight[kind] = tight[kind].plus(count(times, truths, TIGHT_WINDOW_S))
            for _ in range(RANDOM_DRAWS):
                at_random = [draw.uniform(0, end - begin) for _ in times]
                chance[kind] = chance[kind].plus(count(at_random, truths, KISA_WINDOW_S))
    return wide, tight, chance


def alarms(records: Iterable[Detections], site: Site) -> dict[str, list[float]]:
    """The capture times at which events of each kind open."""
    raised: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for event in clips.opened_events(records, site):
        raised[event.kind].append(event.updated_at)
    return raised


def count(alarm_times: Sequence[float], truths: Sequence[LabelledEvent], window: tuple[float, float]) -> Count:
    """Matches alarms and truths of one zone or line; an alarm for an ignored truth is not false."""
    before_s, after_s = window
    required = [Instant("", truth.at) for truth in truths if not truth.ignored]
    ignored = [Instant("", truth.at) for truth in truths if truth.ignored]
    matched = match([Instant("", at) for at in alarm_times], required, before_s=before_s, after_s=after_s)
    unmatched = [Instant("", alarm_times[index]) for index in matched.false]
    excused = match(unmatched, ignored, before_s=before_s, after_s=after_s)
    return Count(len(matched.pairs), len(excused.false), len(matched.missed))


def ground_truth(paths: list[PersonPath], layout: Layout) -> dict[str, list[LabelledEvent]]:
    """The true events in a layout, by kind."""
    return {
        "loitering": zone_event_ground_truth.loiterings(paths, layout.watch),
        "intrusion": zone_event_ground_truth.intrusions(paths, layout.closed),
        "line_crossing": zone_event_ground_truth.crossings(paths, layout.line),
    }


def layout_site(layout: Layout, width: int, height: int) -> Site:
    """The clip's camera with a layout's zones and line."""
    zones, lines = zones_of(layout, width, height), lines_of(layout, width, height)
    site = clips.site(Path("none"), PETS_FPS, zones=zones, lines=lines)
    behaviours = {kind: BehaviourConfig(thresholds=dict(values)) for kind, values in THRESHOLDS.items()}
    return site.model_copy(update={"behaviours": behaviours})


def zones_of(layout: Layout, width: int, height: int) -> tuple[Zone, ...]:
    """A layout's zones for a site file."""
    return (
        Zone(id="watch", name=NAME, kind="watch", polygon=_fractions(layout.watch.exterior, width, height)[:-1]),
        Zone(id="closed", name=NAME, kind="closed", polygon=_fractions(layout.closed.exterior, width, height)[:-1]),
    )


def lines_of(layout: Layout, width: int, height: int) -> tuple[Line, ...]:
    """A layout's line for a site file."""
    first, second = _fractions(layout.line, width, height)
    return (Line(id="line", name=NAME, points=(first, second)),)


def _fractions(shape: shapely.LineString, width: int, height: int) -> tuple[tuple[float, float], ...]:
    return tuple((x / width, y / height) for x, y in shape.coords)


def measure(records: Sequence[Detections], paths: list[PersonPath], seed: int) -> dict[str, Any]:
    """``rows`` by kind and rate; ``smaller`` has the same for smaller zones."""
    rows: list[dict[str, Any]] = []
    smaller: list[dict[str, Any]] = []
    for heights in (ZONE_HEIGHTS, *SMALLER_ZONE_HEIGHTS):
        layouts = zone_event_ground_truth.layouts(paths, records[0].width, records[0].height, heights, seed, LAYOUTS)
        for every in EVERY:
            scored = score(thinned(records, every), paths, layouts)
            made = [_row(kind, PETS_FPS / every, heights, *(counts[kind] for counts in scored)) for kind in KINDS]
            (rows if heights == ZONE_HEIGHTS else smaller).extend(made)
    return {
        "set": PETS,
        "layouts": LAYOUTS,
        "seed": seed,
        "model": next(record.model for record in records if record.gap is None),
        "thresholds": THRESHOLDS,
        "rows": sorted(rows, key=lambda row: KINDS.index(row["kind"])),
        "smaller": [row for row in smaller if row["kind"] != "line_crossing"],
    }


def _row(kind: str, fps: float, heights: float, wide: Count, tight: Count, chance: Count) -> dict[str, Any]:
    return {
        "kind": kind,
        "fps": round(fps, 2),
        "f1": round(wide.f1, 4),
        "n": wide.hits + wide.missed,
        "hits": wide.hits,
        "false": wide.false,
        "missed": wide.missed,
        "tight_f1": round(tight.f1, 4),
        "chance": round(chance.f1, 4),
        "zone_heights": heights,
    }


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    formats = {"kind": "", "zone_heights": "g", "fps": ".2f", "n": "", "f1": ".3f", "tight_f1": ".3f", "chance": ".2f"}
    lines = [
        f"{report['set']}, {report['layouts']} layouts of seed {report['seed']}, {report['model']}",
        "F1 from 2 s before to 10 s after the truth (KISA); tight: 1 s before to 2 s after; chance: as many alarms at "
        "random times; zone heights: least width of zones in body heights",
        *command.aligned(report["rows"] + report["smaller"], formats | {"false": "", "missed": ""}),
    ]
    return "\n".join(lines)


def main() -> None:
    """Prints the report."""
    parser = command.parser(__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="of the layouts (%(default)s)")
    options = parser.parse_args()
    folder = command.data_folder()
    paths = zone_event_ground_truth.person_paths(folder / PETS / "gt.txt", PETS_FPS)
    command.show(measure(pets_detections(folder), paths, options.seed), table, options.json)


if __name__ == "__main__":
    main()
