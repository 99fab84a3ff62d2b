"""The motion gate's miss rate on labelled clips: people in the picture while the gate reports no motion.

LANEWATCH_DATA=... python -m benchmarks.motion_gate [--json]    (protocol: benchmarks/PROTOCOLS.md)
"""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import command, datasets
from benchmarks.clips import NAME
from benchmarks.datasets import CAVIAR_FPS, PETS, PETS_FPS
from lanewatch.boxes import intersection
from lanewatch.config.site import Camera, SamplingRate
from lanewatch.records import Box, Frame
from streams.sampling.sampler import Sampler

WARM_UP_S = 2.0
COVERED = 0.1
MOVING = 0.25
TILE = 192
MIN_RUN = 75  # pictures
START = 1_768_410_000.0
CLOCK = "2026-01-15T02:00:00+09:00"


class Person(NamedTuple):
    """A labelled person in one frame; the box is in pixels."""

    box: Box
    moving: bool


@dataclass
class Run:
    """Consecutive labelled pictures: ``fps`` is the sampler's rate, ``people`` are by the picture's number from 0."""

    url: str
    source_fps: float
    fps: float
    people: dict[int, list[Person]] = field(default_factory=dict)


def main() -> None:
    """Prints the report."""
    options = command.parser(__doc__, "rows").parse_args()
    data = command.data_folder()
    with tempfile.TemporaryDirectory() as folder:
        runs = {PETS: [pets(data)], f"{PETS}/tiles": tiles(data, Path(folder)), **caviar(data, Path(folder))}
        rows = [measure(name, of_set) for name, of_set in runs.items()]
    command.show({"rows": rows}, table, options.json)


def table(report: dict[str, Any]) -> str:
    """The report as text."""
    formats = {"set": "", "people": "", "moving": "", "unsampled": ".3f", "unsampled_moving": ".3f", "unseen": ".3f"}
    return "\n".join(command.aligned(report["rows"], formats | {"idle": ".2f"}))


def measure(name: str, runs: list[Run]) -> dict[str, Any]:
    """A set's row: shares of its labelled people."""
    count: Counter[str] = Counter()
    for run in runs:
        _count(run, count)
    people, moving = max(count["people"], 1), max(count["moving"], 1)
    return {
        "set": name,
        "people": count["people"],
        "moving": count["moving"],
        "unsampled": count["unsampled"] / people,
        "unsampled_moving": count["unsampled_moving"] / moving,
        "unseen": count["unseen"] / moving,
        "idle": 1 - count["sampled"] / max(count["slots"], 1),
    }


def _count(run: Run, count: Counter[str]) -> None:
    sampled = {frame.slot for frame in _frames(run, gate=True)}
    for frame in _frames(run, gate=False):
        if frame.captured_at - START < WARM_UP_S:
            continue
        count["slots"] += 1
        count["sampled"] += frame.slot in sampled
        for person in run.people.get(round((frame.captured_at - START) * run.source_fps), []):
            count["people"] += 1
            count["moving"] += person.moving
            if frame.slot not in sampled:
                count["unsampled"] += 1
                count["unsampled_moving"] += person.moving
            elif person.moving and not any(_share_inside(person.box, box) >= COVERED for box in frame.scene.moved):
                count["unseen"] += 1


def _frames(run: Run, gate: bool) -> Iterator[Frame]:
    camera = Camera(id="trial", name=NAME, url=run.url, latitude=37.5, longitude=127, rate=SamplingRate(active=run.fps))
    return (frame for frame in Sampler(camera, gate=gate) if frame.image is not None)


def _share_inside(person: Box, box: Box) -> float:
    area = (person[2] - person[0]) * (person[3] - person[1])
    return intersection(person, box) / area if area > 0 else 1.0


def pets(data: Path) -> Run:
    """The whole PETS clip."""
    labels = datasets.mot_labels(data / PETS / "gt.txt")
    tracks: dict[int, dict[int, Box]] = defaultdict(dict)
    boxes = zip(labels.frames.tolist(), labels.people.tolist(), labels.xyxy.tolist(), strict=True)
    for frame, person, (left, top, right, bottom) in boxes:
        tracks[person][frame] = (left, top, right, bottom)
    run = Run(f"file://{data}/{PETS}/video.avi?clock={CLOCK}&fps=7", PETS_FPS, PETS_FPS)
    for track in tracks.values():
        for frame, box in track.items():
            other = track.get(frame - 7) or track.get(frame + 7) or box
            side = max(box[2] - box[0], box[3] - box[1])
            distance = max(abs(box[0] + box[2] - other[0] - other[2]), abs(box[1] + box[3] - other[1] - other[3])) / 2
            run.people.setdefault(frame, []).append(Person(box, distance > MOVING * side))
    return run


def tiles(data: Path, folder: Path) -> list[Run]:
    """The PETS clip cut into pictures of ``TILE``; a person belongs to the tile that holds most of the box."""
    whole = pets(data)
    pictures = list(datasets.images(data / PETS / "video.avi"))
    runs = []
    for top in range(0, 576, TILE):
        for left in range(0, 768, TILE):
            path = folder / f"tile-{left}-{top}.mp4"
            tile_pictures = (picture[top : top + TILE, left : left + TILE] for picture in pictures)
            datasets.encode(path, tile_pictures, (TILE, TILE), 7, {"g": "14", "bf": "0", "crf": "20"})
            run = Run(f"file://{path}?clock={CLOCK}", PETS_FPS, PETS_FPS)
            tile = (float(left), float(top), float(left + TILE), float(top + TILE))
            for number, people in whole.people.items():
                run.people[number] = [
                    Person((x1 - left, y1 - top, x2 - left, y2 - top), person.moving)
                    for person in people
                    for x1, y1, x2, y2 in [person.box]
                    if _share_inside(person.box, tile) > 0.5
                ]
            runs.append(run)
    return runs


def caviar(data: Path, folder: Path) -> dict[str, list[Run]]:
    """The runs of at least three seconds of each CAVIAR clip, as folders of links."""
    people: dict[str, dict[int, list[Person]]] = defaultdict(lambda: defaultdict(list))
    for label in datasets.caviar_labels(data):
        if label.kind == "object":
            people[label.clip][label.frame].append(Person(label.box, label.movement in {"walking", "running"}))
    runs: dict[str, list[Run]] = defaultdict(list)
    for pictures in datasets.caviar_runs(data):
        if len(pictures.files) > MIN_RUN:
            link = datasets.link_pictures(pictures.files, folder / f"{pictures.clip}-{pictures.first}")
            run = Run(f"file://{link}?clock={CLOCK}&fps=25", CAVIAR_FPS, 5.0)
            labelled = people[pictures.clip]
            numbers = range(pictures.first, pictures.first + len(pictures.files))
            run.people = {number - pictures.first: labelled[number] for number in numbers if number in labelled}
            runs[f"caviar/{pictures.clip}"].append(run)
    return runs


if __name__ == "__main__":
    main()
