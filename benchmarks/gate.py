"""The motion gate's miss rate on labelled clips: people who were there, and for whom the gate said that nothing moved.

``pets09-s2l1`` at 7 frames a second and the contiguous runs of ``caviar``'s clips at 5 (of 25) go through the sampler
with the gate deciding, as in operation, and once more without, to see what it would have seen in every slot. On PETS
somebody always walks somewhere, so the gate never rests: ``tiles`` is the same clip cut into 4x3 pictures of 192x192,
each encoded as a camera of its own with a key frame every two seconds, in which people come and go. The first two
seconds of each, while the background is learned, do not count. Somebody counts as moving who goes further than .25 of
his box's larger side within a second (PETS) or is labelled as walking or running (CAVIAR).

Read it as: ``unsampled`` people were in a slot that the gate left out, so that no detector ever looked there at that
time; ``unseen`` ones moved in a slot that was sampled, and nothing was marked on a tenth of them: they were left to
the detector alone. ``idle`` is the share of slots that the gate saved.

    LANEWATCH_DATA=... python -m benchmarks.gate [--json]
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from benchmarks import truth
from lanewatch.config.fields import LocalizedName
from lanewatch.config.site import Camera, SamplingRate
from lanewatch.records import Box, Frame, Image
from streams.sampling.sampler import Sampler

WARM_S = 2.0
COVERED = 0.1
MOVES = 0.25
TILE = 192
START = 1_768_410_000.0
CLOCK = "2026-01-15T02:00:00+09:00"


@dataclass(frozen=True)
class Person:
    """Somebody in one frame of the ground truth; the box is in pixels of the picture."""

    box: Box
    moves: bool


@dataclass
class Run:
    """A contiguous piece of labelled footage."""

    name: str
    url: str
    source_fps: float
    fps: float
    people: dict[int, list[Person]] = field(default_factory=dict)
    """By the number of the picture from 0."""


def main() -> None:
    """Prints the table, or with ``--json`` the object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one object with a list rows")
    arguments = parser.parse_args()
    data = truth.folder()
    with tempfile.TemporaryDirectory() as folder:
        rows = [
            measure(name, runs)
            for name, runs in (
                ("pets09-s2l1", [pets(data)]),
                ("pets09-s2l1/tiles", tiles(data, Path(folder))),
                *caviar(data, Path(folder)),
            )
        ]
    if arguments.json:
        print(json.dumps({"rows": rows}))
        return
    print(f"{'set':<22}{'people':>8}{'moving':>8}{'unsampled':>11}{'(moving)':>10}{'unseen':>9}{'idle':>7}")
    for row in rows:
        print(
            f"{row['set']:<22}{row['people']:>8}{row['moving']:>8}{row['unsampled']:>11.3f}"
            f"{row['unsampled_moving']:>10.3f}{row['unseen']:>9.3f}{row['idle']:>7.2f}"
        )


def measure(name: str, runs: list[Run]) -> dict[str, str | int | float]:
    """One set's row: shares of the people of its ground truth."""
    count: dict[str, int] = defaultdict(int)
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


def _count(run: Run, count: dict[str, int]) -> None:
    looked = {frame.slot for frame in _frames(run, gate=True)}
    for frame in _frames(run, gate=False):
        if frame.captured_at - START < WARM_S:
            continue
        count["slots"] += 1
        count["sampled"] += frame.slot in looked
        for person in run.people.get(round((frame.captured_at - START) * run.source_fps), []):
            count["people"] += 1
            count["moving"] += person.moves
            if frame.slot not in looked:
                count["unsampled"] += 1
                count["unsampled_moving"] += person.moves
            elif person.moves and not any(_share(person.box, box) >= COVERED for box in frame.scene.moved):
                count["unseen"] += 1


def _frames(run: Run, gate: bool) -> Iterator[Frame]:
    name = LocalizedName(ko="시험", en="trial")
    camera = Camera(id="trial", name=name, url=run.url, latitude=37.5, longitude=127, rate=SamplingRate(active=run.fps))
    return (frame for frame in Sampler(camera, gate=gate) if frame.image is not None)


def _share(person: Box, box: Box) -> float:
    across = min(person[2], box[2]) - max(person[0], box[0])
    down = min(person[3], box[3]) - max(person[1], box[1])
    area = (person[2] - person[0]) * (person[3] - person[1])
    return max(across, 0.0) * max(down, 0.0) / area if area > 0 else 1.0


