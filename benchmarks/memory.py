"""The slow proof of bounded memory: live cameras on the demo's clip, for twenty minutes, in one process."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path

import psutil

from api.site_service import SiteService
from benchmarks.latency import serving, several
from lanewatch import demo
from lanewatch.config import loader

MINUTES = 20.0
EVERY_S = 5.0
LIMIT_GB = 1.2
FLAT_GB = 0.05
"""Between the second fifth of the time, when every ring is full, and the last: less than the rings' own breathing."""


def main() -> None:
    """Prints resident memory by the minute; exits 1 where it passes the limit or is not flat."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object: rss_gb, growth_gb, ...")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument("--cameras", type=int, default=4)
    arguments = parser.parse_args()
    rss = _run(arguments.cameras, arguments.minutes, tell=not arguments.json)
    fifth = max(1, len(rss) // 5)
    figures = {
        "rss_gb": round(max(rss), 3),
        "growth_gb": round(statistics.median(rss[-fifth:]) - statistics.median(rss[fifth : 2 * fifth]), 3),
        "cameras": arguments.cameras,
        "minutes": arguments.minutes,
    }
    print(
        json.dumps(figures)
        if arguments.json
        else f"{arguments.cameras} cameras, {arguments.minutes:g} minutes: at most {figures['rss_gb']} GB resident, "
        f"growth {figures['growth_gb']:+} GB from the second fifth of the time to the last"
    )
    if figures["rss_gb"] > LIMIT_GB or figures["growth_gb"] > FLAT_GB:
        raise SystemExit(f"memory is not bounded by {LIMIT_GB} GB, or grows by more than {FLAT_GB} GB")


def _run(cameras: int, minutes: float, *, tell: bool) -> list[float]:
    site = several(loader.load(demo.SITE), cameras)
    rss: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        SiteService(site, Path(folder), run="live", live=True) as centre,
        serving(centre),
    ):
        process, ends = psutil.Process(), time.monotonic() + minutes * 60
        running = threading.Thread(target=centre.runner.run)
        running.start()
        while time.monotonic() < ends and running.is_alive():
            running.join(EVERY_S)
            rss.append(process.memory_info().rss / 1e9)
            if tell and len(rss) % 12 == 0:
                print(
                    f"minute {len(rss) * EVERY_S / 60:4.1f}: {rss[-1]:.3f} GB, {centre.runner.frames} frames",
                    flush=True,
                )
        centre.runner.stop()
        running.join()
        if centre.runner.errors:
            raise SystemExit(f"cameras ended: {centre.runner.errors}")
    return rss


if __name__ == "__main__":
    main()
