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
    """``lanewatch simulate --out FOLDER``: writes simulated nights: detections, truth and a site file."""
    parser = argparse.ArgumentParser(
        prog="lanewatch simulate",
        description="Makes up nights at rural lanes, with thefts and without, as if a detector had watched them: no "
        "camera ever saw them. FOLDER gets detections/ (for `lanewatch rescore`), truth/ (a file a camera, for "
        "`lanewatch evaluate`), nights/ (all that happens) and site.yaml.",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where they are written")
    parser.add_argument("--nights", type=int, default=5, help="how many, each of a camera of its own (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same bytes (%(default)s)")
    parser.add_argument(
        "--fps", type=float, default=2.0, help="pictures a second while something happens (%(default)s)"
    )
    parser.add_argument(
        "--trajectories", type=Path, metavar="FOLDER", help="real walkers' paths (ETH, UCY); a walking model without"
    )
    options = parser.parse_args(argv)
    if options.nights < 1 or not 0 < options.fps <= 30:
        parser.error("--nights has to be at least 1, --fps above 0 and at most 30")
    if (options.out / "detections").exists():
        print(f"{options.out / 'detections'}: is there already; name another folder or remove it", file=sys.stderr)
        return 1
    try:
        return _write(options)
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


def _write(options: argparse.Namespace) -> int:
    from streams.archive.detections_archive import DetectionsArchive
    from streams.simulator import truth
    from streams.simulator.night import simulate_nights
    from streams.simulator.walking import WalkingPaths

    gaits = WalkingPaths(options.trajectories)
    label = f"{options.nights} camera-nights, seed {options.seed}, {gaits.source}"
    sites = []
    records = thefts = 0
    for folder in ("truth", "nights"):
        (options.out / folder).mkdir(parents=True, exist_ok=True)
    with DetectionsArchive(options.out / "detections") as archive:
        for one in simulate_nights(options.nights, options.seed, gaits=gaits, fps=options.fps):
            for record in one.records:
                archive.append(record)
                records += 1
            told = truth.labels(one.camera, one.began_at, one.truth, one.label)
            truth.write(options.out / "truth" / f"{one.camera}.yaml", told, one.label)
            hours = list(one.owner_hours)
            told = truth.all_events(
                one.camera, one.began_at, one.truth, one.visits, walkers=one.walkers, owner_hours=hours
            )
            truth.write(options.out / "nights" / f"{one.camera}.yaml", told, one.label)
            thefts += sum(happening.theft for happening in one.truth)
            sites.append(one.site)
    truth.write(options.out / "site.yaml", _joined(sites), label)
    print(f"SIMULATED: {label}")
    print(f"{records} records, {thefts} thefts, in {options.out}; no camera ever saw them")
    return 0


def _joined(sites: list[Site]) -> dict[str, Any]:
    """One site file with all cameras."""
    dumped = [site.model_dump(mode="json", exclude_defaults=True) for site in sites]
    content = dumped[0]
    content["schedules"] = {name: one for other in dumped for name, one in other["schedules"].items()}
    content["cameras"] = [camera for other in dumped for camera in other["cameras"]]
    content["visits"] = [visit for other in dumped for visit in other.get("visits", [])]
    return content