def pets(data: Path) -> Run:
    """The whole clip, 7 frames a second."""
    tracks: dict[int, dict[int, Box]] = defaultdict(dict)
    with (data / "pets09-s2l1" / "gt.txt").open() as file:
        for number, person, left, top, width, height, *_ in csv.reader(file):
            x, y, across, down = map(float, (left, top, width, height))
            tracks[int(person)][int(number) - 1] = (x, y, x + across, y + down)
    run = Run("pets09-s2l1", f"file://{data}/pets09-s2l1/video.avi?clock={CLOCK}&fps=7", 7.0, 7.0)
    for track in tracks.values():
        for frame, box in track.items():
            before = track.get(frame - 7) or track.get(frame + 7) or box
            side = max(box[2] - box[0], box[3] - box[1])
            gone = max(abs(box[0] + box[2] - before[0] - before[2]), abs(box[1] + box[3] - before[1] - before[3])) / 2
            run.people.setdefault(frame, []).append(Person(box, gone > MOVES * side))
    return run


def tiles(data: Path, folder: Path) -> list[Run]:
    """The clip cut into pictures of ``TILE``; a person is in the one that holds most of the box."""
    whole = pets(data)
    images = []
    with av.open(str(data / "pets09-s2l1" / "video.avi")) as container:
        images = [np.asarray(picture.to_ndarray(format="bgr24"), np.uint8) for picture in container.decode(video=0)]
    runs = []
    for top in range(0, 576, TILE):
        for left in range(0, 768, TILE):
            path = folder / f"tile-{left}-{top}.mp4"
            _encode(path, [image[top : top + TILE, left : left + TILE] for image in images])
            run = Run(path.stem, f"file://{path}?clock={CLOCK}", 7.0, 7.0)
            inside = (float(left), float(top), float(left + TILE), float(top + TILE))
            for number, people in whole.people.items():
                run.people[number] = [
                    Person((x1 - left, y1 - top, x2 - left, y2 - top), person.moves)
                    for person in people
                    for x1, y1, x2, y2 in [person.box]
                    if _share(person.box, inside) > 0.5
                ]
            runs.append(run)
    return runs


def _encode(path: Path, images: list[Image]) -> None:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=7, options={"g": "14", "bf": "0", "crf": "20"})
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in images:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")))
        out.mux(stream.encode())


def caviar(data: Path, folder: Path) -> Iterator[tuple[str, list[Run]]]:
    """Each clip's contiguous runs of at least three seconds, as folders of links."""
    people = _labels(data / "caviar" / "gt" / "tracks.csv.gz")
    frames: dict[str, list[int]] = defaultdict(list)
    with (data / "caviar" / "index.csv").open() as file:
        for row in csv.DictReader(file):
            frames[row["clip"]].append(int(row["frame"]))
    for clip, numbers in sorted(frames.items()):
        runs = []
        for first, last in _runs(sorted(numbers)):
            link = folder / f"{clip}-{first}"
            link.mkdir()
            for number in range(first, last + 1):
                (link / f"{number:04d}.jpg").symlink_to(data / "caviar" / "frames" / clip / f"{number:04d}.jpg")
            run = Run(clip, f"file://{link}?clock={CLOCK}&fps=25", 25.0, 5.0)
            run.people = {n - first: people[clip][n] for n in range(first, last + 1) if n in people[clip]}
            runs.append(run)
        if runs:
            yield f"caviar/{clip}", runs


def _runs(numbers: list[int]) -> Iterator[tuple[int, int]]:
    first = last = numbers[0]
    for number in [*numbers[1:], numbers[-1] + 2]:
        if number != last + 1:
            if last - first >= 75:
                yield first, last
            first = number
        last = number


def _labels(path: Path) -> dict[str, dict[int, list[Person]]]:
    labels: dict[str, dict[int, list[Person]]] = defaultdict(lambda: defaultdict(list))
    with gzip.open(path, "rt") as file:
        for row in csv.DictReader(file):
            if row["kind"] == "object":
                x, y, width, height = (float(row[key]) for key in ("xc", "yc", "w", "h"))
                box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
                labels[row["clip"]][int(row["frame"])].append(Person(box, row["movement"] in {"walking", "running"}))
    return labels


if __name__ == "__main__":
    main()
