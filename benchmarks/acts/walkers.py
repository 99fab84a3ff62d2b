"""Who walks is no loiterer: real walkers, timed and in metres, as loitering input.

Each set (every ``obsmat.txt`` below ``trajectories``: ETH, Hotel, UCY zara01) is put before a made-up camera, its
annotations (each 0.4 s) taken as records: once as a perfect detector would give them, once through the detector model
of ``streams.simulator``. Ten seeded zones of 4.5 body heights across are drawn over where people walk. Nothing is
known of what anybody was up to, so each alarm is told apart by what its walker truly did, from the metres alone:

- *group*: he stood and talked: slower than 0.3 m/s, within 1.5 m of another as slow, for 5 s, some of it in the minute
  before the alarm. Loitering by the letter, and nobody's business; counted apart.
- *stay*: his foot was in the zone for as long as the threshold asks, less a second: an alarm that has its reason.
- *false*: neither. ``false_loitering_per_walker_hour`` is by the model, at the threshold that is usual by day (30 s);
  at KISA's ten seconds it is printed beside it: a zone is 4.5 body heights across, and who strolls needs that long.

A walker-hour is an hour of one person in view of one zone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks import truth
from benchmarks.truth import Path2D
from detectors.behaviours.registry import installed
from detectors.watch_stage import WatchStage
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import BehaviourConfig, Camera, Site, Zone
from lanewatch.records import PERSON, Bool, Detections, Event, Float64
from streams.simulator import appearance, detector, scene
from streams.simulator.actors import SIZES
from streams.simulator.detector import NamedBoxes, SceneObjects

STEP_S: Final = 0.4
"""Between annotations, in each of the three sets."""
FPS: Final = 1 / STEP_S
SLOW, NEAR_M, TALK_S, RECENT_S = 0.3, 1.5, 5.0, 60.0
HEIGHTS, ZONES, SEED = 4.5, 10, 11
CHUNK: Final = 150
DWELLS: Final = (10.0, 30.0)
"""KISA's, and the usual one by day."""
NOON: Final = 1_768_446_000
ZONE_GRACE_S: Final = 1.0
NAME: Final = LocalizedName(ko="시험", en="Trial")
PLACE: Final = scene.LaneScene(9.0, 0.5, 620.0, 17.0, 0.0, (0, 1, 0, 1), (0, 1, 0, 1))
"""Nine metres up, looking down on a square of some 15 m whose middle is 17 m away."""


class Crowd(NamedTuple):
    """The walkers of a set on the grid of its annotations: (F, P, 2) metres, nan where somebody is not there."""

    name: str
    spots: Float64

    @property
    def there(self) -> Bool:
        known: Bool = np.isfinite(self.spots[..., 0])
        return known

    @property
    def hours(self) -> float:
        """Walker-hours in view."""
        return float(self.there.sum()) * STEP_S / 3600


def crowds(folder: Path) -> list[Crowd]:
    """All sets that lie below ``trajectories``.

    Raises:
        FileNotFoundError: there is none.
    """
    files = sorted((folder / "trajectories").rglob("obsmat.txt"))
    if not files:
        raise FileNotFoundError(f"{folder / 'trajectories'}: no walkers (obsmat.txt) below it")
    return [_crowd(file) for file in files]


def _crowd(file: Path) -> Crowd:
    rows = np.loadtxt(file)
    own, person = np.unique(rows[:, 1], return_inverse=True)
    steps = np.diff(np.unique(rows[:, 0]))
    step = np.bincount(steps[steps > 0].astype(int)).argmax()  # frames between annotations
    frame = np.round((rows[:, 0] - rows[:, 0].min()) / step).astype(int)
    spots = np.full((frame.max() + 1, len(own), 2), np.nan)
    spots[frame, person] = rows[:, [2, 4]]
    middle = (np.nanquantile(spots, 0.02, axis=(0, 1)) + np.nanquantile(spots, 0.98, axis=(0, 1))) / 2
    return Crowd(file.parent.name, spots - middle)


