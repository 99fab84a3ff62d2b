"""The command of this package: ``lanewatch simulate``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lanewatch.config.site import Site


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
        "--trajectories", type=Path, metavar="FOLDER", help="recorded walkers (ETH, UCY) instead of the walking model"
    )
    options = parser.parse_args(argv)
    if options.nights < 1 or not 0 < options.fps <= 30:
        parser.error("--nights must be at least 1; --fps must be above 0 and at most 30")
    if (options.out / "detections").exists():
        print(f"{options.out / 'detections'} exists already; name another folder or remove it", file=sys.stderr)
        return 1
    try:
        return _write(options)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


def _write(options: argparse.Namespace) -> int:
    from streams.archive.detections_archive import DetectionsArchive
    from streams.simulator.night import simulate_nights
    from streams.simulator.truth import all_events, theft_labels, write_yaml
    from streams.simulator.walking import WalkingPaths

    walking = WalkingPaths(options.trajectories)
    label = f"{options.nights} camera-nights, seed {options.seed}, {walking.source}"
    sites = []
    records = thefts = 0
    for folder in ("truth", "nights"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    with DetectionsArchive(options.out / "detections") as archive:
        for night in simulate_nights(options.nights, options.seed, walking=walking, fps=options.fps):
            for record in night.records:
                archive.append(record)
                records += 1
            labels = theft_labels(night.camera, night.began_at, night.truth, night.label)
            write_yaml(options.out / "truth" / f"{night.camera}.yaml", labels, night.label)
            more = {"walkers": night.walking_source, "owner_hours": list(night.owner_hours)}
            events = all_events(night.camera, night.began_at, night.truth, night.site.visits, **more)
            write_yaml(options.out / "nights" / f"{night.camera}.yaml", events, night.label)
            thefts += sum(event.theft for event in night.truth)
            sites.append(night.site)
    write_yaml(options.out / "site.yaml", _merged(sites), label)
    print(f"SIMULATED: {label}")
    print(f"{records} records, {thefts} thefts, in {options.out}; no camera ever saw them")
    return 0


def _merged(sites: list[Site]) -> dict[str, Any]:
    """One site file with all cameras."""
    dumped = [site.model_dump(mode="json", exclude_defaults=True) for site in sites]
    content = dumped[0]
    content["schedules"] = {name: hours for site in dumped for name, hours in site["schedules"].items()}
    content["cameras"] = [camera for site in dumped for camera in site["cameras"]]
    content["visits"] = [visit for site in dumped for visit in site.get("visits", [])]
    return content
