"""False loitering alarms of real walkers, whose tracks are in metres and timed.

The classes of alarms (group, stay, false) and the protocol are in benchmarks/PROTOCOLS.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from benchmarks import clips, command, events, zone_event_ground_truth
from benchmarks.clips import only_behaviour, opened_events
from benchmarks.zone_event_ground_truth import Layout, PersonPath
from lanewatch.config.site import BehaviourConfig, Site
from lanewatch.records import PERSON, Bool, Detections, Event, Float64
from streams.simulator import appearance, detector
from streams.simulator.actors import SIZES_M
from streams.simulator.detector import DetectedBoxes, SceneObjects
from streams.simulator.scene import HEIGHT, WIDTH, LaneScene
from streams.simulator.walking import interpolate

STEP_S: Final = 0.4
"""Between annotations, in each of the three sets."""
FPS: Final = 1 / STEP_S
SLOW, NEAR_M, TALK_S, RECENT_S = 0.3, 1.5, 5.0, 60.0
ZONE_HEIGHTS, ZONES, SEED = 4.5, 10, 11
CHUNK: Final = 150
"""Frames at a time through the detector model, with the people present then: it compares all pairs of people."""
DWELLS_S: Final = (10.0, 30.0)
"""KISA's, and the default by day."""
NOON: Final = 1_768_446_000
ZONE_GRACE_S: Final = 1.0
CAMERA: Final = LaneScene(9.0, 0.5, 620.0, 17.0, 0.0, (0, 1, 0, 1), (0, 1, 0, 1))
"""Nine metres high, aimed at a square of about 15 m whose centre is 17 m away."""


class Crowd(NamedTuple):
    """The walkers of a set on the grid of its annotations: (F, P, 2) metres, nan if a walker is not present."""

    name: str
    positions: Float64

    @property
    def present(self) -> Bool:
        present: Bool = np.isfinite(self.positions[..., 0])
        return present

    @property
    def hours(self) -> float:
        """Walker-hours in view."""
        return float(self.present.sum()) * STEP_S / 3600


def crowds(folder: Path) -> list[Crowd]:
    """All sets below ``trajectories``; at least one."""
    files = sorted((folder / "trajectories").rglob("obsmat.txt"))
    if not files:
        raise FileNotFoundError(f"{folder / 'trajectories'}: there are no walkers (obsmat.txt)")
    return [_crowd(file) for file in files]


def _crowd(file: Path) -> Crowd:
    rows = np.loadtxt(file)
    walkers, walker = np.unique(rows[:, 1], return_inverse=True)
    steps = np.diff(np.unique(rows[:, 0]))
    step = np.bincount(steps[steps > 0].astype(int)).argmax()  # frames between annotations
    frame = np.round((rows[:, 0] - rows[:, 0].min()) / step).astype(int)
    positions = np.full((frame.max() + 1, len(walkers), 2), np.nan)
    positions[frame, walker] = rows[:, [2, 4]]
    centre = (np.nanquantile(positions, 0.02, axis=(0, 1)) + np.nanquantile(positions, 0.98, axis=(0, 1))) / 2
    return Crowd(file.parent.name, positions - centre)


def talking(crowd: Crowd) -> Bool:
    """(F, P) whether a walker stands and talks: *group* in PROTOCOLS.md."""
    slow = np.zeros(crowd.present.shape, bool)
    speed = np.hypot(*np.moveaxis(crowd.positions[3:] - crowd.positions[:-3], 2, 0)) / (3 * STEP_S)
    slow[1:-2] = np.nan_to_num(speed, nan=np.inf) < SLOW
    together = np.zeros_like(slow)
    for frame in np.flatnonzero(slow.sum(axis=1) > 1):
        walkers = np.flatnonzero(slow[frame])
        positions = crowd.positions[frame][walkers]
        distance = np.hypot(*np.moveaxis(positions[:, None] - positions[None], 2, 0))
        np.fill_diagonal(distance, np.inf)
        together[frame, walkers] = distance.min(axis=1) <= NEAR_M
    return _long_runs(together, round(TALK_S / STEP_S))


