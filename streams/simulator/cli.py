"""The command of this package: ``lanewatch simulate``."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lanewatch import progress
from lanewatch.paths import existing
from lanewatch.progress import Progress

if TYPE_CHECKING:
    from lanewatch.config.site import Site
    from streams.simulator.night import SimulatedNight


def simulate(argv: Sequence[str]) -> int:
    """``lanewatch simulate --out FOLDER``: writes simulated nights: detections, ground truth and a site file."""
    parser = argparse.ArgumentParser(
        prog="lanewatch simulate",
        description="Simulates nights at rural lanes, with thefts and without, as detection records. No camera ever "
        "saw them. FOLDER gets detections/ (for `lanewatch rescore`), truth/ (one file for each camera, for "
        "`lanewatch evaluate`), nights/ (all events, harmless ones included) and site.yaml.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="output folder")
    parser.add_argument(
        "--nights", type=int, default=5, help="number of nights, each with its own camera (%(default)s)"
    )
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes (%(default)s)")
    parser.add_argument(
        "--fps", type=float, default=2.0, help="pictures a second while something happens (%(default)s)"
    )
    parser.add_argument(
        "--trajectories",
        type=existing,
        metavar="FOLDER",
        help="recorded walkers (ETH, UCY), not the model's",
    )
    progress.add_option(parser)
    options = parser.parse_args(argv)
    if options.nights < 1 or not 0 < options.fps <= 30 or options.seed < 0:
        parser.error("--nights must be at least 1; --fps must be above 0 and at most 30; --seed must be 0 or more")
    if (options.out / "detections").exists():
        print(f"{options.out / 'detections'} exists already; name another folder or remove it", file=sys.stderr)
        return 1
    try:
        return _write(options)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


def _write(options: argparse.Namespace) -> int:
    from streams.simulator.night import simulate_nights
    from streams.simulator.truth import write_yaml
    from streams.simulator.walking import WalkingPaths

    walking = WalkingPaths(options.trajectories)
    made: list[SimulatedNight] = []
    records = 0
    for folder in ("truth", "nights"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    try:
        with Progress("simulating", options.nights, unit="nights", quiet=options.quiet) as simulated:
            for night in simulate_nights(options.nights, options.seed, walking=walking, fps=options.fps):
                records += _write_night(options.out, night)
                made.append(night)
                simulated.add()
    finally:  # an interrupt keeps the complete nights
        if made:
            label = f"{len(made)} camera-nights, seed {options.seed}, {walking.source}"
            write_yaml(options.out / "site.yaml", _merged([night.site for night in made]), label)
            thefts = sum(event.theft for night in made for event in night.truth)
            print(f"SIMULATED: {label}")
            print(f"{records} records, {thefts} thefts, in {options.out}; no camera ever saw them")
    return 0


def _write_night(folder: Path, night: SimulatedNight) -> int:
    """Writes a night's detections, truth and events, or nothing if it is interrupted. Returns the number of records."""
    from streams.archive.detections_archive import DetectionsArchive
    from streams.simulator.truth import all_events, theft_labels, write_yaml

    detections = folder / "detections"
    files = [folder / name / f"{night.camera}.yaml" for name in ("truth", "nights")]
    records = 0
    try:
        with DetectionsArchive(detections) as archive:
            for record in night.records:
                archive.append(record)
                records += 1
        write_yaml(files[0], theft_labels(night.camera, night.began_at, night.truth, night.label), night.label)
        more = {"walkers": night.walking_source, "owner_hours": list(night.owner_hours)}
        events = all_events(night.camera, night.began_at, night.truth, night.site.visits, **more)
        write_yaml(files[1], events, night.label)
    except KeyboardInterrupt:
        shutil.rmtree(detections / night.camera, ignore_errors=True)
        for file in files:
            file.unlink(missing_ok=True)
        raise
    return records


def _merged(sites: list[Site]) -> dict[str, Any]:
    """One site file with all cameras."""
    dumped = [site.model_dump(mode="json", exclude_defaults=True) for site in sites]
    content = dumped[0]
    content["schedules"] = {name: hours for site in dumped for name, hours in site["schedules"].items()}
    content["cameras"] = [camera for site in dumped for camera in site["cameras"]]
    content["visits"] = [visit for site in dumped for visit in site.get("visits", [])]
    return content
