"""The command of this package: ``lanewatch simulate``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lanewatch.site import Site
    from streams.simulator import Night


def simulate(argv: Sequence[str]) -> int:
    """``lanewatch simulate --out FOLDER``: writes simulated nights: detections, truth and a site file."""
    parser = argparse.ArgumentParser(
        prog="lanewatch simulate",
        description="Makes up nights at rural lanes, with thefts and without, as if a detector had watched them: no "
        "camera ever saw them. FOLDER gets detections/ (for `lanewatch rescore`), truth/CAMERA.yaml and site.yaml.",
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
    from streams.archive import Archive
    from streams.simulator import Gaits, nights, truth

    gaits = Gaits(options.trajectories)
    sites = []
    records = thefts = 0
    (options.out / "truth").mkdir(parents=True, exist_ok=True)
    with Archive(options.out / "detections") as archive:
        for one in nights(options.nights, options.seed, gaits=gaits, fps=options.fps):
            for record in one.records:
                archive.append(record)
                records += 1
            truth.write(options.out / "truth" / f"{one.camera}.yaml", _told(one))
            thefts += sum(happening.theft for happening in one.truth)
            sites.append(one.site)
    truth.write(options.out / "site.yaml", _joined(sites))
    print(f"SIMULATED: {options.nights} camera-nights, seed {options.seed}, {gaits.source}")
    print(f"{records} records, {thefts} thefts, in {options.out}; no camera ever saw them")
    return 0


def _told(one: Night) -> dict[str, object]:
    from streams.simulator import truth

    return truth.content(
        one.camera,
        one.began_at,
        one.truth,
        simulated=one.label,
        owner_hours=list(one.owner_hours),
        visits=truth.visits(one.visits),
    )


def _joined(sites: list[Site]) -> dict[str, object]:
    """One site file with all cameras; each camera's owner has a schedule ``owner-CAMERA``."""
    dumped = [site.model_dump(mode="json", exclude_defaults=True) for site in sites]
    content = dumped[0]
    content["schedules"] = {
        f"owner-{site.cameras[0].id}": one["schedules"]["owner"] for site, one in zip(sites, dumped, strict=True)
    }
    content["cameras"] = [camera for one in dumped for camera in one["cameras"]]
    return content