def talking(crowd: Crowd) -> Bool:
    """(F, P) who stands and talks then: see the module's page."""
    slow = np.zeros(crowd.there.shape, bool)
    moved = np.hypot(*np.moveaxis(crowd.spots[3:] - crowd.spots[:-3], 2, 0)) / (3 * STEP_S)
    slow[1:-2] = np.nan_to_num(moved, nan=np.inf) < SLOW
    together = np.zeros_like(slow)
    for frame in np.flatnonzero(slow.sum(axis=1) > 1):
        who = np.flatnonzero(slow[frame])
        here = crowd.spots[frame][who]
        apart = np.hypot(*np.moveaxis(here[:, None] - here[None], 2, 0))
        together[frame, who] = (apart + np.where(np.eye(len(who), dtype=bool), np.inf, 0)).min(axis=1) <= NEAR_M
    return _lasting(together, round(TALK_S / STEP_S))


def _lasting(held: Bool, least: int) -> Bool:
    """Only those runs down the columns that are long enough."""
    kept = np.zeros_like(held)
    for column, own in enumerate(held.T):
        edges = np.flatnonzero(np.diff(np.concatenate(([False], own, [False])).astype(np.int8)))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            kept[begin:end, column] = end - begin >= least
    return kept


def boxes(crowd: Crowd) -> tuple[Float64, Float64, Bool]:
    """(F, P, 4) pixels, (F, P) metres from the camera, (F, P) whether in the picture."""
    frames, people = crowd.there.shape
    size = np.tile(SIZES["person"], (frames * people, 1))
    whole, far, before = PLACE.boxes(np.nan_to_num(crowd.spots).reshape(-1, 2), size)
    whole, far, before = whole.reshape(frames, people, 4), far.reshape(frames, people), before.reshape(frames, people)
    there = crowd.there & before & (detector.visible(whole, (scene.WIDTH, scene.HEIGHT)) > 0.9)
    return whole, far, there


def records(crowd: Crowd, model: bool) -> Iterator[Detections]:
    """What a detector gives out: a perfect one, or the simulator's model of one."""
    rng = np.random.default_rng(SEED)
    whole, far, there = boxes(crowd)
    people = whole.shape[1]
    size = (scene.WIDTH, scene.HEIGHT)
    bases = np.stack([appearance.identity(rng) for _ in range(people)])
    if model:
        seen = []
        for begin in range(0, len(whole), CHUNK):  # with those who are there then: all pairs are compared
            part = slice(begin, begin + CHUNK)
            who = np.flatnonzero(there[part].any(axis=0))
            here = there[part][:, who]
            sight = SceneObjects(
                whole[part][:, who], here, far[part][:, who], here, ("person",) * len(who), bases[who], size
            )
            seen += [glimpse.named for glimpse in detector.simulate_detections(sight, FPS, "day", rng)]
    else:
        look = np.concatenate([appearance.describe(base, 1, FPS, False, rng) for base in bases])
        seen = [
            NamedBoxes(whole[f, own], np.full(len(own), 0.8), np.full(len(own), PERSON, np.uint8), look[own])
            for f, own in enumerate(map(np.flatnonzero, there))
        ]
    for frame, one in enumerate(seen):
        yield detector.record("walkers", NOON * 1000 + round(frame * STEP_S * 1000), size, one)


def paths(crowd: Crowd) -> list[Path2D]:
    """The walkers in pixels, as zones are drawn and stays are computed from them."""
    whole, _, there = boxes(crowd)
    feet = np.stack([(whole[..., 0] + whole[..., 2]) / 2, whole[..., 3]], axis=-1)
    tall: Float64 = whole[..., 3] - whole[..., 1]
    grid: Float64 = np.arange(len(whole), dtype=np.float64) * STEP_S
    return [
        Path2D(one, grid[there[:, one]], feet[there[:, one], one], tall[there[:, one], one])
        for one in range(whole.shape[1])
        if there[:, one].any()
    ]


def site(zones: list[truth.Layout], dwell_s: float) -> Site:
    """All zones on one camera, which is asked for loitering alone."""
    drawn = tuple(
        Zone(id=f"zone-{number}", name=NAME, kind="watch", polygon=_fractions(one)) for number, one in enumerate(zones)
    )
    others = {kind: BehaviourConfig(enabled=False) for kind in installed() if kind != "loitering"}
    camera = Camera(id="walkers", name=NAME, url="rtsp://none.invalid", latitude=36.78, longitude=126.45, zones=drawn)
    loitering = BehaviourConfig(thresholds={"dwell_s": dwell_s})
    return Site(name=NAME, cameras=(camera,), behaviours={**others, "loitering": loitering})


def _fractions(layout: truth.Layout) -> tuple[tuple[float, float], ...]:
    return tuple((x / scene.WIDTH, y / scene.HEIGHT) for x, y in layout.watch.exterior.coords[:-1])


