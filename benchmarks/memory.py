"""The slow proof of bounded memory: live cameras on the demo's clip for twenty minutes, in one process.

With ``--silent``, ten cameras connect and send nothing or nearly nothing (``benchmarks.silent_cameras``), for an hour.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from api.in_process_service import InProcessService
from benchmarks import command
from benchmarks.latency import serve, with_cameras
from benchmarks.silent_cameras import silent_cameras
from lanewatch import demo
from lanewatch.config import loader
from lanewatch.config.site import Site

MINUTES = 20.0
SILENT_MINUTES = 60.0
EVERY_S = 5.0
LIMIT_GB = 1.2
MAX_GROWTH_GB = 0.05
"""From the second fifth of the time, when every packet buffer is full. The buffers themselves vary by about as much."""


def main() -> None:
    """Prints resident memory each minute; exits with 1 if it exceeds the limit or grows."""
    parser = command.parser(__doc__, "rss_gb, growth_gb, cameras, minutes")
    parser.add_argument("--silent", action="store_true", help="ten cameras that send nothing or nearly nothing")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--cameras", type=int)
    options = parser.parse_args()
    options.minutes = options.minutes or (SILENT_MINUTES if options.silent else MINUTES)
    options.cameras = options.cameras or (10 if options.silent else 4)
    site = with_cameras(loader.load(demo.SITE), options.cameras)
    with silent_cameras(options.cameras) as urls:
        if options.silent:
            cameras = [camera.model_copy(update={"url": url}) for camera, url in zip(site.cameras, urls, strict=True)]
            site = site.model_copy(update={"cameras": tuple(cameras)})
        rss = _run(site, options.minutes, verbose=not options.json)
    fifth = max(1, len(rss) // 5)
    figures = {
        "rss_gb": round(max(rss), 3),
        "growth_gb": round(statistics.median(rss[-fifth:]) - statistics.median(rss[fifth : 2 * fifth]), 3),
        "cameras": options.cameras,
        "minutes": options.minutes,
    }
    command.show(figures, table, options.json)
    if max(rss) > LIMIT_GB or figures["growth_gb"] > MAX_GROWTH_GB:
        raise SystemExit(f"memory exceeds {LIMIT_GB} GB, or grows by more than {MAX_GROWTH_GB} GB")


def table(figures: dict[str, Any]) -> str:
    """The figures as text."""
    return (
        f"{figures['cameras']} cameras, {figures['minutes']:g} minutes: at most {figures['rss_gb']} GB resident, "
        f"growth {figures['growth_gb']:+} GB from the second fifth of the time to the last"
    )


def _run(site: Site, minutes: float, *, verbose: bool) -> list[float]:
    rss: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        InProcessService(site, Path(folder), run="live", live=True) as service,
        serve(service),
    ):
        process, ends_at = psutil.Process(), time.monotonic() + minutes * 60
        running = threading.Thread(target=service.runner.run)
        running.start()
        while time.monotonic() < ends_at and running.is_alive():
            running.join(EVERY_S)
            rss.append(process.memory_info().rss / 1e9)
            if verbose and len(rss) % 12 == 0:
                minute = len(rss) * EVERY_S / 60
                print(f"minute {minute:4.1f}: {rss[-1]:.3f} GB, {service.runner.frames} frames", flush=True)
        service.runner.stop()
        running.join()
        if service.runner.errors:
            raise SystemExit(f"cameras ended: {service.runner.errors}")
    return rss


if __name__ == "__main__":
    main()
