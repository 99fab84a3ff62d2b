"""The demo's events on perturbed copies of its clip: mirrored, darker, faster, compressed, cropped.

Nothing was tuned on these copies. PROTOCOLS.md describes them.

    python -m benchmarks.robustness [--json]
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.video.frame import VideoFrame

from benchmarks import command
from benchmarks.datasets import images
from detectors import pipeline
from detectors.evaluation.alarms import alarm_instants
from detectors.evaluation.matching import Instant, match
from detectors.evaluation.truth_file import truths
from lanewatch import demo
from lanewatch.config import loader
from lanewatch.config.site import Camera, Site
from lanewatch.records import Image
from models.detection.base import ObjectDetector
from streams.sources.url import SourceUrl

Point = tuple[float, float]

FPS = 7
CROP = 0.05
"""Of each side: a tenth of the width and of the height."""
DWELL_S = 10.0
"""Of the demo's loitering: it does not get shorter when people move faster."""


@dataclass(frozen=True)
class Perturbation:
    """A change of the pictures, of the places in them, or of the speed."""

    name: str
    change: Callable[[Image], Image] = lambda image: image
    move: Callable[[Point], Point] = lambda point: point
    mirrored: bool = False
    speed: Fraction = Fraction(1)


def _jpeg(image: Image) -> Image:
    data = cv2.imencode(".jpg", image, (cv2.IMWRITE_JPEG_QUALITY, 30))[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR), np.uint8)


def _cropped(image: Image) -> Image:
    top, left = (round(side * CROP / 2) * 2 for side in image.shape[:2])
    return image[top : image.shape[0] - top, left : image.shape[1] - left]


def _to_cropped(point: Point) -> Point:
    x, y = (min(max((value - CROP) / (1 - 2 * CROP), 0.0), 1.0) for value in point)
    return x, y


PERTURBATIONS = (
    Perturbation("none"),
    Perturbation("mirrored", lambda image: image[:, ::-1], lambda point: (1 - point[0], point[1]), mirrored=True),
    Perturbation("70 % brightness", lambda image: np.asarray(cv2.convertScaleAbs(image, alpha=0.7), np.uint8)),
    Perturbation("1.2 x speed", speed=Fraction(6, 5)),
    Perturbation("JPEG quality 30", _jpeg),
    Perturbation("10 % cropped", _cropped, _to_cropped),
)


def main() -> None:
    """Prints the report."""
    parser = command.parser(__doc__, "demo, demo_found_worst, demo_false_worst")
    options = parser.parse_args()
    site = loader.load(demo.SITE)
    network = pipeline.load_detector(site)
    rows = {}
    with tempfile.TemporaryDirectory() as folder:
        for number, perturbation in enumerate(PERTURBATIONS):
            rows[perturbation.name] = _measure(perturbation, site, network, Path(folder) / f"{number}.mp4")
    figures = {
        "demo": rows,
        "demo_found_worst": min(row["found"] for row in rows.values()),
        "demo_false_worst": max(len(row["false"]) for row in rows.values()),
    }
    command.show(figures, table, options.json)


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [f"{'perturbation':<18}{'found':>8}  false"]
    for name, row in figures["demo"].items():
        lines.append(f"{name:<18}{row['found']:>4} / {row['total']}  {', '.join(row['false']) or 'none'}")
    return "\n".join(lines)


def _measure(perturbation: Perturbation, site: Site, network: ObjectDetector, path: Path) -> dict[str, Any]:
    _write(path, perturbation)
    labels = [_moved_in_time(label, site, perturbation.speed) for label in truths(demo.TRUTH)]
    revisions = pipeline.play(_moved(site, perturbation, path), run="robustness", network=network)
    alarms = alarm_instants(revisions)
    result = match(alarms, labels)
    return {
        "found": len(result.pairs),
        "total": len(labels),
        "false": [str(alarms[index].key[1]) for index in result.false],  # type: ignore[index]
    }


def _write(path: Path, perturbation: Perturbation) -> None:
    with av.open(str(path), "w") as out:
        stream: Any = None
        rate = FPS * perturbation.speed
        for index, image in enumerate(images(demo.CLIP)):
            changed = np.ascontiguousarray(perturbation.change(image))
            if stream is None:
                stream = out.add_stream("libx264", rate=rate, options={"crf": "16", "preset": "veryfast"})
                stream.height, stream.width, stream.pix_fmt = *changed.shape[:2], "yuv420p"
            picture = VideoFrame.from_ndarray(changed, format="bgr24")
            picture.pts, picture.time_base = index, 1 / rate
            out.mux(stream.encode(picture))
        out.mux(stream.encode())


def _moved(site: Site, perturbation: Perturbation, path: Path) -> Site:
    """The site with the perturbed file, and its zones and lines where the pictures show them."""
    camera = site.cameras[0]
    zones = [
        zone.model_copy(update={"polygon": tuple(perturbation.move(point) for point in zone.polygon)})
        for zone in camera.zones
    ]
    lines = []
    for line in camera.lines:
        points = tuple(perturbation.move(point) for point in line.points)
        # In a mirror, left and right change places. They are named along the line, so its ends change places too.
        lines.append(line.model_copy(update={"points": points[::-1] if perturbation.mirrored else points}))
    clock = datetime.fromtimestamp(SourceUrl.parse(camera.url).clock or 0.0, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    changes = {"url": f"file:{path}?clock={clock}", "zones": tuple(zones), "lines": tuple(lines)}
    moved = Camera.model_validate(camera.model_copy(update=changes).model_dump())
    return site.model_copy(update={"cameras": (moved,)})


def _moved_in_time(label: Instant, site: Site, speed: Fraction) -> Instant:
    start = SourceUrl.parse(site.cameras[0].url).clock or 0.0
    fixed_s = DWELL_S if label.key[1] == "loitering" else 0.0  # type: ignore[index]
    return Instant(label.key, start + (label.at - start - fixed_s) / float(speed) + fixed_s)


if __name__ == "__main__":
    main()