def count(crowd: Crowd, dwell_s: float, model: bool, zones: list[truth.Layout]) -> Counter[str]:
    """Alarms by what their walker truly did."""
    watcher = WatchStage(site(zones, dwell_s), run="benchmark")
    state = watcher.start("walkers")
    walkers, talks = paths(crowd), talking(crowd)
    found: Counter[str] = Counter()
    for record in records(crowd, model):
        state, events = watcher.step(state, record)
        for event in events:
            if event.state == "open":
                found[_reason(event, walkers, talks, zones, dwell_s)] += 1
    return found


def _reason(event: Event, walkers: list[Path2D], talks: Bool, zones: list[truth.Layout], dwell_s: float) -> str:
    """``group``, ``stay`` or ``false``; whom an alarm is about is who stands where its best picture has its box."""
    at = event.peak.captured_at - NOON
    foot = np.array([(event.peak.box[0] + event.peak.box[2]) / 2, event.peak.box[3]])
    tall = event.peak.box[3] - event.peak.box[1]
    near = [one for one in walkers if one.times[0] - STEP_S <= at <= one.times[-1] + STEP_S]
    away = [float(np.hypot(*(_foot(one, at) - foot))) for one in near]
    if not away or min(away) > tall / 2:
        return "false"
    walker = near[int(np.argmin(away))]
    raised = event.started_at - NOON
    recent = slice(max(int((raised - RECENT_S) / STEP_S), 0), int(raised / STEP_S) + 1)
    if talks[recent, walker.person].any():
        return "group"
    zone = zones[int(event.zone.removeprefix("zone-"))].watch
    stays = list(truth.stays(walker, zone))
    reason = any(begin - 2 <= raised and min(end, raised) - begin >= dwell_s - ZONE_GRACE_S for begin, end in stays)
    return "stay" if reason else "false"


def _foot(walker: Path2D, at: float) -> Float64:
    return np.array([np.interp(at, walker.times, walker.feet[:, axis]) for axis in (0, 1)])


def measure(folder: Path) -> dict[str, Any]:
    """``false_loitering_per_walker_hour``, and under ``walkers`` the same by set, detector and threshold."""
    rows: list[dict[str, Any]] = []
    for crowd in crowds(folder):
        zones = truth.layouts(paths(crowd), scene.WIDTH, scene.HEIGHT, HEIGHTS, SEED, ZONES)
        for model in (False, True):
            for dwell_s in DWELLS:
                found = count(crowd, dwell_s, model, zones)
                rows.append(
                    {
                        "set": crowd.name,
                        "walkers": len(paths(crowd)),
                        "hours": round(crowd.hours * ZONES, 2),
                        "detector": "simulated" if model else "perfect",
                        "dwell_s": dwell_s,
                        **{reason: found[reason] for reason in ("group", "stay", "false")},
                    }
                )
    return {
        "false_loitering_per_walker_hour": round(_rate(rows, DWELLS[1]), 4),
        "walkers": {"seed": SEED, "zones": ZONES, "at_kisas_10_s": round(_rate(rows, DWELLS[0]), 4), "rows": rows},
    }


def _rate(rows: list[dict[str, Any]], dwell_s: float) -> float:
    asked = [row for row in rows if row["detector"] == "simulated" and row["dwell_s"] == dwell_s]
    return float(sum(row["false"] for row in asked)) / float(sum(row["hours"] for row in asked))


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    part = report["walkers"]
    lines = [
        f"loitering by real walkers, {part['zones']} zones of seed {part['seed']}, "
        f"false {report['false_loitering_per_walker_hour']:.3f} a walker-hour "
        f"at {DWELLS[1]:g} s, {part['at_kisas_10_s']:.3f} at {DWELLS[0]:g} s (simulated detector)",
        f"{'set':<12}{'walkers':>8}{'hours':>8}{'detector':>11}{'dwell':>7}{'group':>7}{'stay':>6}{'false':>7}"
        f"{'false/h':>9}",
    ]
    lines += [
        f"{row['set']:<12}{row['walkers']:>8}{row['hours']:>8.1f}{row['detector']:>11}{row['dwell_s']:>5.0f} s"
        f"{row['group']:>7}{row['stay']:>6}{row['false']:>7}{row['false'] / row['hours']:>9.3f}"
        for row in part["rows"]
    ]
    return "\n".join(lines)
