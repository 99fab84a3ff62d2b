"""Falls from pixels: what is found in the clips in which somebody falls, and what is raised where nobody does.

*GMDCSA24* (indoor, 640x480): each subject's ``GroupOutage.csv`` and ``ADL.csv`` say what happens when. The instant of a fall
is the beginning of its "Falling" interval: when balance is lost, not when the floor is reached. *UR Fall*
(``ur-fall-*``): the right half of each picture, which shows the scene in colour; in the clips called ``fall-*``
somebody falls once, at a time that is known for the first of them only: in the others any alarm of the clip meets it.
In clips of daily living, and at any other time, every alarm is false; so is a second one for the same fall.

A fall is found by an alarm from 2 s before to 10 s after its instant (KISA's window), at the capture time of the record
that opened the event. Clips are looked at with about 15 pictures a second, with each second one of these from the first
and from the second on, and with each third one (printed, not counted); the worst of the first three counts.

*Street*: alarms on PETS 2009, at its 7 pictures a second, and on ABODA, where people walk, meet and bend.

    LANEWATCH_DATA=... python -m benchmarks.behaviours --only falls
"""

from __future__ import annotations

import csv
import re
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple

import av
import cv2
import numpy as np

from benchmarks.acts import footage
from detectors.behaviours.fall.behaviour import Fall
from detectors.evaluation.matching import Instant, match
from detectors.watch_stage import WatchStage
from lanewatch.records import Detections

FULL: Final = 15.0
RATES: Final = ((1, 0), (2, 0), (2, 1))
"""Every so many of the 15 pictures a second, from which on."""
PRINTED: Final = ((3, 0),)
KISA: Final = (2.0, 10.0)
KNOWN: Final = {"fall-01-cam0": 3.0}
"""Seconds at which falls of UR Fall begin, as far as anybody looked."""


class Clip(NamedTuple):
    """A clip, its rate in pictures a second, and the instants of its falls in seconds."""

    name: str
    path: Path
    fps: float
    falls: tuple[float, ...]
    crop: bool = False


def clips(folder: Path) -> list[Clip]:
    """Whatever clips of both sets lie in the folder."""
    found = []
    for path in footage.videos(folder, "gmdcsa24-falls/*/*/*"):
        times = _times(path.parent.with_suffix(".csv"), path.name) if path.parent.name == "Fall" else ()
        found.append(Clip("/".join(path.parts[-3:]), path, footage.rate(path), times))
    for path in footage.videos(folder, "ur-fall-*/*"):
        falls = (KNOWN.get(path.stem, float("nan")),) if path.stem.startswith("fall") else ()
        found.append(Clip("/".join(path.parts[-2:]), path, footage.rate(path), falls, crop=True))
    if not found:
        raise FileNotFoundError(f"{folder}: neither gmdcsa24-falls nor ur-fall-* with clips in it")
    return found


def _times(labels: Path, name: str) -> tuple[float, ...]:
    with labels.open(encoding="utf-8", newline="") as stream:
        rows = [" ".join(cell for cell in row if cell) for row in csv.reader(stream) if row and row[0].strip() == name]
    times = tuple(float(begin) for row in rows for begin in re.findall(r"Falling[^\[\];]*\[\s*([\d.]+)\s*to", row))
    if not times:
        raise ValueError(f"{labels}: says of {name} in no row when somebody falls, such as `Falling (BW)[1.9 to 6]`")
    return times


def alarms(records: Iterable[Detections]) -> list[float]:
    """When falls were raised, seconds from the clip's first picture."""
    watcher = WatchStage(footage.site(Path("clip.mp4"), FULL), run="falls")
    state = watcher.start(footage.CAMERA)
    start = datetime.fromisoformat(footage.CLOCK).timestamp()
    raised = []
    for record in records:
        state, events = watcher.step(state, record)
        raised += [one.updated_at - start for one in events if one.kind == Fall.kind and one.state == "open"]
    return raised


