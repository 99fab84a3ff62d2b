"""Detections of clips and of their perturbed copies, kept on disk, since a network takes hours for all of them.

A file's key covers the clip, the change, and the code and weights that make detections. It changes with any of them.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame
from msgspec.structs import replace

from benchmarks import clips, datasets, perturbations
from benchmarks.perturbations import NONE, Perturbation
from detectors import notebook
from lanewatch.records import Detections, Image, decode, encode

KEPT: Final = Path("var/benchmarks/detections")
ROOT: Final = Path(__file__).parents[1]
CODE: Final = (
    "models/detection",
    "models/pose",
    "models/weights",
    "models/appearance.py",
    "streams/sampling",
    "streams/video",
    "streams/sources",
    "detectors/detect_stage.py",
    "benchmarks/perturbed_detections.py",
)
"""Files and folders whose change asks for new detections."""
LOSSLESS: Final = {"qp": "0", "preset": "ultrafast"}


def detections(
    path: Path,
    fps: float,
    perturbation: Perturbation = NONE,
    *,
    rate: float = clips.MAX_FPS,
    phase: int = 0,
    right_half: bool = False,
) -> list[Detections]:
    """The records of a clip under a perturbation, at about ``rate`` pictures a second or all that it has.

    Args:
        path: A video file or a folder of images.
        fps: The clip's true frame rate.
        phase: The number of the first picture, from 0; only where the pictures are not changed.
        right_half: Only the right half of each picture, as in UR Fall.
    """
    rate *= perturbation.rate
    if perturbation.change is not None or perturbation.network is not None:
        every = max(round(fps / rate), 1)
        records = _kept(path, fps, perturbation, every, right_half)
    else:  # all pictures are detected once, for every rate and speed
        all_every = max(round(fps / clips.MAX_FPS), 1)
        records = _kept(path, fps, NONE, all_every, right_half)
        records = clips.thinned(records, max(round(fps / all_every / rate), 1), phase)
    return retimed(records, speed=perturbation.speed)


def retimed(records: Sequence[Detections], *, start: float | None = None, speed: float = 1.0) -> list[Detections]:
    """The same pictures, the first at ``start`` (capture time, seconds UTC), everything moving at another speed."""
    if not records:
        return []
    origin = records[0].captured_at
    return [_retimed(record, origin, origin if start is None else start, speed) for record in records]


def _retimed(record: Detections, origin: float, start: float, speed: float) -> Detections:
    def at(seconds: float) -> float:
        return start + (seconds - origin) / speed

    scene = record.scene
    scene = replace(
        scene,
        still=tuple(replace(region, still_since=at(region.still_since)) for region in scene.still),
        flames=tuple(replace(flame, since=at(flame.since)) for flame in scene.flames),
        frozen_s=scene.frozen_s / speed,
    )
    captured_at = at(record.captured_at)
    return replace(record, slot=round(captured_at * 1000), captured_at=captured_at, scene=scene)


def _kept(path: Path, fps: float, perturbation: Perturbation, every: int, right_half: bool) -> list[Detections]:
    name = f"{perturbation.name}, {every}, {right_half}, {fps:g}, {_change_key(perturbation)}"
    key = hashlib.sha256("\n".join((_content_key(path), name, _code_key())).encode()).hexdigest()[:24]
    file = KEPT / f"{key}.msgpack"
    if file.exists():
        return decode(file.read_bytes(), list[Detections])
    records = _detect(path, fps, perturbation, every, right_half)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(f".{os.getpid()}")
    part.write_bytes(encode(records))  # type: ignore[arg-type]  # a list of records
    part.replace(file)
    return records


def _detect(path: Path, fps: float, perturbation: Perturbation, every: int, right_half: bool) -> list[Detections]:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "copy.mkv"
        write(copy, _pictures(path, perturbation, every, right_half), fps / every)
        site = clips.site(copy, fps / every)
        return notebook.detect(site, network=perturbation.network, quiet=True)


def _pictures(path: Path, perturbation: Perturbation, every: int, right_half: bool) -> Iterator[Image]:
    for number, image in enumerate(_images(path)):
        if number % every:
            continue
        if right_half:
            image = image[:, image.shape[1] // 2 :]
        yield perturbation.change(image, number) if perturbation.change else image


def _images(path: Path) -> Iterator[Image]:
    if not path.is_dir():
        yield from datasets.images(path)
        return
    for file in sorted(path.iterdir()):
        image = cv2.imread(str(file))
        if image is None:
            raise ValueError(f"{file}: not an image")
        yield np.asarray(image, np.uint8)


def write(path: Path, pictures: Iterator[Image], fps: float) -> None:
    """Writes pictures (H, W, 3) as an H.264 file without loss but for the chroma; an odd side loses its last row."""
    with av.open(str(path), "w") as out:
        stream = None
        for number, image in enumerate(pictures):
            height, width = (side // 2 * 2 for side in image.shape[:2])
            if stream is None:
                stream = out.add_stream("libx264", rate=round(fps), options=LOSSLESS)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            picture = VideoFrame.from_ndarray(np.ascontiguousarray(image[:height, :width]), format="bgr24")
            picture.pts = number
            out.mux(stream.encode(picture))
        if stream is None:
            raise ValueError(f"{path}: there are no pictures to write")
        out.mux(stream.encode())


def _change_key(perturbation: Perturbation) -> str:
    """The source of a change, so that a new version of it asks for new detections."""
    if perturbation.change is None:
        return perturbation.network or ""
    constants = perturbations.CROP, perturbations.NOISE, perturbations.SHAKE
    return f"{inspect.getsource(perturbation.change)} {constants}"


@functools.cache
def _content_key(path: Path) -> str:
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        digest.update(file.read_bytes())
    return digest.hexdigest()


@functools.cache
def _code_key() -> str:
    digest = hashlib.sha256()
    for name in CODE:
        place = ROOT / name
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(file.relative_to(ROOT).as_posix().encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()