def _long_runs(true: Bool, least: int) -> Bool:
    """Only those runs down the columns that have at least ``least`` rows."""
    long = np.zeros_like(true)
    for column, values in enumerate(true.T):
        edges = np.flatnonzero(np.diff(np.concatenate(([False], values, [False])).astype(np.int8)))
        for begin, end in zip(edges[::2], edges[1::2], strict=True):
            long[begin:end, column] = end - begin >= least
    return long


def boxes(crowd: Crowd) -> tuple[Float64, Float64, Bool]:
    """(F, P, 4) pixels, (F, P) metres from the camera, (F, P) whether in the picture."""
    shape = crowd.present.shape
    size = np.tile(SIZES_M["person"], (crowd.present.size, 1))
    xyxy, distance, in_front = CAMERA.boxes(np.nan_to_num(crowd.positions).reshape(-1, 2), size)
    xyxy = xyxy.reshape(*shape, 4)
    visible = detector.visible_share(xyxy, (WIDTH, HEIGHT)) > 0.9
    return xyxy, distance.reshape(shape), crowd.present & in_front.reshape(shape) & visible


def records(crowd: Crowd, model: bool) -> Iterator[Detections]:
    """The records of a perfect detector, or of the simulator's model of one."""
    rng = np.random.default_rng(SEED)
    xyxy, distance, present = boxes(crowd)
    identities = np.stack([appearance.random_identity(rng) for _ in range(xyxy.shape[1])])
    frames: list[DetectedBoxes] = []
    if model:
        for begin in range(0, len(xyxy), CHUNK):
            chunk = slice(begin, begin + CHUNK)
            walkers = np.flatnonzero(present[chunk].any(axis=0))
            here = present[chunk][:, walkers]
            own_boxes, own_distance = xyxy[chunk][:, walkers], distance[chunk][:, walkers]
            labels, size = ("person",) * len(walkers), (WIDTH, HEIGHT)
            objects = SceneObjects(own_boxes, here, own_distance, here, labels, identities[walkers], size)
            frames += [frame.detected for frame in detector.simulate_detections(objects, FPS, "day", rng)]
    else:
        descriptors = np.concatenate([appearance.descriptors(identity, 1, FPS, False, rng) for identity in identities])
        frames = [
            DetectedBoxes.empty().extended(whole[here], np.full(here.sum(), 0.8), PERSON, descriptors[here])
            for whole, here in zip(xyxy, present, strict=True)
        ]
    for number, frame in enumerate(frames):
        slot = NOON * 1000 + round(number * STEP_S * 1000)
        yield detector.to_record(clips.CAMERA, slot, (WIDTH, HEIGHT), frame)


def paths(crowd: Crowd) -> list[PersonPath]:
    """The walkers in pixels, for drawing zones and computing stays."""
    xyxy, _, present = boxes(crowd)
    feet = np.stack([(xyxy[..., 0] + xyxy[..., 2]) / 2, xyxy[..., 3]], axis=-1)
    height: Float64 = xyxy[..., 3] - xyxy[..., 1]
    times: Float64 = np.arange(len(xyxy), dtype=np.float64) * STEP_S
    return [
        PersonPath(walker, times[here], feet[here, walker], height[here, walker])
        for walker, here in enumerate(present.T)
        if here.any()
    ]


def site(layouts: list[Layout], dwell_s: float) -> Site:
    """One camera with the watch zones of all layouts, with loitering alone."""
    watched = (events.zones_of(layout, WIDTH, HEIGHT)[0] for layout in layouts)
    zones = tuple(zone.model_copy(update={"id": f"zone-{number}"}) for number, zone in enumerate(watched))
    loitering = BehaviourConfig(thresholds={"dwell_s": dwell_s})
    return only_behaviour(clips.site(Path("none"), FPS, zones=zones), "loitering", loitering)