def looked(clip: Clip) -> Iterator[list[float]]:
    """The alarms at each of ``RATES`` and ``PRINTED``."""
    fold = max(round(clip.fps / FULL), 1)
    with tempfile.TemporaryDirectory() as scratch:
        path = _right_half(clip.path, Path(scratch)) if clip.crop else clip.path
        for every, phase in (*RATES, *PRINTED):
            yield alarms(footage.seen(path, clip.fps, every=fold * every, phase=fold * phase))


def _right_half(path: Path, folder: Path) -> Path:
    """The right half of each picture, as JPEG files of the best quality."""
    with av.open(str(path)) as container:
        for number, decoded in enumerate(container.decode(video=0)):
            image = decoded.to_ndarray(format="bgr24")
            half = image[:, image.shape[1] // 2 :].astype(np.uint8)
            cv2.imwrite(str(folder / f"{number:05d}.jpg"), half, (cv2.IMWRITE_JPEG_QUALITY, 100))
    return folder


def judge(falls: Iterable[float], raised: Iterable[float]) -> tuple[int, int]:
    """How many falls are found, and how many alarms are false; the instant of a fall may be unknown (NaN)."""
    times = list(raised)
    known = [Instant("", at) for at in falls if at == at]
    met = match([Instant("", at) for at in times], known, before_s=KISA[0], after_s=KISA[1])
    anywhere = min(sum(at != at for at in falls), len(met.false))
    return len(met.pairs) + anywhere, len(met.false) - anywhere


def measure(folder: Path) -> dict[str, Any]:
    """``falls_found`` of ``falls_total``, ``falls_false``, ``falls_false_street``: the worst of the rates."""
    staged = clips(folder)
    rows: list[dict[str, Any]] = []
    for clip in staged:
        runs = list(looked(clip))
        outcome = [judge(clip.falls, raised) for raised in runs]
        rows.append({"clip": clip.name, "falls": len(clip.falls), "alarms": runs, "outcome": outcome})
    found, false = (
        [sum(row["outcome"][rate][which] for row in rows) for rate in range(len(RATES) + len(PRINTED))]
        for which in (0, 1)
    )
    street = {
        str(path.relative_to(folder)): [alarms(run) for run in _street(path, footage.rate(path))]
        for path in footage.street(folder)
    }
    raised = [sum(len(runs[rate]) for runs in street.values()) for rate in range(len(RATES) + len(PRINTED))]
    counted = slice(len(RATES))
    return {
        "falls_total": sum(len(clip.falls) for clip in staged),
        "falls_found": min(found[counted]),
        "falls_false": max(false[counted]),
        "falls_false_street": max(raised[counted]),
        "falls": {"found": found, "false": false, "street": raised, "clips": rows, "street_alarms": street},
    }


def _street(path: Path, fps: float) -> Iterator[list[Detections]]:
    fold = max(round(fps / FULL), 1)
    for every, phase in (*RATES, *PRINTED):
        # The one clip has no 15 pictures a second: its own rate stands for 15 and 7.5 there, half of it for 5
        slow = fps < FULL / 2
        every, phase = (2 if every == PRINTED[0][0] else 1, 0) if slow else (fold * every, fold * phase)
        yield footage.seen(path, fps, every=every, phase=phase)


def table(report: dict[str, Any]) -> str:
    """The report for people."""
    part = report["falls"]
    total = report["falls_total"]
    names = [f"{FULL / every:g} fps from picture {phase + 1}" for every, phase in (*RATES, *PRINTED)]
    lines = [
        f"falls_found {report['falls_found']} of {total}, falls_false {report['falls_false']}, falls_false_street "
        f"{report['falls_false_street']} (worst at 15 and 7.5 fps; from pixels; asked: all, 0, <= 2)"
    ]
    for name, found, false, street in zip(names, part["found"], part["false"], part["street"], strict=True):
        lines.append(f"  {name}: found {found} of {total}, false {false}, in the street {street}")
    for row in part["clips"]:
        times = " | ".join(", ".join(f"{at:.1f}" for at in run) or "-" for run in row["alarms"])
        lines.append(f"  {row['clip']:<28} {row['falls']} fall{'' if row['falls'] == 1 else 's'}; alarms at {times} s")
    return "\n".join(lines)