def count_alarms(crowd: Crowd, dwell_s: float, model: bool, layouts: list[Layout]) -> Counter[str]:
    """Alarms by class: ``group``, ``stay`` or ``false``."""
    walkers, talks = paths(crowd), talking(crowd)
    opened = opened_events(records(crowd, model), site(layouts, dwell_s))
    return Counter(_classify(event, walkers, talks, layouts, dwell_s) for event in opened)


def _classify(event: Event, walkers: list[PersonPath], talks: Bool, layouts: list[Layout], dwell_s: float) -> str:
    """The class of an alarm; its walker is the one nearest to the box in the event's peak frame."""
    at = event.peak.captured_at - NOON
    left, top, right, bottom = event.peak.box
    foot = np.array([(left + right) / 2, bottom])
    near = [walker for walker in walkers if walker.times[0] - STEP_S <= at <= walker.times[-1] + STEP_S]
    feet = [interpolate(np.array([at]), walker.times, walker.feet)[0] for walker in near]
    distances = [float(np.hypot(*(own - foot))) for own in feet]
    if not distances or min(distances) > (bottom - top) / 2:
        return "false"
    walker = near[int(np.argmin(distances))]
    raised = event.started_at - NOON
    recent = slice(max(int((raised - RECENT_S) / STEP_S), 0), int(raised / STEP_S) + 1)
    if talks[recent, walker.person].any():
        return "group"
    zone = layouts[int(event.zone.removeprefix("zone-"))].watch
    stays = zone_event_ground_truth.stays(walker, zone)
    stayed = any(begin - 2 <= raised and min(end, raised) - begin >= dwell_s - ZONE_GRACE_S for begin, end in stays)
    return "stay" if stayed else "false"


def measure(folder: Path) -> dict[str, Any]:
    """``false_loitering_per_walker_hour``; ``walkers`` has it by set, detector and threshold."""
    rows: list[dict[str, Any]] = []
    for crowd in crowds(folder):
        walkers = paths(crowd)
        layouts = zone_event_ground_truth.layouts(walkers, WIDTH, HEIGHT, ZONE_HEIGHTS, SEED, ZONES)
        for model in (False, True):
            for dwell_s in DWELLS_S:
                alarms = count_alarms(crowd, dwell_s, model, layouts)
                row = {"set": crowd.name, "walkers": len(walkers), "hours": round(crowd.hours * ZONES, 2)}
                row |= {"detector": "simulated" if model else "perfect", "dwell_s": dwell_s}
                rows.append(row | {name: alarms[name] for name in ("group", "stay", "false")})
    at_kisas, by_day = (round(_false_rate(rows, dwell_s), 4) for dwell_s in DWELLS_S)
    return {
        "false_loitering_per_walker_hour": by_day,
        "walkers": {"seed": SEED, "zones": ZONES, "at_kisas_10_s": at_kisas, "rows": rows},
    }


def _false_rate(rows: list[dict[str, Any]], dwell_s: float) -> float:
    chosen = [row for row in rows if row["detector"] == "simulated" and row["dwell_s"] == dwell_s]
    return float(sum(row["false"] for row in chosen)) / float(sum(row["hours"] for row in chosen))


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    part = report["walkers"]
    rows = [row | {"false_per_hour": row["false"] / row["hours"]} for row in part["rows"]]
    formats = {"set": "", "walkers": "", "hours": ".1f", "detector": "", "dwell_s": "g", "group": "", "stay": ""}
    title = (
        f"loitering by real walkers, {part['zones']} zones of seed {part['seed']}, "
        f"false {report['false_loitering_per_walker_hour']:.3f} a walker-hour "
        f"at {DWELLS_S[1]:g} s, {part['at_kisas_10_s']:.3f} at {DWELLS_S[0]:g} s (simulated detector)"
    )
    return "\n".join([title, *command.aligned(rows, formats | {"false": "", "false_per_hour": ".3f"})])
